"""What the simulator knows and has been told, and one request to it: no server, no network."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatch
from typing import Any, Literal

from starlette.responses import Response

from openrouter_mcp.simulator import catalogue
from openrouter_mcp.simulator.answers import Script
from openrouter_mcp.simulator.faults import FAULTS, Kind, Refused, Stage, bad_request, invalid

Json = dict[str, Any]
KeyKind = Literal["inference", "management"]

INFERENCE_KEY = "sk-or-v1-simulator"
MANAGEMENT_KEY = "sk-or-v1-simulator-management"
BYOK_FEE = Decimal("0.05")
"""What OpenRouter takes of the price when the user's own key at the provider pays it."""


@dataclass
class Recorded:
    """One request as it arrived, and how it ended. `path` is below the base URL."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""
    raw: bytes
    body: Any
    """The JSON body, None where there is none or it is no JSON."""
    received_at: float
    closed_at: float | None = None
    disconnected: bool = False
    """The client closed the connection before the reply ended."""
    ended: threading.Event = field(default_factory=threading.Event, repr=False)


@dataclass
class Film:
    """How the videos turn out: after how many looks, with which status, of how many bytes.

    `content` is sent in place of a video; `ranges` says whether a part of it can be asked for,
    `usage` whether a failed one tells its cost.
    """

    looks: int = 2
    status: str = "completed"
    error: str = "Content policy violation"
    size: int = 200_000
    content: bytes | None = None
    ranges: bool = True
    usage: bool = True


@dataclass
class AuthorizationCode:
    """What a code of a login can be exchanged with, and when it was made."""

    challenge: str
    method: str
    made_at: float


@dataclass
class Queued:
    """A script that waits for its request: of this model, with this text in the prompt."""

    script: Script
    times: int | None
    model: str
    prompt: str


@dataclass
class Fault:
    """A fault that waits for its request; `times` None means until the simulator is reset."""

    kind: Kind
    path: str
    model: str
    provider: str
    times: int | None
    parameters: Json

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


class Simulator:
    """The account, the catalogue, the log of requests and the instructions for what comes next."""

    def __init__(
        self, *, models: list[Json] | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._models = models
        self.reset()

    def reset(self) -> None:
        """Back to the beginning: no log, no instructions, nothing spent, nothing altered."""
        self.clock = self._clock
        self.catalogue = self._models or catalogue.build(self.clock())
        self.keys: dict[str, KeyKind] = {INFERENCE_KEY: "inference", MANAGEMENT_KEY: "management"}
        self.codes: dict[str, AuthorizationCode] = {}
        """Logins that users have agreed to, by code."""
        self.presets: dict[str, Json] = {
            "brief": {"system_prompt": "Answer in one sentence.", "temperature": 0.2}
        }
        self.latency = 0.0
        """Seconds that every chat thinks before its first token."""
        self.greedy = False
        """Whether models use all that a request lets them: output, searches, turns, fallbacks."""
        self.balance = Decimal(100)
        self.key_limit: Decimal | None = None
        self.spent = Decimal(0)
        self.byok = False
        """Whether the providers bill the user's own keys, and OpenRouter takes a fee of that."""
        self.free_requests = 0
        self.requests: list[Recorded] = []
        self.faults: list[Fault] = []
        self.scripts: list[Queued] = []
        self.response_cache: dict[tuple[str, ...], Any] = {}
        self.prompt_cache: dict[str, list[str]] = {}
        self.generations: dict[str, Json] = {}
        """What `GET /generation` tells, by id."""
        self.videos: dict[str, Json] = {}
        self.film = Film()
        self.generation_misses = 0
        """How often each generation is not found before its statistics are written."""
        self._generations = 0

    def fail(
        self,
        name: str,
        *,
        path: str = "*",
        model: str = "",
        provider: str = "",
        times: int | None = 1,
        **parameters: Any,
    ) -> None:
        """Make the next matching requests fail in the named way (see `faults.FAULTS`).

        `path` is a pattern below the base URL such as `/chat/completions` or `/models*`. `model`
        narrows it to requests for that model; where the models themselves fail (`UPSTREAM`) to
        that candidate, and `provider` (a slug) to that provider of it, so that the next one
        answers. `times=None` means until `reset()`.
        Raises ValueError for an unknown fault and TypeError for unknown parameters.
        """
        if name not in FAULTS:
            raise ValueError(f"no fault {name!r}; there are: {', '.join(sorted(FAULTS))}")
        kind = FAULTS[name]
        inspect.signature(kind.make).bind(**parameters)
        self.faults.append(Fault(kind, path, model, provider, times, parameters))

    def take_fault(
        self, stage: Stage, path: str, model: str = "", provider: str = ""
    ) -> Fault | None:
        """The first queued fault of this stage that matches, counted as used."""
        for fault in self.faults:
            if fault.kind.stage is stage and fault.matches(path, model, provider):
                self._use(self.faults, fault)
                return fault
        return None

    def answer(
        self, script: str | Script, *, times: int | None = 1, model: str = "", prompt: str = ""
    ) -> None:
        """Script the next chat answers, of `model` only and to prompts holding `prompt` only."""
        script = Script(text=script) if isinstance(script, str) else script
        self.scripts.append(Queued(script, times, model, prompt))

    def answer_raw(
        self,
        *pieces: str | bytes | Json,
        status: int = 200,
        media_type: str = "text/event-stream",
        path: str = "/chat/completions",
        times: int | None = 1,
    ) -> None:
        """Answer the next requests to `path` with exactly these pieces, one write for each.

        Text and bytes go out as they are, an object as a server-sent event.
        """
        reply: Json = {"pieces": pieces, "status": status, "media_type": media_type}
        self.fail("raw", path=path, times=times, **reply)

    def take_script(self, model: str, prompt: str) -> Script:
        """The first queued script for this model and prompt, else an empty one."""
        for queued in self.scripts:
            if queued.model in ("", model) and queued.prompt in prompt:
                self._use(self.scripts, queued)
                return queued.script
        return Script()

    @staticmethod
    def _use(queue: list[Any], used: Fault | Queued) -> None:
        if used.times is not None:
            used.times -= 1
            if used.times <= 0:
                queue.remove(used)

    def model(self, model_id: str) -> Json | None:
        """The catalogue row with this id or canonical slug."""
        rows = self.catalogue
        by_id = next((row for row in rows if row["id"] == model_id), None)
        return by_id or next((row for row in rows if row["canonical_slug"] == model_id), None)

    def charge(self, dollars: Decimal) -> None:
        """Take the price of a generation from the balance."""
        self.balance -= dollars
        self.spent += dollars

    def charged(self, cost: Decimal) -> Decimal:
        """What OpenRouter takes of the price of a generation."""
        return cost * BYOK_FEE if self.byok else cost

    def generation_id(self, kind: str = "") -> str:
        """A new `gen-...` id (`gen-tts-...` for a kind), counted up so that runs are alike."""
        self._generations += 1
        prefix = f"gen-{kind}-" if kind else "gen-"
        return f"{prefix}{int(self.clock())}-{self._generations:06d}"

    @property
    def in_flight(self) -> int:
        """Requests whose reply has not ended."""
        return sum(recorded.closed_at is None for recorded in self.requests)


@dataclass
class Call:
    """What an endpoint sees: the simulator, the request, the key and its kind (None: unknown)."""

    simulator: Simulator
    recorded: Recorded
    path_parameters: dict[str, str]
    key: str
    kind: KeyKind | None

    @property
    def path(self) -> str:
        """The path below the base URL."""
        return self.recorded.path

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

    def number(self, name: str, default: int) -> int:
        """A whole number from the query. Raises `Refused`."""
        text = self.query.get(name, str(default))
        if not text.isdigit():
            message = f"Expected number, received {text}"
            raise Refused(invalid("invalid_type", [name], message))
        return int(text)

    def fields(self, required: str, optional: str) -> Json:
        """The body without its nulls. Raises `Refused` unless it has just these fields.

        What they hold is not looked at here: the tests judge that by the models of OpenRouter's
        official SDK.
        """
        if not isinstance(self.body, dict):
            raise bad_request("Invalid JSON body")
        body = {name: value for name, value in self.body.items() if value is not None}
        for name in required.split():
            if not body.get(name):
                raise Refused(invalid("invalid_type", [name], "Required"))
        for name in body.keys() - {*required.split(), *optional.split()}:
            message = f"Unrecognized key(s) in object: '{name}'"
            raise Refused(invalid("unrecognized_keys", [], message, keys=[name]))
        return body


Handler = Callable[[Call], Awaitable[Response]]
