"""What a fault is: where it strikes, what it makes, and the order to let it happen."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatch
from types import FunctionType
from typing import Any, TypeVar

Make = TypeVar("Make", bound=FunctionType)


class Stage(Enum):
    """Where a fault strikes.

    - `EDGE` answers instead of the API, whatever the models would have said;
    - `UPSTREAM`: the providers of one model fail; in a chat with fallbacks the next one answers;
    - `ANSWER`: the model gives an unpleasant answer (the fault makes a `Script`);
    - `WIRE`: the reply is damaged on its way (the fault makes a wrapper around its body).
    """

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

    def make(self, requested: str = "") -> Any:
        """What the fault's stage asks for; some name the model that was `requested`."""
        parameters = self.parameters
        if requested and "requested" in inspect.signature(self.kind.make).parameters:
            parameters = {"requested": requested} | parameters
        return self.kind.make(**parameters)


class Register:
    """The faults of one stage, entered by decorating the function that makes each."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.kinds: dict[str, Kind] = {}

    def __call__(self, make: Make) -> Make:
        """Enter the decorated function under its own name."""
        self.enter(make.__name__, make, inspect.cleandoc(make.__doc__ or ""))
        return make

    def enter(self, name: str, make: Callable[..., Any], does: str) -> None:
        """Enter a function under another name."""
        self.kinds[name] = Kind(name, self.stage, make, does)
