"""The tools, one module per OPENROUTER_TOOLS group."""
