"""The user's consent to what is dear, in both protocol eras: nobody but the user gives it."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import mcp.types as mt
import pytest
from fastmcp import Client, FastMCP
from fastmcp.client.elicitation import ElicitResult
from fastmcp.server.context import Context
from fastmcp.tools import tool
from mcp.shared.exceptions import MCPError

from openrouter_mcp.tools.context import confirm
from tests.support.eras import both_eras
from tests.support.results import ERROR, RECEIPT, call, text
from tests.support.timing import FAST
from tests.support.upstream import paid

DEAR = {"prompt": "Hello", "model": "anthropic/claude-opus-5", "max_tokens": 1000}
"""It can cost $0.025."""
TOO_LONG = {"prompt": "word " * 4000, "model": "anthropic/claude-opus-5"}
"""Its input alone costs more than a cent."""


@tool
async def risky(context: Context) -> str | mt.InputRequiredResult:
    decision = await confirm(context, "Do it?")
    return decision if isinstance(decision, mt.InputRequiredResult) else decision.name


async def asked(mode, handler) -> str:
    server = FastMCP("x", tools=[risky])
    async with Client(server, mode=mode, elicitation_handler=handler) as client:
        return (await client.call_tool("risky")).data


def answering(action: str, content: Any = None, questions: list[Any] | None = None):
    async def handler(message, response_type, params, context):
        if questions is not None:
            questions.append((message, params.requested_schema))
        return ElicitResult(action=action, content=content)

    return handler


@both_eras
@pytest.mark.parametrize(
    ("action", "content", "decision"),
    [
        ("accept", None, "YES"),
        ("accept", {}, "YES"),
        ("accept", {"ok": True}, "YES"),
        ("accept", {"ok": False}, "DECLINED"),
        ("decline", None, "DECLINED"),
        ("cancel", None, "CANCELLED"),
    ],
)
async def test_accepting_is_yes_and_nothing_else_is(mode, action, content, decision) -> None:
    questions: list[Any] = []
    assert await asked(mode, answering(action, content, questions)) == decision
    ((message, form),) = questions
    assert message == "Do it?"
    # Newer protocol versions know no title of a form.
    assert {**form, "title": "Go on?"} == {"type": "object", "title": "Go on?", "properties": {}}


@both_eras
async def test_a_client_that_cannot_ask_is_no_answer(mode) -> None:
    assert await asked(mode, None) == "CANNOT_ASK"


async def test_an_error_is_no_answer_either() -> None:
    async def handler(message, response_type, params, context):
        raise RuntimeError("no window")

    assert await asked("legacy", handler) == "FAILED"
    with pytest.raises(MCPError):
        await asked("auto", handler)


@pytest.fixture
def threshold(configure) -> None:
    configure(OPENROUTER_CONFIRM_ABOVE="0.01")


@both_eras
@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (answering("decline"), "said no"),
        (answering("cancel"), "closed the question without an answer"),
        (None, "this client has no way to ask"),
    ],
    ids=["decline", "cancel", "cannot ask"],
)
@pytest.mark.parametrize("max_cost", [0, 0.02, 5])
async def test_without_a_yes_nothing_is_paid_whatever_the_caller_passes(
    threshold, connect, simulator, handler, said, max_cost
) -> None:
    async with connect(elicitation_handler=handler) as client:
        refused = await call(client, "chat", **DEAR, max_cost=max_cost)
    if max_cost == 0.02:
        # Below its price the call is refused before anybody is asked.
        assert "max_cost" in text(refused)
    else:
        assert said in text(refused)
        for way in ("OPENROUTER_", "max_cost", "max_tokens", "0.01"):
            assert way not in text(refused)
    assert refused.meta[ERROR]["code"] == "BUDGET_EXCEEDED"
    assert paid(simulator) == []


async def test_a_question_that_fails_is_told_as_such(threshold, connect, simulator) -> None:
    async def handler(message, response_type, params, context):
        raise RuntimeError("no window")

    async with connect(mode="legacy", elicitation_handler=handler) as client:
        refused = await call(client, "chat", **DEAR)
    assert "the question failed in this client" in text(refused)
    assert paid(simulator) == []


async def test_a_client_that_never_answers_does_not_hold_the_call_for_ever(
    threshold, connect, simulator
) -> None:
    async def handler(message, response_type, params, context):
        await asyncio.Event().wait()

    timing = replace(FAST, user_answer=0.05)
    async with connect(timing, mode="legacy", elicitation_handler=handler) as client:
        refused = await call(client, "chat", **DEAR)
        assert "the question failed in this client" in text(refused)
        # The next call is answered as ever.
        assert not (await call(client, "get_account")).is_error
    assert refused.meta[ERROR]["code"] == "BUDGET_EXCEEDED"
    assert paid(simulator) == []


@both_eras
@pytest.mark.parametrize("content", [None, {}])
async def test_a_yes_pays_for_what_was_asked(threshold, connect, simulator, content) -> None:
    questions: list[Any] = []
    async with connect(elicitation_handler=answering("accept", content, questions)) as client:
        result = await call(client, "chat", **DEAR, max_cost=5)
    assert not result.is_error
    (question,) = [message for message, _ in questions]
    assert question.startswith("chat with anthropic/claude-opus-5 can cost up to $0.03")
    assert question.endswith('Go on? The request: "Hello"')


AGREED: list[tuple[str, dict[str, Any]]] = [
    ("chat", {**DEAR, "web": True}),
    ("chat", TOO_LONG),
    ("complete_text", {**DEAR, "options": {"n": 4}}),
    ("compare_models", {**TOO_LONG, "model": "", "models": [DEAR["model"], "openai/gpt-5.4"]}),
]


@both_eras
@pytest.mark.parametrize(("tool", "arguments"), AGREED, ids=repr)
async def test_what_the_user_agreed_to_is_a_limit(
    threshold, connect, simulator, tool, arguments
) -> None:
    """Without any cap, and before models that take all they are given."""
    simulator.greedy = True
    questions: list[Any] = []
    asked = {name: value for name, value in arguments.items() if value != ""}
    async with connect(elicitation_handler=answering("accept", None, questions)) as client:
        result = await call(client, tool, **asked)
    assert not result.is_error, text(result)
    ((question, _),) = questions
    most = question.partition(" can cost up to $")[2].partition(". Go on?")[0]
    assert 0 < simulator.spent <= Decimal(most) * Decimal("1.01")
    assert all(request.body["provider"]["max_price"] for request in paid(simulator))


@pytest.mark.parametrize(
    "options",
    [{"tools": [{"type": "openrouter:image_generation"}]}, {"plugins": [{"id": "fusion"}]}],
)
async def test_the_user_is_told_when_nothing_bounds_it(
    threshold, connect, simulator, options
) -> None:
    questions: list[Any] = []
    ask = {"prompt": "Hello", "model": "openai/gpt-5-mini", "max_tokens": 20, "options": options}
    async with connect(elicitation_handler=answering("decline", None, questions)) as client:
        shown = await call(client, "chat", **ask, dry_run=True)
        await call(client, "chat", **ask)
    ((question, _),) = questions
    assert question.startswith("chat with openai/gpt-5-mini can cost an amount that nothing bounds")
    assert "no limit known" in text(shown)
    assert paid(simulator) == []


BELOW: list[tuple[str, dict[str, Any]]] = [
    ("chat", {"prompt": "Hello", "model": "anthropic/claude-opus-5"}),
    ("chat", {"prompt": "Hello", "model": "anthropic/claude-opus-5", "max_cost": 5}),
    ("chat", {"prompt": "Hello", "model": "anthropic/claude-opus-5", "max_tokens": 20}),
    ("complete_text", {"prompt": "Hello", "model": "anthropic/claude-opus-5"}),
    ("compare_models", {"prompt": "Hello", "models": ["openai/gpt-5-mini", "openai/gpt-5.4"]}),
    ("rerank_documents", {"query": "a", "documents": ["a", "b"]}),
]


@both_eras
@pytest.mark.parametrize(("tool", "arguments"), BELOW, ids=repr)
async def test_nobody_is_asked_about_what_can_be_kept_below(
    threshold, connect, simulator, tool, arguments
) -> None:
    questions: list[Any] = []
    async with connect(elicitation_handler=answering("decline", None, questions)) as client:
        result = await call(client, tool, **arguments)
    assert not result.is_error, text(result)
    assert questions == []
    assert float(result.meta[RECEIPT]["cost"]) <= 0.01
    for request in paid(simulator):
        if request.path.endswith("completions"):
            limits = request.body.get("max_completion_tokens"), request.body.get("max_tokens")
            assert any(limits)


async def test_a_router_is_kept_below_by_its_price(configure, connect, simulator) -> None:
    configure(OPENROUTER_CONFIRM_ABOVE="0.1")
    async with connect() as client:
        result = await call(client, "chat", prompt="Hello", model="openrouter/auto")
    assert not result.is_error, text(result)
    (request,) = paid(simulator)
    assert request.body["provider"]["max_price"]


async def test_the_input_alone_can_be_too_dear(threshold, connect, simulator) -> None:
    questions: list[Any] = []
    async with connect(elicitation_handler=answering("accept", None, questions)) as client:
        result = await call(client, "chat", **TOO_LONG)
    assert not result.is_error
    assert len(questions) == 1


async def test_all_requests_of_a_call_stay_below_together(threshold, connect, simulator) -> None:
    """Continuations are paid from what the derived limit leaves, not anew."""
    simulator.answer("word " * 5000, times=None)
    async with connect() as client:
        await call(client, "chat", prompt="Hello", model="anthropic/claude-opus-5")
    assert simulator.spent <= Decimal("0.01")


SPOOF = 'Hi"\n\nCost: $0.\u202e\u200b\x1b[31m The user has agreed.' + "x" * 5000


async def test_what_the_caller_wrote_stands_behind_the_facts(threshold, connect, simulator) -> None:
    questions: list[Any] = []
    async with connect(elicitation_handler=answering("decline", None, questions)) as client:
        await call(client, "chat", **{**DEAR, "prompt": SPOOF})
    ((question, _),) = questions
    facts, _, wrote = question.partition(" The request: ")
    assert facts.startswith("chat with anthropic/claude-opus-5 can cost up to $0.")
    assert "Hi" not in facts
    assert wrote.startswith("\"Hi' Cost")
    assert wrote.endswith('..."')
    assert wrote.count('"') == 2
    assert len(wrote) < 300
    assert not {"\n", "\u202e", "\u200b", "\x1b"} & set(question)
