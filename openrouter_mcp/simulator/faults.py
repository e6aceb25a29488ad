"""Every way in which OpenRouter fails, by a readable name, and the queue entry that asks for it.

`FAULTS` maps each name to its `Kind`. The stage says where it strikes:

- `EDGE`: answers instead of the API, whatever the models would have said;
- `UPSTREAM`: the providers of one model fail; in a chat with fallbacks the next model answers;
- `ANSWER`: the model gives an unpleasant answer (the fault makes a `Script`);
- `WIRE`: the reply is damaged on its way (the fault wraps the response).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatch
from types import FunctionType
from typing import Any, TypeVar


class Stage(Enum):
    """Where a fault strikes."""

    EDGE = "edge"
    UPSTREAM = "upstream"
    ANSWER = "answer"
    WIRE = "wire"


@dataclass(frozen=True)
class Kind:
    """One named fault: what it makes, from which parameters."""

    name: str
    stage: Stage
    make: Callable[..., Any]
    does: str = ""


@dataclass
class Fault:
    """A queued order to fail."""

    kind: Kind
    path: str
    model: str
    provider: str
    times: int | None
    parameters: dict[str, Any]

    def matches(self, path: str, model: str, provider: str) -> bool:
        """Whether it is meant for this request and, in a chat, for this candidate."""
        return (
            fnmatch(path, self.path)
            and self.model in ("", model)
            and self.provider in ("", provider)
        )

    def make(self) -> Any:
        """What the fault's stage asks for."""
        return self.kind.make(**self.parameters)


FAULTS: dict[str, Kind] = {}


Make = TypeVar("Make", bound=FunctionType)


def fault(stage: Stage) -> Callable[[Make], Make]:
    """Enter the decorated function into `FAULTS` under its own name."""

    def enter(make: Make) -> Make:
        does = inspect.cleandoc(make.__doc__ or "")
        FAULTS[make.__name__] = Kind(make.__name__, stage, make, does)
        return make

    return enter


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
