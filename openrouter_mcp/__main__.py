"""`python -m openrouter_mcp`."""

from openrouter_mcp.cli import main

main()
