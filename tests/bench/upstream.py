"""The simulator as a process: `python -m tests.bench.upstream LATENCY MODELS`.

It has a core of its own, so that it is not what limits those who are measured.
"""

import gc
import sys
import threading

from openrouter_mcp.simulator.catalogue import sample_catalogue
from openrouter_mcp.simulator.server import serve
from openrouter_mcp.simulator.state import Film, Simulator
from tests.bench.samples import LONG_ANSWER, LONG_PROMPT, VIDEO


def main() -> None:
    """Write the base URL to stdout and serve until killed."""
    latency, models = float(sys.argv[1]), int(sys.argv[2])
    simulator = Simulator(models=sample_catalogue(models) if models else None)
    simulator.latency = latency
    simulator.answer(LONG_ANSWER, times=None, prompt=LONG_PROMPT)
    simulator.film = Film(looks=1, size=VIDEO)
    gc.freeze()
    with serve(simulator) as running:
        sys.stdout.write(f"{running.url}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
