"""A task that a model works on with the tools of the user's other MCP servers."""
