"""The loop: a scripted model, real tools in memory."""

import asyncio
import hashlib
import json
from dataclasses import replace
from decimal import Decimal

import mcp.types as mt
import pytest
from fastmcp import Client, FastMCP
from fastmcp.tools import ToolResult
from fastmcp.utilities.types import Image

from openrouter_mcp.agent import loop
from openrouter_mcp.agent.loop import Agent, Ending, Limits, Run, Watch
from openrouter_mcp.agent.run_log import RunLog
from openrouter_mcp.agent.toolbox import Toolbox, open_toolbox
from openrouter_mcp.completions.answer import Answer, Listener
from openrouter_mcp.completions.request import CallerRequest, ChatRequest, compose
from openrouter_mcp.completions.tool_calls import ToolCalls, sendable
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.mcp_client.config import ServerConfig
from openrouter_mcp.mcp_client.servers import McpServer
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.progress import silent
from openrouter_mcp.settings import Settings
from tests.support.processes import until

READS = mt.ToolAnnotations(read_only_hint=True)
PIXEL = bytes.fromhex("89504e470d0a1a0a")
LIMITS = Limits(steps=10, seconds=10, result_chars=2000, continuations=0)
ROW = {
    "id": "acme/large",
    "context_length": 100_000,
    "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
    "pricing": {"prompt": "0.000001", "completion": "0.00001"},
    "supported_parameters": ["tools"],
}


class Desk(McpServer):
    """A server in memory, with a log of what was called."""

    def __init__(self) -> None:
        super().__init__(ServerConfig("desk", command="desk"))
        self.log: list[str] = []
        self._meeting = asyncio.Barrier(2)
        self._peer = FastMCP("desk")
        self._peer.tool(self.look, annotations=READS)
        self._peer.tool(self.meet, annotations=READS)
        self._peer.tool(self.draw, annotations=READS)
        self._peer.tool(self.fail, annotations=READS)
        self._peer.tool(self.wait, annotations=READS)
        self._peer.tool(self.point, annotations=READS)
        self._peer.tool(self.write)
        self._peer.resource("desk://note")(lambda: "buy ink")
        self._peer.resource("desk://diary")(lambda: "private")

    async def _open(self) -> Client:
        return await Client(self._peer).__aenter__()

    async def look(self, thing: str = "desk") -> ToolResult:
        self.log.append(f"saw {thing}")
        return ToolResult(content=f"a {thing}" if len(thing) < 100 else thing * 100)

    async def meet(self) -> ToolResult:
        """Comes back only when somebody else is here at the same time."""
        await self._meeting.wait()
        return ToolResult(content="met")

    async def draw(self) -> ToolResult:
        return ToolResult(content=["here", Image(data=PIXEL, format="png")])

    async def fail(self) -> ToolResult:
        return ToolResult(content="the drawer is stuck", is_error=True)

    async def point(self) -> ToolResult:
        link = mt.ResourceLink(type="resource_link", name="note", uri="desk://note")
        return ToolResult(content=[link])

    async def wait(self) -> None:
        await asyncio.Event().wait()

    async def write(self, text: str) -> ToolResult:
        self.log.append(f"write {text}")
        await asyncio.sleep(0)
        self.log.append(f"wrote {text}")
        return ToolResult(content="done")


class Scripted:
    """Answers in the order of its script, and remembers what it was sent."""

    def __init__(self, *script: Answer | OpenRouterError) -> None:
        self._script = list(script)
        self.requests: list[ChatRequest] = []

    async def __call__(self, request: ChatRequest, listener: Listener, answer: Answer) -> Answer:
        self.requests.append(request)
        answer.sent = True
        following = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(following, OpenRouterError):
            raise following
        return replace(following, calls=ToolCalls(following.tool_calls))

    def said(self, turn: int) -> dict:
        """What the model had said last, as it was told so in one request."""
        return [m for m in self.told(turn) if m["role"] == "assistant"][-1]

    def told(self, turn: int) -> list[dict]:
        """The messages of one request."""
        return self.requests[turn].body["messages"]

    def results(self, turn: int) -> list[str]:
        """The results of the tools, as the model read them."""
        return [m["content"] for m in self.told(turn) if m["role"] == "tool"]


class Breaking(Scripted):
    """Answers, and stops in the middle of the last of them."""

    def __init__(self, *script: Answer, text: str) -> None:
        super().__init__(*script)
        self._text = text

    async def __call__(self, request: ChatRequest, listener: Listener, answer: Answer) -> Answer:
        if self._script:
            return self._script.pop(0)
        answer.sent, answer.generation_id = True, "gen-cut"
        answer.model, answer.text = "acme/large", self._text
        await asyncio.Event().wait()
        raise AssertionError


def says(text: str, **fields) -> Answer:
    usage = {"cost": 0.01, "prompt_tokens": 10, "completion_tokens": 2}
    known = {"finish_reason": "stop", "model": "acme/large", "usage": usage}
    return Answer(text=text, **{**known, **fields})


def calls(*wanted: tuple[str, object], ids: tuple[str, ...] = (), **fields) -> Answer:
    made = [
        {
            "index": n,
            "id": ids[n] if ids else f"call_{n}",
            "type": "function",
            "function": {"name": name, "arguments": a if isinstance(a, str) else json.dumps(a)},
        }
        for n, (name, a) in enumerate(wanted)
    ]
    return says("", calls=ToolCalls(made), **{"finish_reason": "tool_calls", **fields})


@pytest.fixture
async def desk():
    desk = Desk()
    yield desk
    await desk.aclose()


@pytest.fixture
def work(desk, tmp_path):
    """Let a scripted model work."""

    async def run(model, *, allow=(), **limits) -> Run:
        box: Toolbox = await open_toolbox([desk], [], allow, silent)
        resolution = Resolution("acme/large", Model.parse(ROW), "")
        ask = CallerRequest(prompt="Tidy up.", options={"tools": box.definitions})
        request = compose(ask, resolution, [], Settings(api_key=None))
        transcript = RunLog(tmp_path, days=1)
        watch = Watch(on_step=lambda _step: None, log=transcript)
        return await Agent(request, box, model, replace(LIMITS, **limits), watch).work()

    return run


async def test_an_answer_without_tools_ends_the_run(work) -> None:
    run = await work(Scripted(says("Nothing to do.")))
    assert (run.text, run.ending, run.steps) == ("Nothing to do.", Ending.ANSWERED, [])


async def test_every_call_of_a_turn_is_run_and_answered_by_its_id(work) -> None:
    model = Scripted(calls(("desk__look", {"thing": "pen"}), ("desk__look", {})), says("Done."))
    run = await work(model)
    answered = [(m["tool_call_id"], m["content"]) for m in model.told(1) if m["role"] == "tool"]
    assert answered == [("call_0", "a pen"), ("call_1", "a desk")]
    assert [step.turn for step in run.steps] == [1, 1]
    assert "desk__look(thing=" in run.steps[0].line()


async def test_the_assistant_message_goes_back_as_it_came_and_tools_stay(work) -> None:
    details = [{"type": "reasoning.encrypted", "data": "e30=", "index": 0}]
    first = calls(("desk__look", {}), reasoning_details=details)
    model = Scripted(first, says("Done."))
    await work(model)
    sent = next(m for m in model.told(1) if m["role"] == "assistant")
    assert sent == first.message()
    assert sent["reasoning_details"] == details
    assert model.requests[0].body["tools"] == model.requests[1].body["tools"]


async def test_calls_that_only_read_run_side_by_side(work) -> None:
    run = await work(Scripted(calls(("desk__meet", {}), ("desk__meet", {})), says("Met.")))
    assert [step.outcome.text for step in run.steps] == ["met", "met"]
    assert run.ending is Ending.ANSWERED


async def test_calls_that_write_run_one_after_the_other(work, desk) -> None:
    wanted = [("desk__write", {"text": "a"}), ("desk__write", {"text": "b"})]
    await work(Scripted(calls(*wanted), says("Done.")), allow=["desk__write"])
    assert desk.log == ["write a", "wrote a", "write b", "wrote b"]


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("desk__look", "{", "not JSON"),
        ("desk__look", {"thing": 3}, "not of type 'string'"),
        ("desk__lok", {}, "Did you mean desk__look"),
        ("desk__write", {"text": "x"}, "withheld"),
        ("desk__fail", {}, "the drawer is stuck"),
    ],
)
async def test_a_call_that_goes_wrong_is_told_to_the_model(work, name, arguments, said) -> None:
    model = Scripted(calls((name, arguments)), says("I see."))
    run = await work(model)
    assert said in model.results(1)[0]
    assert run.steps[0].outcome.failed
    assert (run.text, run.ending) == ("I see.", Ending.ANSWERED)


async def test_repeated_ids_are_told_apart(work) -> None:
    twice = calls(("desk__look", {"thing": "a"}), ("desk__look", {"thing": "b"}), ids=("x", "x"))
    model = Scripted(twice, says("Done."))
    await work(model)
    assistant = next(m for m in model.told(1) if m["role"] == "assistant")
    asked = [call["id"] for call in assistant["tool_calls"]]
    answered = [m["tool_call_id"] for m in model.told(1) if m["role"] == "tool"]
    assert asked == answered
    assert len(set(asked)) == 2


async def test_ids_that_came_in_an_earlier_turn_are_told_apart(work) -> None:
    turns = [calls(("desk__look", {"thing": thing}), ids=("x",)) for thing in "ab"]
    model = Scripted(*turns, says("Done."))
    await work(model)
    asked = [c["id"] for m in model.told(2) for c in m.get("tool_calls", [])]
    answered = [m["tool_call_id"] for m in model.told(2) if m["role"] == "tool"]
    assert asked == answered
    assert len(set(asked)) == 2


@pytest.mark.parametrize("name", ["DESK__Look", "look", "desk.look", "functions.desk__look"])
async def test_a_tool_is_known_by_the_name_that_the_model_gives_it(work, name) -> None:
    run = await work(Scripted(calls((name, {"thing": "pen"})), says("Done.")))
    assert (run.steps[0].name, run.steps[0].outcome.text) == ("desk__look", "a pen")


async def test_other_spellings_of_writing_tools_still_run_one_after_the_other(work, desk) -> None:
    wanted = [("Write", {"text": "a"}), ("write", {"text": "b"})]
    await work(Scripted(calls(*wanted), says("Done.")), allow=["desk__write"])
    assert desk.log == ["write a", "wrote a", "write b", "wrote b"]


async def test_calls_are_run_whatever_the_turn_says_it_ended_for(work) -> None:
    run = await work(Scripted(calls(("desk__look", {}), finish_reason="stop"), says("Done.")))
    assert (run.text, len(run.steps)) == ("Done.", 1)


async def test_calls_that_no_provider_takes_back_go_back_mended(work) -> None:
    wanted = [("desk__look", "{"), ("no such tool!", "[1]"), ("desk__look", "")]
    model = Scripted(calls(*wanted, ids=("", "", "")), says("Done."))
    run = await work(model)
    functions = [call["function"] for call in model.said(1)["tool_calls"]]
    assert [json.loads(function["arguments"]) for function in functions] == [
        {"arguments": "{"},
        {"arguments": "[1]"},
        {},
    ]
    assert functions[1]["name"] == "no_such_tool_"
    assert "not JSON" in run.steps[0].outcome.text
    assert "no such tool!" in run.steps[1].outcome.text
    assert run.steps[2].outcome.text == "a desk"


async def test_a_model_that_says_nothing_after_its_tools_is_asked_once_more(work) -> None:
    nothing = OpenRouterError(Code.UPSTREAM_ERROR, "Nothing was said.", retryable=True)
    model = Scripted(calls(("desk__look", {})), says("", error=nothing), says("A desk."))
    run = await work(model)
    assert model.told(2)[-1]["content"].startswith("Your last message was empty")
    assert (run.text, run.ending) == ("A desk.", Ending.ANSWERED)


async def test_a_model_that_goes_on_saying_nothing_ends_the_run(work) -> None:
    nothing = OpenRouterError(Code.UPSTREAM_ERROR, "Nothing was said.", retryable=True)
    model = Scripted(calls(("desk__look", {})), says("", error=nothing))
    run = await work(model)
    assert (run.ending, len(model.requests)) == (Ending.FAILED, 3)
    assert run.error
    assert run.error.message.startswith(nothing.message)
    assert not run.error.retryable


@pytest.mark.parametrize(
    "fields", [{"refusal": "I will not."}, {"finish_reason": "content_filter"}]
)
async def test_a_refusal_ends_the_run_with_its_reason(work, fields) -> None:
    refused = OpenRouterError(Code.REFUSED, "Refused.")
    model = Scripted(calls(("desk__look", {})), says("", error=refused, **fields))
    run = await work(model)
    assert (run.ending, run.error, len(model.requests)) == (Ending.FAILED, refused, 2)


async def test_a_resource_that_a_result_names_can_be_read_and_no_other(work) -> None:
    uris = ["desk://note", "desk://diary"]
    model = Scripted(
        calls(("desk__point", {})),
        calls(*(("read_resource", {"uri": uri}) for uri in uris)),
        says("Ink."),
    )
    run = await work(model)
    assert model.requests[0].body["tools"][-1]["function"]["name"] == "read_resource"
    assert "desk://note" in run.steps[0].outcome.text
    assert "buy ink" in run.steps[1].outcome.text
    assert run.steps[2].outcome.failed
    assert "desk://note" in run.steps[2].outcome.text


async def test_images_are_shown_after_the_results(work) -> None:
    model = Scripted(calls(("desk__draw", {}), ("desk__look", {})), says("A drawing."))
    await work(model)
    roles = [message["role"] for message in model.told(1)]
    assert roles[-4:] == ["assistant", "tool", "tool", "user"]
    assert model.told(1)[-1]["content"][1]["type"] == "image_url"


async def test_a_long_result_is_cut_and_the_rest_can_be_read(work) -> None:
    long = {"thing": "x" * 100}
    digest = hashlib.sha256(("x" * 10_000).encode()).hexdigest()[:8]
    rest = {"result": f"result-{digest}", "offset": 9000}
    model = Scripted(calls(("desk__look", long)), calls(("read_result", rest)), says("Long."))
    await work(model)
    assert len(model.results(1)[0]) < 2300
    assert model.results(2)[1] == "x" * 1000


async def test_the_last_step_is_kept_for_the_answer(work) -> None:
    script = [calls(("desk__look", {"thing": str(n)})) for n in range(2)]
    model = Scripted(*script, says("As far as I came."))
    run = await work(model, steps=3)
    assert "no tool is run any more" in model.told(2)[-1]["content"]
    assert (run.ending, run.text, len(run.exchanges)) == (Ending.STEPS, "As far as I came.", 3)


async def test_a_model_that_calls_on_at_the_limit_is_stopped_and_can_be_continued(work) -> None:
    script = [calls(("desk__look", {"thing": str(n)})) for n in range(4)]
    run = await work(Scripted(*script), steps=3)
    assert (run.ending, len(run.exchanges), len(run.steps)) == (Ending.STEPS, 3, 2)
    asked = [c["id"] for m in run.added for c in m.get("tool_calls", [])]
    answered = [m["tool_call_id"] for m in run.added if m["role"] == "tool"]
    assert asked == answered


async def test_a_single_step_still_runs_its_calls(work) -> None:
    run = await work(Scripted(calls(("desk__look", {}))), steps=1)
    assert (run.ending, len(run.steps)) == (Ending.STEPS, 1)


async def test_the_same_call_with_the_same_result_three_times_ends_it(work) -> None:
    model = Scripted(calls(("desk__look", {})))
    run = await work(model)
    assert run.ending is Ending.LOOP
    assert len(run.steps) == 3
    assert "the same call 3 times" in model.told(3)[-1]["content"]


async def test_the_same_call_thrice_within_one_turn_is_no_loop(work) -> None:
    run = await work(Scripted(calls(*[("desk__look", {})] * 3), says("Done.")))
    assert run.ending is Ending.ANSWERED


async def test_what_it_may_cost_ends_it(work) -> None:
    script = [calls(("desk__look", {"thing": str(n)})) for n in range(3)]
    refused = OpenRouterError(Code.BUDGET_EXCEEDED, "$0.03 of $0.03 are spent. Raise max_cost.")
    run = await work(Scripted(*script, refused))
    assert run.ending is Ending.COST
    assert run.spent == Decimal("0.03")
    assert run.receipt.requests == 3


async def test_time_ends_it_with_every_call_answered(work) -> None:
    run = await work(Scripted(calls(("desk__look", {}), ("desk__wait", {}))), seconds=0.3)
    assert run.ending is Ending.TIME
    assert [m["role"] for m in run.added] == ["assistant", "tool", "tool"]


async def test_what_was_being_said_when_the_time_was_up_is_kept_and_on_the_receipt(work) -> None:
    run = await work(Breaking(calls(("desk__look", {})), text="So far"), seconds=0.3)
    assert (run.ending, run.text) == (Ending.TIME, "So far")
    assert run.added[-1] == {"role": "assistant", "content": "So far"}
    assert [receipt.generation_id for receipt in run.unsettled] == ["gen-cut"]
    assert run.receipt.cost_pending
    assert (run.spent, run.receipt.requests) == (Decimal("0.01"), 2)


async def test_a_turn_that_was_never_sent_is_not_on_the_receipt(work) -> None:
    async def wait(request: ChatRequest, listener: Listener, answer: Answer) -> Answer:
        await listener.report("waiting for money")
        await asyncio.Event().wait()
        raise AssertionError

    run = await work(wait, seconds=0.1)
    assert (run.ending, run.receipt) == (Ending.TIME, None)


async def test_the_cost_of_a_turn_is_known_whose_continuation_was_cut_off(work) -> None:
    half = says("Half", finish_reason="length")
    run = await work(Breaking(half, text=" and"), seconds=0.3, continuations=1)
    assert (run.ending, run.spent, run.receipt.requests) == (Ending.TIME, Decimal("0.01"), 2)


async def test_a_request_that_was_refused_is_not_on_the_receipt(work) -> None:
    failure = OpenRouterError(Code.RATE_LIMITED, "Too many. Call again later.")
    run = await work(Scripted(calls(("desk__look", {})), failure))
    assert (run.receipt.cost, run.receipt.requests) == (Decimal("0.01"), 1)


async def test_a_failure_at_first_is_raised_and_later_ends_the_run(work) -> None:
    failure = OpenRouterError(Code.RATE_LIMITED, "Too many. Call again later.")
    with pytest.raises(OpenRouterError):
        await work(Scripted(failure))
    run = await work(Scripted(calls(("desk__look", {})), failure))
    assert (run.ending, run.error, len(run.steps)) == (Ending.FAILED, failure, 1)


async def test_an_answer_that_breaks_off_is_kept_beside_its_error(work) -> None:
    failure = OpenRouterError(Code.UPSTREAM_ERROR, "It broke off.")
    run = await work(Scripted(says("Half an", error=failure)))
    assert (run.ending, run.text, run.error) == (Ending.FAILED, "Half an", failure)
    assert run.added == []


async def test_everything_is_in_the_transcript(work, tmp_path) -> None:
    await work(Scripted(calls(("desk__look", {})), says("Done.")))
    (path,) = tmp_path.glob("*.jsonl")
    events = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    said = [e.get("message", {}).get("role", e["event"]) for e in events]
    assert said == ["user", "assistant", "tool", "assistant", "end"]
    assert events[2]["result"] == "a desk"


async def test_cancelling_the_run_cancels_the_tools(work, desk) -> None:
    task = asyncio.create_task(work(Scripted(calls(("desk__look", {}), ("desk__wait", {})))))
    await until(lambda: "saw desk" in desk.log)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# What goes to and fro between a model and its tools.


def call(name: str, id_: str = "c") -> dict:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": "{}"}}


def test_calls_that_read_run_together_and_others_alone_in_order() -> None:
    calls = [call(name) for name in ("read1", "read2", "write1", "write2", "read3")]
    batches = loop.batches(calls, lambda name: name.startswith("read"))
    assert [[c["function"]["name"] for c in batch] for batch in batches] == [
        ["read1", "read2"],
        ["write1"],
        ["write2"],
        ["read3"],
    ]


def test_a_batch_is_bounded() -> None:
    sizes = [len(batch) for batch in loop.batches([call("r")] * 20, lambda _: True)]
    assert sizes == [8, 8, 4]


def test_a_message_sendable_is_passed_back_as_it_came() -> None:
    message = {"role": "assistant", "tool_calls": [call("a", "1"), call("b", "2")]}
    assert sendable(message) is message
    plain = {"role": "assistant", "content": "x"}
    assert sendable(plain) is plain


def test_repeated_and_missing_ids_become_distinct() -> None:
    message = {"role": "assistant", "tool_calls": [call("a", "1"), call("b", "1"), call("c", "")]}
    ids = [c["id"] for c in sendable(message)["tool_calls"]]
    assert len(set(ids)) == 3
    assert all(ids)


def test_ids_of_earlier_turns_are_not_used_again() -> None:
    earlier = [{"role": "assistant", "tool_calls": [call("a", "1"), call("a", "1_1")]}]
    message = {"role": "assistant", "tool_calls": [call("a", "1"), call("b", "2")]}
    ids = [c["id"] for c in sendable(message, earlier)["tool_calls"]]
    assert ids == ["1_1_1", "2"]


def test_an_id_that_a_signature_names_is_kept() -> None:
    earlier = [{"role": "assistant", "tool_calls": [call("a", "1")]}]
    details = [{"type": "reasoning.encrypted", "id": "1", "data": "x"}]
    message = {"role": "assistant", "tool_calls": [call("a", "1")], "reasoning_details": details}
    assert sendable(message, earlier) is message


def test_arguments_that_were_encoded_twice_go_back_as_an_object() -> None:
    made = call("a")
    made["function"]["arguments"] = '"{\\"a\\": 1}"'
    (mended,) = sendable({"role": "assistant", "tool_calls": [made]})["tool_calls"]
    assert mended["function"]["arguments"] == '{"a": 1}'


NESTED = "[" * 100_000


def test_arguments_without_an_end_go_back_as_an_object() -> None:
    message = {"tool_calls": [{"id": "a", "function": {"name": "x", "arguments": NESTED}}]}
    (call,) = sendable(message)["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"arguments": NESTED}


@pytest.mark.parametrize("arguments", [NESTED, r'{"text": "\ud800"}'], ids=["nested", "half"])
def test_whatever_the_arguments_they_are_shown_as_text_that_can_be_sent(arguments) -> None:
    loop.brief_arguments(arguments).encode()


def test_old_results_are_cut_only_when_the_context_fills() -> None:
    messages = [{"role": "user", "content": "q" * 3000}]
    messages += [{"role": "tool", "tool_call_id": str(n), "content": "r" * 3000} for n in range(3)]
    assert loop.fit(messages, 100_000) == messages
    assert loop.fit(messages, 0) == messages
    fit = loop.fit(messages, 4500)
    assert fit[0] == messages[0]
    assert "Cut to save room" in fit[1]["content"]
    assert fit[2:] == messages[2:]


def test_arguments_are_shown_short_on_one_line() -> None:
    assert loop.brief_arguments('{"path": "a.txt", "n": 1}') == 'path="a.txt", n=1'
    assert loop.brief_arguments("") == ""
    assert loop.brief_arguments("{broken\n") == "{broken"
    assert len(loop.brief_arguments('{"text": "' + "x" * 900 + '"}')) <= 100


def test_a_conversation_keeps_no_media() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:..."}}
    message = {"role": "user", "content": [{"type": "text", "text": "see"}, image]}
    kept = loop.without_media(message)["content"]
    assert kept == [{"type": "text", "text": "see"}, {"type": "text", "text": "[image_url]"}]
