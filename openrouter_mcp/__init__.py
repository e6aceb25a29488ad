"""All of OpenRouter as one local MCP server."""

__version__ = "0.1.0"
WEBSITE = "https://github.com/openrouter-mcp/openrouter-mcp"
"""The repository, as pyproject.toml has it; a test compares both."""
