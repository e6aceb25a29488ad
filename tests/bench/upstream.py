"""The simulator as a process: `python -m tests.bench.upstream LATENCY MODELS`.

It has a core of its own, so that it is not what limits those who are measured.
"""

import copy
import gc
import sys
import threading
from datetime import UTC, datetime
from typing import Any

from openrouter_mcp.simulator import catalogue
from openrouter_mcp.simulator.server import serve
from openrouter_mcp.simulator.state import Film, Simulator
from tests.bench.samples import LONG_ANSWER, LONG_PROMPT, VIDEO


def sample_catalogue(count: int) -> list[dict[str, Any]]:
    """`count` rows: those of the simulator repeated under invented names."""
    originals = catalogue.build(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
    rows = originals[:count]
    for number in range(count - len(rows)):
        copied = copy.deepcopy(originals[number % len(originals)])
        author, _, slug = copied["id"].lstrip("~").partition("/")
        copied["id"] = copied["canonical_slug"] = f"sample-{author}/{slug}-{number}"
        copied["name"] = f"{copied['name']} {number}"
        copied["links"] = {"details": f"/api/v1/models/{copied['id']}/endpoints"}
        copied.pop("alias_target", None)
        rows.append(copied)
    return rows


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
