"""One whole reply: an answer that was cut is continued, JSON that does not fit is mended."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from openrouter_mcp.api import responses
from openrouter_mcp.completions import json_output
from openrouter_mcp.completions.answer import Answer, Listener, complete
from openrouter_mcp.completions.options import Effort
from openrouter_mcp.completions.request import CHAT, ChatRequest
from openrouter_mcp.completions.tool_calls import sendable
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.spending import estimate, receipts
from openrouter_mcp.spending.paid_request import Purchase
from openrouter_mcp.spending.receipts import Receipt
from openrouter_mcp.text import clean

CONTINUE = (
    "Your last message was cut off. Go on exactly where it stops, in the middle of the word if "
    "need be. Repeat nothing and add no comment."
)
MEND = (
    "Your last message does not fit the JSON schema: {problem}. Reply with the corrected JSON "
    "alone."
)
INCOMPLETE = "It could not be completed: {why}"
BEGAN_AGAIN = (
    "The answer was cut off, and the model began again instead of going on: the longer of both is "
    "shown."
)
COMMENTED = "The model began its continuation with a comment, which was left out: {comment}"
GOES_ON = "\n\n[Asked to go on, it said:]\n\n"
COMMENT = re.compile(
    r"\s*(?:I(?:.m| am)? (?:so )?(?:sorry|apologi[sz]e)|Sorry|(?:My a|A)pologies|Continuing|"
    r"Resuming|Picking up|Here(?:.s| is) the|(?:Let me|I(?:.ll| will)) (?:continue|go on))\b"
    r"(?:(?P<line>[^\n]{0,200}[:.!…][ \t]*\n(?:[ \t]*\n)*)|[^\n]{0,200})"
)
"""How a model may begin that says something of its own before it goes on."""
ABOUT_ITSELF = re.compile(
    r"left off|cut.?off|interrupt|incomplete|(?:last|previous) (?:message|response|answer)|"
    r"the (?:rest|remain|continuation|confusion)|continuing[:.…]",
    re.IGNORECASE,
)
FENCE = re.compile(r"\s*```(?P<language>[\w+#.-]*)[ \t]*\n")
EFFORTS = get_args(Effort)[1:]
LONGEST_OVERLAP = 200
SHORTEST_OVERLAP = 12

Send = Callable[[ChatRequest], Awaitable[Answer]]


@dataclass
class Exchange:
    """All that one call sent and got. `text` is the reply as a whole."""

    request: ChatRequest
    answers: list[Answer] = field(default_factory=list)
    sent: list[ChatRequest] = field(default_factory=list)
    text: str = ""
    value: Any = None
    """The JSON value, where a schema was asked for and is fulfilled."""
    error: OpenRouterError | None = None
    notes: list[str] = field(default_factory=list)
    ended: Answer | None = None
    """The answer that decides how the reply ended, where the last one added nothing to it."""
    _receipts: list[Receipt] = field(default_factory=list, init=False, repr=False)

    @property
    def is_json(self) -> bool:
        """Whether the reply is a JSON value that fits the schema which was asked for."""
        return bool(self.request.schema) and not (self.error or self.last.tool_calls)

    @property
    def last(self) -> Answer:
        """The answer that decides how the reply ended."""
        return self.ended or self.answers[-1]

    @property
    def message(self) -> dict[str, Any]:
        """The last assistant message, as providers take it when the conversation goes on."""
        return sendable(self.last.message(), self.request.messages)

    @property
    def receipt(self) -> Receipt:
        """What all requests cost together; model and provider are those of the last one."""
        for number in range(len(self._receipts), len(self.answers)):
            self._receipts.append(receipts.of_chat(self.sent[number], self.answers[number]))
        return receipts.together(self._receipts)


async def pay(
    purchase: Purchase, request: ChatRequest, listener: Listener, answer: Answer | None = None
) -> Answer:
    """Send one chat request for what may be spent on it, and read its `answer`.

    Raises `BUDGET_EXCEEDED` before anything is sent, and what `complete` raises.
    """
    async with purchase.request(request.model, estimate.chat_bound(request)) as paid:

        async def on_generation(generation_id: str) -> None:
            await paid.identify(generation_id)
            await listener.on_generation(generation_id)

        bounded = replace(request, body=dict(paid.body))
        hearing = replace(listener, on_generation=on_generation)
        answer = answer or Answer()
        try:
            await complete(purchase.client, bounded, hearing, answer)
        finally:
            paid.read_answer(answer)
        paid.receipt = receipts.of_chat(bounded, answer)
        return answer


async def ask(purchase: Purchase, request: ChatRequest, on_text: Callable[[str], None]) -> Exchange:
    """Send the request and what makes its answer whole; `on_text` takes the text so far."""
    said = ""

    def on_delta(answer: Answer) -> None:
        on_text(_joined(said, answer.text))

    async def send(request: ChatRequest) -> Answer:
        nonlocal said
        answer = await pay(purchase, request, Listener(purchase.report, on_delta=on_delta))
        said = _joined(said, answer.text)
        return answer

    turns = purchase.settings.max_continuations
    return await converse(request, send, continuations=turns)


async def converse(request: ChatRequest, send: Send, *, continuations: int) -> Exchange:
    """Send `request` and whatever makes its reply whole, as far as `send` has the money for it.

    Raises `OpenRouterError` only when nothing has been answered yet.
    """
    exchange = Exchange(request)
    await _send(exchange, request, send)
    exchange.text = exchange.last.text
    for _ in range(continuations):
        following = _following(exchange)
        if following is None or not await _send_further(exchange, following, send):
            break
        if not _go_on(exchange):
            break
    exchange.error = exchange.last.error
    if request.schema and not exchange.error and not exchange.last.tool_calls:
        await _fit(exchange, send)
    if exchange.error:
        exchange.error = receipts.after_paying(
            exchange.error,
            exchange.receipt,
            nothing_came=not any(answer.has_come for answer in exchange.answers),
        )
    return exchange


def most_further(request: ChatRequest, continuations: int) -> int:
    """How many requests can follow the first one, to make the reply whole."""
    return (continuations if _may_go_on(request) else 0) + bool(request.schema)


def _may_go_on(request: ChatRequest) -> bool:
    """Whether an answer that was cut is continued; a limit of the caller's is a limit."""
    return request.path == CHAT and not request.is_limited


async def _send(exchange: Exchange, request: ChatRequest, send: Send) -> None:
    answer = await send(request)
    exchange.sent.append(request)
    exchange.answers.append(answer)
    exchange.ended = None


async def _send_further(exchange: Exchange, request: ChatRequest, send: Send) -> bool:
    """Send a further request if money and tokens allow; a failure leaves what there is."""
    if request.is_limited:
        left = request.output_limit - exchange.receipt.output_tokens
        if exchange.last.finish_reason == "length" or left <= 0:
            return False
        request = replace(request, body={**request.body, request.limit_name: left})
    try:
        await _send(exchange, request, send)
    except OpenRouterError as error:
        exchange.notes.append(INCOMPLETE.format(why=error.once_paid.message))
        return False
    return True


def _following(exchange: Exchange) -> ChatRequest | None:
    """The request that goes on where the last answer was cut; None if it was not."""
    answer = exchange.last
    if answer.error or answer.finish_reason != "length" or answer.tool_calls:
        return None
    if not _may_go_on(exchange.request):
        return None
    if exchange.text:
        return _with_turn(exchange.request, exchange.text, CONTINUE)
    return _thinking_less(exchange.sent[-1])


def _go_on(exchange: Exchange) -> bool:
    """Add the last answer to the reply. False if it adds nothing: asking again would not help."""
    cut, more, said = exchange.answers[-2], exchange.last, exchange.text
    exchange.text = _joined(said, more.text)
    comment, rest = _commented(said, more.text)
    if comment:
        exchange.notes.append(COMMENTED.format(comment=clean(comment)))
    if said and _begins_again(said, rest):
        exchange.notes.append(BEGAN_AGAIN)
    elif exchange.text == said and said and not more.tool_calls:
        told = more.error.once_paid.message if more.error else "the model added nothing."
        exchange.notes.append(INCOMPLETE.format(why=told))
    if exchange.text != said or not said or more.tool_calls:
        return True
    exchange.ended = cut
    return False


def _with_turn(request: ChatRequest, said: str, asked: str) -> ChatRequest:
    messages = [
        *request.body["messages"],
        {"role": "assistant", "content": said},
        {"role": "user", "content": asked},
    ]
    return replace(request, body={**request.body, "messages": messages})


def _thinking_less(request: ChatRequest) -> ChatRequest | None:
    """The same question with the least effort, when reasoning left no room for an answer."""
    row = request.model.model
    known = (row.reasoning if row else None) or {}
    allowed = set(responses.texts(known, "supported_efforts") or ("low",))
    if row and not known.get("mandatory"):
        allowed.add("none")
    least = next((effort for effort in EFFORTS if effort in allowed), None)
    if least is None or request.body.get("reasoning") == {"effort": least}:
        return None
    return replace(request, body={**request.body, "reasoning": {"effort": least}})


async def _fit(exchange: Exchange, send: Send) -> None:
    """Hold the reply against the schema; what does not fit is sent back once."""
    schema = exchange.request.schema
    exchange.value, problem = await asyncio.to_thread(json_output.parse, exchange.text, schema)
    if not problem:
        return
    asked = MEND.format(problem=problem)
    again = _with_turn(exchange.request, exchange.text, asked)
    judged = not problem.startswith(json_output.UNJUDGED)
    if exchange.text and judged and await _send_further(exchange, again, send):
        mended = exchange.last.text
        value, problem = await asyncio.to_thread(json_output.parse, mended, schema)
        if not problem:
            exchange.value, exchange.text = value, mended
            exchange.notes.append("The first JSON did not fit the schema; the model corrected it.")
            return
        if mended and mended != exchange.text:
            exchange.text += f"\n\n[Asked to correct that, it said:]\n\n{mended}"
    exchange.error = OpenRouterError(
        Code.UPSTREAM_ERROR,
        f"The model's answer does not fit the schema ({problem}). Simplify the schema, raise "
        "max_tokens, or choose a model that supports structured_outputs.",
    )


def _joined(said: str, more: str) -> str:
    """Both texts without what the second repeats: words from the end of the first, or its fence.

    Where the second begins again, it is the longer one of both.
    """
    _, more = _commented(said, more)
    if _begins_again(said, more):
        return max(said, more.lstrip(), key=len)
    if said and _comment(more):
        # It may be one, or a part of the answer.
        return f"{said}{GOES_ON}{more.lstrip()}"
    more = _without_fence(said, more)
    for length in range(min(LONGEST_OVERLAP, len(said), len(more)), SHORTEST_OVERLAP - 1, -1):
        if said.endswith(more[:length]):
            return said + more[length:]
    return said + more if more.strip() else said


def _comment(more: str) -> re.Match[str] | None:
    found = COMMENT.match(more)
    return found if found and ABOUT_ITSELF.search(found[0]) else None


def _commented(said: str, more: str) -> tuple[str, str]:
    """The line of its own with which a model comments that it goes on, and the rest."""
    found = _comment(more) if said else None
    if not found or found["line"] is None:
        return "", more
    return found[0].strip(), more[found.end() :]


def _without_fence(said: str, more: str) -> str:
    """A text without the fence that opens the block again in which the other one ends.

    JSON that began without one goes on without one.
    """
    found = FENCE.match(more)
    if found and said.count("```") % 2:
        # One without a language may close the block.
        again = found["language"] or more.count("```") % 2 == 0
        return more[found.end() :] if again else more
    if found and said.lstrip().startswith(("{", "[")):
        return more[found.end() :].rstrip().removesuffix("```").rstrip()
    return more


def _begins_again(said: str, more: str) -> bool:
    """Whether a text starts as the one before did, for half of the shorter of them."""
    first, second = said.lstrip(), more.lstrip()
    shorter = min(len(first), len(second))
    enough = max(SHORTEST_OVERLAP, min(LONGEST_OVERLAP, shorter // 2))
    return enough <= shorter and first[:enough] == second[:enough]
