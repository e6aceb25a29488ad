"""What the simulator knows and has been told: no server, no network."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from openrouter_mcp.simulator import catalogue
from openrouter_mcp.simulator.fault import Fault, Stage
from openrouter_mcp.simulator.faults import prepare
from openrouter_mcp.simulator.scripts import Film, Queued, Script

KeyKind = Literal["inference", "management"]

INFERENCE_KEY = "sk-or-v1-simulator"
MANAGEMENT_KEY = "sk-or-v1-simulator-management"


@dataclass
class Recorded:
    """One request as it arrived, and how it ended."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw: bytes
    body: Any
    received_at: float
    closed_at: float | None = None
    disconnected: bool = False
    """The client closed the connection before the reply ended."""
    ended: threading.Event = field(default_factory=threading.Event, repr=False)


class Simulator:
    """The account, the catalogue, the log of requests and the instructions for what comes next."""

    def __init__(
        self,
        *,
        models: list[dict[str, Any]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._models = models
        self.reset()

    def reset(self) -> None:
        """Back to the beginning: no log, no instructions, nothing spent, nothing altered."""
        self.clock = self._clock
        self.catalogue = self._models or catalogue.build(self.clock())
        self.keys: dict[str, KeyKind] = {INFERENCE_KEY: "inference", MANAGEMENT_KEY: "management"}
        self.presets: dict[str, dict[str, Any]] = {
            "brief": {"system_prompt": "Answer in one sentence.", "temperature": 0.2}
        }
        self.latency = 0.0
        """Seconds that every chat thinks before its first token."""
        self.balance = Decimal(100)
        self.key_limit: Decimal | None = None
        self.spent = Decimal(0)
        self.free_requests = 0
        self.requests: list[Recorded] = []
        self.faults: list[Fault] = []
        self.scripts: list[Queued] = []
        self.response_cache: dict[tuple[str, ...], Any] = {}
        self.prompt_cache: dict[str, list[str]] = {}
        self.generations: dict[str, dict[str, Any]] = {}
        """What `GET /generation` tells, by id."""
        self.videos: dict[str, dict[str, Any]] = {}
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
        self.faults.append(
            prepare(name, path=path, model=model, provider=provider, times=times, **parameters)
        )

    def take_fault(
        self, stage: Stage, path: str, model: str = "", provider: str = ""
    ) -> Fault | None:
        """The first queued fault of this stage that matches, counted as used."""
        for fault in self.faults:
            if fault.kind.stage is stage and fault.matches(path, model, provider):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self.faults.remove(fault)
                return fault
        return None

    def answer(
        self, script: str | Script, *, times: int | None = 1, model: str = "", prompt: str = ""
    ) -> None:
        """Script the next chat answers, of `model` only and to prompts holding `prompt` only."""
        script = Script(text=script) if isinstance(script, str) else script
        self.scripts.append(Queued(script, times, model, prompt))

    def take_script(self, model: str, prompt: str) -> Script:
        """The first queued script for this model and prompt, else an empty one."""
        for queued in self.scripts:
            if queued.model in ("", model) and queued.prompt in prompt:
                if queued.times is not None:
                    queued.times -= 1
                    if queued.times <= 0:
                        self.scripts.remove(queued)
                return queued.script
        return Script()

    def model(self, model_id: str) -> dict[str, Any] | None:
        """The catalogue row with this id or canonical slug."""
        rows = self.catalogue
        by_id = next((row for row in rows if row["id"] == model_id), None)
        return by_id or next((row for row in rows if row["canonical_slug"] == model_id), None)

    def charge(self, dollars: Decimal) -> None:
        """Take the price of a generation from the balance."""
        self.balance -= dollars
        self.spent += dollars

    def generation_id(self, kind: str = "") -> str:
        """A new `gen-...` id (`gen-tts-...` for a kind), counted up so that runs are alike."""
        self._generations += 1
        prefix = f"gen-{kind}-" if kind else "gen-"
        return f"{prefix}{int(self.clock())}-{self._generations:06d}"

    @property
    def in_flight(self) -> int:
        """Requests whose reply has not ended."""
        return sum(recorded.closed_at is None for recorded in self.requests)
