"""The requests that reached the simulated OpenRouter."""

from typing import Any

from openrouter_mcp.simulator.state import Simulator

AUTO = "openrouter/auto"


def chats(simulator: Simulator) -> list[Any]:
    """The chats that were asked for, oldest first."""
    return [r for r in simulator.requests if r.path.endswith("/chat/completions")]


def paid(simulator: Simulator) -> list[Any]:
    """Every request that costs something."""
    return [request for request in simulator.requests if request.method == "POST"]
