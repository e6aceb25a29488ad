"""`python -m openrouter_mcp.simulator [--port PORT]`: serve until interrupted."""

import argparse
import sys
import time

from openrouter_mcp.simulator.server import serve
from openrouter_mcp.simulator.state import Simulator


def main() -> None:
    """Write the base URL to stdout, then serve until interrupted."""
    parser = argparse.ArgumentParser(prog="openrouter_mcp.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    with serve(Simulator(), port=parser.parse_args().port) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
