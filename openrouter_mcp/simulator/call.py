"""One request on its way to an endpoint, and who may send it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from starlette.responses import Response

from openrouter_mcp.simulator.replies import Refused, failure
from openrouter_mcp.simulator.state import KeyKind, Recorded, Simulator

Access = Literal["public", "any key", "inference", "management"]


@dataclass
class Call:
    """What an endpoint sees: the simulator, the request, the kind of its key."""

    simulator: Simulator
    recorded: Recorded
    path: str
    path_parameters: dict[str, str]
    key: str
    kind: KeyKind | None

    @property
    def query(self) -> dict[str, str]:
        """The query parameters."""
        return self.recorded.query

    @property
    def headers(self) -> dict[str, str]:
        """The headers, names in lower case."""
        return self.recorded.headers

    @property
    def body(self) -> Any:
        """The JSON body."""
        return self.recorded.body


Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True)
class Endpoint:
    """One row of the API: where, what answers, who may ask."""

    method: str
    path: str
    handler: Handler
    access: Access = "public"


def authenticate(simulator: Simulator, headers: dict[str, str]) -> tuple[str, KeyKind | None]:
    """The key that was sent and its kind, None for an unknown key."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    key = key.strip() if scheme.lower() == "bearer" else ""
    return key, simulator.keys.get(key)


def authorize(call: Call, access: Access) -> None:
    """Raise `Refused` unless the call's key may use an endpoint with this access."""
    if access == "public":
        return
    if not call.key:
        raise Refused(failure(401, "Missing Authentication header"))
    if call.kind is None:
        raise Refused(failure(401, "User not found."))
    if access == "management" and call.kind != "management":
        raise Refused(failure(403, "Only management keys can perform this operation"))
    if access == "inference" and call.kind != "inference":
        raise Refused(failure(403, "Management keys cannot be used for inference"))
