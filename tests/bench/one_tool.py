"""The reference: the smallest FastMCP server there is."""

from fastmcp import FastMCP

mcp = FastMCP("one")


@mcp.tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


mcp.run(show_banner=False)
