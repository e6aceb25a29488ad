"""The Model Context Protocol, as far as the SDK does not know it for us."""
