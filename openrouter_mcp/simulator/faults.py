"""Every way in which OpenRouter fails, by a readable name."""

from __future__ import annotations

import inspect
from typing import Any

from openrouter_mcp.simulator import edge_faults, upstream_faults, wire_faults
from openrouter_mcp.simulator.fault import Fault, Kind

FAULTS: dict[str, Kind] = {
    **edge_faults.edge.kinds,
    **upstream_faults.upstream.kinds,
    **upstream_faults.answering.kinds,
    **wire_faults.before.kinds,
    **wire_faults.wire.kinds,
}


def prepare(
    name: str,
    *,
    path: str,
    model: str,
    provider: str,
    times: int | None,
    **parameters: Any,
) -> Fault:
    """A fault ready to queue. Raises ValueError (no such fault) or TypeError (its parameters)."""
    if name not in FAULTS:
        raise ValueError(f"no fault {name!r}; there are: {', '.join(sorted(FAULTS))}")
    kind = FAULTS[name]
    inspect.signature(kind.make).bind(**parameters)
    return Fault(kind, path, model, provider, times, parameters)
