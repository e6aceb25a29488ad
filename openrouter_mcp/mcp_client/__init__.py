"""The user's other MCP servers: their configuration, processes and sessions."""
