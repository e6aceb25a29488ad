"""The loop in which a model works on a task with tools, until it answers or a limit ends it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from openrouter_mcp.agent import turns
from openrouter_mcp.agent.agent_run import Ending, Limits, Run, Step
from openrouter_mcp.agent.result_pages import READ_RESULT, ResultPages
from openrouter_mcp.agent.run_log import Transcript
from openrouter_mcp.agent.toolbox import Toolbox
from openrouter_mcp.api.retry import Report
from openrouter_mcp.chat.exchange import Exchange, converse
from openrouter_mcp.completions.answer import NOT_STARTED, Answer, Listener
from openrouter_mcp.completions.request import ChatRequest
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.spending import estimate, receipts

TOOL_LIMIT = 120.0
"""Seconds that one tool call may take."""
REPEATS = 3
"""Times that the same call may give the same result."""
CONTEXT_SHARE = 0.75
"""Characters of the results of one turn for each token of the context: about a quarter of it."""
LEAST_SHOWN = 500

Pay = Callable[[ChatRequest, Listener], Awaitable[Answer]]
"""Sends one request and pays for it; the listener hears of it from the moment it is sent."""


@dataclass(frozen=True)
class Watch:
    """Who hears how a run goes: in a sentence for people, word by word, of every call, of all."""

    report: Report
    grown: Callable[[Answer], None]
    stepped: Callable[[Step], None]
    transcript: Transcript


class _Heard:
    """What is heard of one request while it is under way."""

    def __init__(self, watch: Watch) -> None:
        self.sent = False
        self.answer = Answer()
        self.listener = Listener(self._report, self._started, self._grown)
        self._watch = watch

    async def _report(self, message: str) -> None:
        # Before that it may wait for money; after it there are words.
        self.sent = self.sent or message.endswith(NOT_STARTED)
        await self._watch.report(message)

    async def _started(self, generation_id: str) -> None:
        self.answer.generation_id = generation_id

    def _grown(self, answer: Answer) -> None:
        self.answer = answer
        self._watch.grown(answer)


class Agent:
    """One run, from its first request to its end."""

    def __init__(
        self, request: ChatRequest, toolbox: Toolbox, pay: Pay, limits: Limits, watch: Watch
    ) -> None:
        row = request.model.model
        self._request = request
        self._toolbox = toolbox
        self._pay = pay
        self._limits = limits
        self._watch = watch
        self._context = row.context_length if row else 0
        self._senses = row.input_modalities if row else frozenset[str]()
        self._pages = ResultPages()
        self._seen: Counter[tuple[str, str, str]] = Counter()
        self._begun = time.monotonic()
        self._closing = ""
        """Why the next turn has to be the last one."""
        self._heard = _Heard(watch)
        self._urged = False
        """Whether the model was just told that it said nothing."""
        self.run = Run(request)

    async def work(self) -> Run:
        """Let the model work. Raises `OpenRouterError` when not even one turn was answered."""
        await self._record_messages(self._request.messages)
        limit = asyncio.timeout(self._limits.seconds)
        try:
            async with limit:
                while await self._turn():
                    pass
        except TimeoutError:
            if not limit.expired():
                raise
            self.run.ending = Ending.TIME
            self._complete_calls("The time was up before this ended.")
            await self._keep_words()
        except OpenRouterError as error:
            if not self.run.exchanges:
                raise
            self.run.ending = Ending.COST if error.code is Code.BUDGET_EXCEEDED else Ending.FAILED
            self.run.error = error
        await self._watch.transcript.write("end", reason=self.run.ending)
        return self.run

    async def _turn(self) -> bool:
        """Ask the model once and run what it calls; False when the run is over."""
        turn = len(self.run.exchanges) + 1
        if turn == self._limits.steps > 1 and not self._closing:
            self._closing = f"These were {self._limits.steps} steps, the limit."
            self.run.ending = Ending.STEPS
        if self._closing:
            await self._add({"role": "user", "content": f"{self._closing} {turns.CLOSE}"})
        exchange = await self._ask()
        said = {**exchange.last.message(), "content": exchange.text or None}
        message = turns.sendable(said, [*self._request.messages, *self.run.added])
        self.run.text = exchange.text or self.run.text
        if turns.is_empty(exchange.last) and not self._urged:
            self._urged = True
            await self._add({"role": "user", "content": turns.EMPTY})
            return turn < self._limits.steps
        self._urged = False
        if exchange.error:
            self.run.ending, self.run.error = Ending.FAILED, exchange.error
            return False
        await self._add(message)
        ids = [call["id"] for call in message.get("tool_calls") or []]
        calls = [{**c, "id": id_} for c, id_ in zip(exchange.last.tool_calls, ids, strict=True)]
        if not calls or self._closing:
            self._complete_calls("This was not run: the run is over.")
            return False
        await self._answer_calls(turn, calls)
        if turn >= self._limits.steps:
            self.run.ending = Ending.STEPS
        return turn < self._limits.steps

    async def _ask(self) -> Exchange:
        left = self._limits.dollars
        messages = turns.fitted([*self._request.messages, *self.run.added], self._context)
        request = replace(self._request, body={**self._request.body, "messages": messages})
        if left is not None:
            left -= self.run.spent
            cap = self._limits.dollars_per_call
            request = estimate.within(request, left, datetime.now(UTC), cap)
        exchange = await converse(
            request, self._send, continuations=self._limits.continuations, limit=left
        )
        self.run.exchanges.append(exchange)
        return exchange

    async def _send(self, request: ChatRequest) -> Answer:
        """Send one request; what may be billed is in the run, however it ends."""
        heard = self._heard = _Heard(self._watch)
        try:
            answer = await self._pay(request, heard.listener)
        except (OpenRouterError, asyncio.CancelledError) as error:
            # A request that was refused, and never got an id, costs nothing.
            refused = isinstance(error, OpenRouterError) and not heard.answer.generation_id
            if heard.sent and not refused:
                self.run.receipts.append(receipts.of_chat(request, heard.answer))
            raise
        self._heard = _Heard(self._watch)
        self.run.receipts.append(receipts.of_chat(request, answer))
        return answer

    async def _keep_words(self) -> None:
        """Keep what the model was saying when the time was up, for the reply and for later."""
        if self._heard.answer.text:
            self.run.text = self._heard.answer.text
            await self._add({"role": "assistant", "content": self.run.text})

    async def _answer_calls(self, turn: int, calls: Sequence[dict[str, Any]]) -> None:
        """Run every call: those that only read side by side, the others one after the other."""
        steps: list[Step] = []
        for together in turns.batches(calls, self._toolbox.is_read_only):
            steps += await asyncio.gather(*(self._call(turn, call) for call in together))
        self.run.steps += steps
        media: list[Any] = []
        for call, step in zip(calls, steps, strict=True):
            text = self._pages.shown(step.outcome.text, self._room(len(calls)))
            await self._add({"role": "tool", "tool_call_id": call["id"], "content": text})
            media += step.outcome.parts
        if media:
            lead = {"type": "text", "text": turns.MEDIA}
            await self._add({"role": "user", "content": [lead, *media]})
        await self._watch.report(f"step {turn}: {steps[-1].line()}")
        self._heed_repeats(steps)

    async def _call(self, turn: int, call: dict[str, Any]) -> Step:
        name = self._toolbox.known(call["function"]["name"])
        arguments = call["function"]["arguments"]
        begun = time.monotonic()
        await self._watch.report(f"step {turn}: {name}")
        if name == READ_RESULT:
            outcome = self._pages.read(arguments, self._room(1))
        else:
            left = self._limits.seconds - (begun - self._begun)
            seconds = max(1.0, min(TOOL_LIMIT, left))
            outcome = await self._toolbox.call(name, arguments, seconds, self._senses)
        step = Step(turn, name, arguments, outcome, time.monotonic() - begun)
        await self._watch.transcript.write(
            "tool",
            turn=turn,
            name=name,
            arguments=arguments,
            result=outcome.text,
            failed=outcome.failed,
            milliseconds=round(step.seconds * 1000),
        )
        self._watch.stepped(step)
        return step

    def _heed_repeats(self, steps: Sequence[Step]) -> None:
        """Close the run when a call has given the same result again and again."""
        made = {(step.name, step.arguments, step.outcome.text) for step in steps}
        self._seen.update(made)
        if any(self._seen[call] >= REPEATS for call in made):
            self._closing = f"You made the same call {REPEATS} times, with the same result."
            self.run.ending = Ending.LOOP

    def _room(self, results: int) -> int:
        """Characters that one of so many results may take in the conversation."""
        if not self._context:
            return self._limits.result_chars
        share = int(self._context * CONTEXT_SHARE) // results
        return max(LEAST_SHOWN, min(self._limits.result_chars, share))

    def _complete_calls(self, result: str) -> None:
        """Answer the calls that were not run, so that the conversation can go on."""
        added = self.run.added
        asked = max((n for n, m in enumerate(added) if m["role"] == "assistant"), default=0)
        answered = {message.get("tool_call_id") for message in added[asked:]}
        for call in (added[asked].get("tool_calls") or []) if added else []:
            if call["id"] not in answered:
                added.append({"role": "tool", "tool_call_id": call["id"], "content": result})

    async def _add(self, message: dict[str, Any]) -> None:
        self.run.added.append(message)
        if message["role"] != "tool":
            await self._record_messages([message])

    async def _record_messages(self, messages: Sequence[dict[str, Any]]) -> None:
        for message in messages:
            await self._watch.transcript.write("message", message=message)
