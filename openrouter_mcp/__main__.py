"""`python -m openrouter_mcp`."""

import os
import sys

# Python looks for modules in the working directory first, and whoever filled that would run here.
if not sys.flags.safe_path and sys.path[0] in {"", os.getcwd()}:  # noqa: PTH109 - pathlib is one
    del sys.path[0]

from openrouter_mcp.cli import main

main()
