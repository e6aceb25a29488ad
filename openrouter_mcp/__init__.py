"""All of OpenRouter as one local MCP server."""

__version__ = "0.1.0"
