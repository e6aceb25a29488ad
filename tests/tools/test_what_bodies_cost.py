"""Every field of the API under caps, through every paid tool: refused by name, or paid for.

The simulator's models are greedy here: they use all that a body lets them. What OpenRouter bills is
never more than what was reserved. The rows are the fields of the request schemas of OpenRouter's
`openapi.yaml` (2026-08) and guides, each with what becomes of it under a limit.
"""

import base64
import json
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from openrouter_mcp.files.sound import Pcm
from openrouter_mcp.server import TOOLS as SERVED
from openrouter_mcp.spending import price_table
from openrouter_mcp.spending.budget import Budget, Reservation
from openrouter_mcp.spending.ledger import State
from tests.support.processes import PEER
from tests.support.results import ERROR, call, text
from tests.support.upstream import paid

CAP = Decimal("0.5")
MODEL = "anthropic/claude-haiku-5"
GOOGLE = "google/gemini-3.5-flash"
BLIND = "deepseek/deepseek-v3.2"
DEAR = "anthropic/claude-opus-5"
PDF = b"%PDF-1.4\n" + b"".join(
    b"%d 0 obj<</Type /Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 9 0 R>>endobj\n" % number
    for number in range(3, 23)
)
FILE = {
    "type": "file",
    "file": {
        "filename": "a.pdf",
        "file_data": f"data:application/pdf;base64,{base64.b64encode(PDF).decode()}",
    },
}

FREE, PRICED, BOUNDED, REFUSED, TOO_DEAR = "free", "priced", "bounded", "refused", "too dear"
Row = tuple[str, dict[str, Any], str]


def search(**known: Any) -> dict[str, Any]:
    return {"tools": [{"type": "openrouter:web_search", "parameters": known}]}


def tool(kind: str, **known: Any) -> dict[str, Any]:
    return {"tools": [{"type": kind, "parameters": known} if known else {"type": kind}]}


def plugin(name: str, **known: Any) -> dict[str, Any]:
    return {"plugins": [{"id": name, **known}]}


COMPLETION: list[Row] = [
    ("frequency_penalty", {"frequency_penalty": 0.1}, FREE),
    ("logit_bias", {"logit_bias": {"1": 1}}, FREE),
    ("logprobs", {"logprobs": True, "top_logprobs": 2}, FREE),
    ("metadata", {"metadata": {"a": "b"}}, FREE),
    ("min_p", {"min_p": 0.1}, FREE),
    ("presence_penalty", {"presence_penalty": 0.1}, FREE),
    ("repetition_penalty", {"repetition_penalty": 1}, FREE),
    ("seed", {"seed": 1}, FREE),
    ("session_id", {"session_id": "s"}, FREE),
    ("stop", {"stop": ["END"]}, FREE),
    ("temperature", {"temperature": 1}, FREE),
    ("top_a", {"top_a": 0.1}, FREE),
    ("top_k", {"top_k": 1}, FREE),
    ("top_p", {"top_p": 0.9}, FREE),
    ("trace", {"trace": {"trace_id": "t"}}, FREE),
    ("transforms", {"transforms": ["middle-out"]}, FREE),
    ("usage", {"usage": {"include": True}}, FREE),
    ("user", {"user": "u"}, FREE),
    ("provider", {"provider": {"sort": "latency", "zdr": True}}, FREE),
    ("provider.options", {"provider": {"options": {"azure": {"n": 3}}}}, REFUSED),
    ("provider.options: text", {"provider": {"options": '{"azure": {"n": 3}}'}}, REFUSED),
    ("provider.options: a list", {"provider": {"options": {"azure": [{"n": 3}]}}}, REFUSED),
    (
        "provider.options: a list inside",
        {"provider": {"options": {"azure": {"parameters": [{"n": 3}]}}}},
        REFUSED,
    ),
    ("max_tokens", {"max_tokens": 400}, PRICED),
    ("max_completion_tokens", {"max_completion_tokens": 400}, PRICED),
    ("models", {"models": [DEAR]}, PRICED),
    ("service_tier", {"service_tier": "priority"}, BOUNDED),
    ("reasoning.max_tokens", {"reasoning": {"max_tokens": 2000}}, PRICED),
    ("reasoning.max_tokens: text", {"reasoning": {"max_tokens": "100000"}}, REFUSED),
    ("reasoning.max_tokens: a fraction", {"reasoning": {"max_tokens": 100_000.0}}, REFUSED),
    ("reasoning: an unknown name", {"reasoning": {"budget_tokens": 100_000}}, REFUSED),
    ("reasoning.mode", {"reasoning": {"mode": "pro"}}, REFUSED),
    ("route", {"route": "fallback"}, FREE),
    ("route: unknown", {"route": "panel"}, REFUSED),
    ("fallbacks", {"fallbacks": [DEAR]}, REFUSED),
    ("preset", {"preset": "brief"}, REFUSED),
    ("an unknown field", {"ponder_twice": True}, REFUSED),
]
CHAT: list[Row] = [
    *COMPLETION,
    ("cache_control", {"cache_control": {"type": "ephemeral", "ttl": "1h"}}, PRICED),
    ("web_search_options", {"web_search_options": {"search_context_size": "high"}}, PRICED),
    ("web_search_options: text", {"web_search_options": "high"}, REFUSED),
    ("image_config: n", {"image_config": {"n": 4}}, REFUSED),
    ("image_config: text", {"image_config": '{"n": 4}'}, REFUSED),
    ("modalities: upper case", {"modalities": ["IMAGE"]}, REFUSED),
    ("modalities: no list", {"modalities": "image"}, REFUSED),
    ("cache_control: a list", {"cache_control": [{"ttl": "1h"}]}, REFUSED),
    ("debug", {"debug": {"echo_upstream_body": False}}, FREE),
    ("include_reasoning", {"include_reasoning": True}, FREE),
    ("parallel_tool_calls", {"parallel_tool_calls": True}, FREE),
    ("prompt_cache_key", {"prompt_cache_key": "k"}, FREE),
    ("prompt_cache_options", {"prompt_cache_options": {"mode": "explicit", "ttl": "30m"}}, PRICED),
    ("reasoning_effort", {"reasoning_effort": "low"}, FREE),
    ("response_format", {"response_format": {"type": "json_object"}}, FREE),
    ("structured_outputs", {"structured_outputs": True}, FREE),
    ("verbosity", {"verbosity": "low"}, FREE),
    ("prediction", {"prediction": {"type": "content", "content": "word " * 99}}, PRICED),
    ("tool_choice", {"tool_choice": "none"}, FREE),
    ("tools: function", {"tools": [{"type": "function", "function": {"name": "f"}}]}, PRICED),
    ("tools: datetime", tool("openrouter:datetime"), BOUNDED),
    ("tools: search_models", tool("openrouter:experimental__search_models"), BOUNDED),
    ("web_search: no maximum", search(), BOUNDED),
    ("web_search: max_uses 0", search(max_uses=0), BOUNDED),
    ("web_search: max_uses true", search(max_uses=True), BOUNDED),
    ("web_search: max_uses null", search(max_uses=None), BOUNDED),
    ("web_search: max_uses", search(max_uses=2), PRICED),
    ("web_search: max_results", search(max_uses=2, max_results=25, engine="exa"), PRICED),
    ("web_search: max_results 0", search(max_uses=2, max_results=0, engine="exa"), BOUNDED),
    ("web_search: mode", search(max_uses=2, mode="deep-reasoning", engine="exa"), PRICED),
    ("web_search: firecrawl", search(max_uses=2, engine="firecrawl"), REFUSED),
    ("web_search: x_search", search(max_uses=2, x_search={}), REFUSED),
    ("web_search_preview", {"tools": [{"type": "web_search_preview"}]}, BOUNDED),
    ("web_fetch", tool("openrouter:web_fetch"), BOUNDED),
    ("web_fetch: max_uses", tool("openrouter:web_fetch", max_uses=2), BOUNDED),
    ("web_fetch: firecrawl", tool("openrouter:web_fetch", engine="firecrawl"), REFUSED),
    ("image_generation", tool("openrouter:image_generation"), REFUSED),
    ("tools: fusion", tool("openrouter:fusion", analysis_models=[DEAR]), REFUSED),
    ("tools: subagent", tool("openrouter:subagent", model=DEAR), REFUSED),
    ("tools: advisor", tool("openrouter:advisor", model=DEAR), REFUSED),
    ("tools: bash", tool("openrouter:bash"), REFUSED),
    ("tools: files", tool("openrouter:files"), REFUSED),
    ("tools: unknown", tool("openrouter:soothsayer"), REFUSED),
    ("max_tool_calls", {"max_tool_calls": 3, **search(max_uses=2)}, PRICED),
    (
        "stop_server_tools_when",
        {
            **search(max_uses=2),
            "stop_server_tools_when": [{"type": "max_cost", "max_cost_in_dollars": 9}],
        },
        BOUNDED,
    ),
    (
        "stop_server_tools_when: its steps",
        {
            **search(max_uses=2),
            "stop_server_tools_when": [{"type": "step_count_is", "step_count": 1}],
        },
        PRICED,
    ),
    ("plugins: web", plugin("web"), BOUNDED),
    ("plugins: web max_uses 0", plugin("web", max_uses=0), BOUNDED),
    ("plugins: web max_results", plugin("web", engine="exa", max_results=20), PRICED),
    ("plugins: web mode in a list", plugin("web", mode=["deep"]), REFUSED),
    ("plugins: web search_prompt", plugin("web", search_prompt="word " * 60_000), TOO_DEAR),
    ("plugins: web mode", plugin("web", engine="exa", mode="deep"), PRICED),
    ("plugins: web firecrawl", plugin("web", engine="firecrawl"), REFUSED),
    ("plugins: web-fetch", plugin("web-fetch"), BOUNDED),
    ("plugins: fusion", plugin("fusion"), REFUSED),
    ("plugins: fusion off", plugin("fusion", enabled=False), FREE),
    ("plugins: switchyard", plugin("switchyard-router", judge_model=DEAR), REFUSED),
    ("plugins: alignment", plugin("alignment", rules=[]), REFUSED),
    ("plugins: armor", plugin("armor"), REFUSED),
    ("plugins: moderation", plugin("moderation"), FREE),
    ("plugins: healing", plugin("response-healing"), FREE),
    ("plugins: healing by another", plugin("response-healing", model=DEAR), REFUSED),
    ("plugins: compression", plugin("context-compression", engine="middle-out"), FREE),
    ("plugins: auto-router", plugin("auto-router", cost_tier="max"), BOUNDED),
    ("plugins: pareto-router", plugin("pareto-router", max_price=99), BOUNDED),
    ("plugins: unknown", plugin("soothsayer"), REFUSED),
    ("plugins: file-parser", plugin("file-parser", pdf={"engine": "mistral-ocr"}), PRICED),
    ("plugins: file-parser free", plugin("file-parser", pdf={"engine": "native"}), FREE),
    ("plugins: file-parser in a list", plugin("file-parser", pdf=[{"engine": "x"}]), REFUSED),
    ("plugins: file-parser unknown", plugin("file-parser", pdf={"engine": "x"}), REFUSED),
]
TEXT: list[Row] = [
    *COMPLETION,
    ("n", {"n": 4}, PRICED),
    ("n: no number", {"n": True}, REFUSED),
    ("n: huge", {"n": 10**30}, REFUSED),
    ("best_of", {"best_of": 5}, PRICED),
    ("best_of: text", {"best_of": "5"}, REFUSED),
    ("echo", {"echo": True}, PRICED),
    ("suffix", {"suffix": "the end"}, PRICED),
]
COSTLY = [row for row in CHAT if row[2] is not FREE]
TOO_LONG = {"max_tokens": 100_000}
MEDIA_IN_CHAT: list[Row] = [
    ("max_tokens", TOO_LONG, REFUSED),
    # What comes out, these tools say themselves.
    *(row for row in COSTLY if row[2] is REFUSED and "modalities" not in row[1]),
    ("tools: function", {"tools": [{"type": "function", "function": {"name": "f"}}]}, PRICED),
    ("web_search: max_uses", search(max_uses=1), PRICED),
]
UNKNOWN: list[Row] = [
    ("an unknown field", {"ponder_twice": True}, REFUSED),
    ("models", {"models": [DEAR]}, REFUSED),
    ("plugins", plugin("web"), REFUSED),
    ("tools", search(), REFUSED),
    ("max_tokens", {"max_tokens": 9}, REFUSED),
]
LABELS: list[Row] = [("user", {"user": "u"}, FREE), ("session_id", {"session_id": "s"}, FREE)]
TOOLS: dict[str, tuple[dict[str, Any], list[Row]]] = {
    "chat": ({"prompt": "Hello", "model": MODEL, "max_tokens": 60}, CHAT),
    "complete_text": ({"prompt": "Once", "model": MODEL, "max_tokens": 60}, TEXT),
    "compare_models": (
        {"prompt": "Hello", "models": [MODEL, GOOGLE]},
        [row for row in COSTLY if row[0] not in {"reasoning.max_tokens", "preset"}],
    ),
    "run_agent": ({"task": "Hello", "model": MODEL, "max_steps": 1}, COSTLY),
    "analyze_media": ({"files": ["PICTURE"], "question": "What?", "model": MODEL}, COSTLY),
    "generate_image": (
        {"prompt": "a fox", "model": "google/gemini-3.1-flash-image-preview"},
        MEDIA_IN_CHAT,
    ),
    "generate_audio": ({"text": "Hello there", "model": "openai/gpt-audio"}, MEDIA_IN_CHAT),
    "generate_video": (
        {"prompt": "a fox", "model": "lumen/reel-1", "duration": 4},
        [*UNKNOWN, *LABELS, ("callback_url", {"callback_url": "https://x.example"}, FREE)],
    ),
    "transcribe_audio": (
        {"file": "SOUND", "model": "openai/whisper-1"},
        [*UNKNOWN, *LABELS, ("temperature", {"temperature": 0.5}, FREE)],
    ),
    "embed_texts": (
        {"texts": ["a fox"], "model": "openai/text-embedding-3-small"},
        [*UNKNOWN, *LABELS, ("dimensions", {"dimensions": 8}, FREE)],
    ),
    "rerank_documents": (
        {"query": "fox", "documents": ["a fox"], "model": "cohere/rerank-v3.5"},
        [*UNKNOWN, *LABELS],
    ),
}
IMAGES: list[Row] = [
    *UNKNOWN,
    *LABELS,
    ("size", {"size": "2K"}, PRICED),
    ("resolution", {"resolution": "2K"}, PRICED),
    ("n", {"n": 3}, PRICED),
    ("provider.options", {"provider": {"options": {"x": {"n": 9}}}}, REFUSED),
]
SPEECH: list[Row] = [
    *UNKNOWN,
    *LABELS,
    ("speed", {"speed": 0.25}, PRICED),
    ("input_references", {"input_references": [{"type": "text", "text": "x"}]}, REFUSED),
    ("provider.options", {"provider": {"options": {"openai": {"n": 9}}}}, REFUSED),
    ("instructions", {"provider": {"options": {"openai": {"instructions": "calm"}}}}, FREE),
]


class Ledger:
    """All reservations that were made, and what they hold or held."""

    def __init__(self) -> None:
        self.made: list[Reservation] = []

    @property
    def reserved(self) -> Decimal:
        """USD of all requests that were not released unsent."""
        kept = [each for each in self.made if each.entry.state is not State.RELEASED]
        return sum((each.entry.reserved for each in kept), Decimal(0))


@pytest.fixture
def ledger(monkeypatch) -> Ledger:
    """What is reserved from now on."""
    ledger, reserve = Ledger(), Budget.reserve

    async def noting(self: Budget, *arguments: Any, **named: Any) -> Reservation:
        ledger.made.append(await reserve(self, *arguments, **named))
        return ledger.made[-1]

    monkeypatch.setattr(Budget, "reserve", noting)
    return ledger


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The files that the calls name."""
    (tmp_path / "talk.wav").write_bytes(Pcm(b"\1\2" * 8000, 8000).wav())
    (tmp_path / "dot.gif").write_bytes(
        base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
    )
    (tmp_path / "mcp.json").write_text(
        json.dumps({"mcpServers": {"files": {"command": sys.executable, "args": [PEER]}}})
    )
    return {"SOUND": str(tmp_path / "talk.wav"), "PICTURE": str(tmp_path / "dot.gif")}


@pytest.fixture
async def client(configure, connect, simulator, files, tmp_path) -> AsyncIterator[Any]:
    """A client of a server with caps, before an OpenRouter whose models are greedy."""
    configure(
        OPENROUTER_MAX_COST_PER_CALL=str(CAP),
        OPENROUTER_MAX_COST_PER_DAY="1000",
        OPENROUTER_MAX_CONTINUATIONS="0",
        OPENROUTER_MCP_CONFIG=str(tmp_path / "mcp.json"),
    )
    simulator.balance = Decimal(1000)
    async with connect() as client:
        yield client


async def held(client, simulator, ledger, files, name: str, arguments: Any, rows: list[Row]):
    """Call the tool with each row's options: as its verdict says, and within what was reserved."""
    known = {
        key: [files.get(each, each) for each in value] if isinstance(value, list) else value
        for key, value in arguments.items()
    }
    known = {k: files.get(v, v) if isinstance(v, str) else v for k, v in known.items()}
    await call(client, name, **known)
    simulator.greedy = True
    for field, options, verdict in rows:
        ledger.made.clear()
        spent, sent = simulator.spent, len(paid(simulator))
        own = {k: v for k, v in known.items() if k != "max_tokens" or not options.keys() & LENGTHS}
        result = await call(client, name, **own, options=options)
        said = f"{name}, {field}: {text(result)[:300]}"
        if verdict in {REFUSED, TOO_DEAR}:
            assert result.is_error, said
            assert result.meta[ERROR]["code"] == "BUDGET_EXCEEDED", said
            assert len(paid(simulator)) == sent, said
            # What makes media in a chat can be too dear before it is looked at by name.
            dear = (rows is MEDIA_IN_CHAT or verdict is TOO_DEAR) and "can cost" in said
            assert "no upper bound" in said or dear, said
        else:
            assert len(paid(simulator)) > sent, said
        billed = simulator.spent - spent
        assert billed <= ledger.reserved <= CAP, f"{said}: {billed} of {ledger.reserved}"


LENGTHS = {"max_tokens", "max_completion_tokens"}


@pytest.mark.parametrize("name", TOOLS)
async def test_every_costly_field_is_refused_or_paid_within_what_was_reserved(
    client, simulator, ledger, files, name
) -> None:
    arguments, rows = TOOLS[name]
    if name == "generate_image":
        simulator.fail("not_found", path="/images/models/*", times=None)
    await held(client, simulator, ledger, files, name, arguments, rows)


@pytest.mark.parametrize(
    ("name", "arguments", "rows"),
    [
        ("generate_image", {"prompt": "a fox", "model": "bytedance-seed/seedream-4.5"}, IMAGES),
        ("generate_audio", {"text": "Hello", "model": "lumen/voice-1"}, SPEECH),
    ],
    ids=["images", "speech"],
)
async def test_so_it_is_on_the_endpoints_of_images_and_speech(
    client, simulator, ledger, files, name, arguments, rows
) -> None:
    await held(client, simulator, ledger, files, name, arguments, rows)


def test_every_paid_tool_has_its_rows() -> None:
    paying = {tool.__name__ for tool in SERVED if "max_cost" in tool.__annotations__}
    assert paying == TOOLS.keys()


SCHEMAS = {
    "/chat/completions": (
        "cache_control debug frequency_penalty image_config logit_bias logprobs"
        " max_completion_tokens max_tokens messages metadata min_p modalities model models"
        " parallel_tool_calls plugins prediction presence_penalty prompt_cache_key"
        " prompt_cache_options provider reasoning reasoning_effort repetition_penalty"
        " response_format route seed service_tier session_id stop stop_server_tools_when stream"
        " stream_options temperature tool_choice tools top_a top_k top_logprobs top_p trace user"
    ),
    "/embeddings": "dimensions encoding_format input input_type model provider user",
    "/images": (
        "aspect_ratio background input_references model n output_compression output_format prompt"
        " provider quality resolution seed size stream"
    ),
    "/audio/speech": "input model provider response_format speed voice",
    "/audio/transcriptions": (
        "input_audio language model provider response_format temperature timestamp_granularities"
    ),
    "/videos": (
        "aspect_ratio callback_url duration frame_images generate_audio input_references model"
        " prompt provider resolution seed size"
    ),
    "/rerank": "documents model provider query top_n",
}
"""The fields of each request schema of `openapi.yaml` that pass under a limit.

Refused are `input_references` of speech, whose sound nothing prices, and what only models take that
enlarge videos: `creativity`, `upscale_factor`.
"""


@pytest.mark.parametrize("path", SCHEMAS)
def test_what_the_official_schemas_know_passes(path) -> None:
    assert set(SCHEMAS[path].split()) <= price_table.FIELDS[path]


@pytest.mark.parametrize(("engine", "pages"), [("mistral-ocr", 20), ("", 0), ("native", 0)])
async def test_scanned_pages_are_paid_for_where_they_are_asked_for(
    client, simulator, ledger, engine, pages
) -> None:
    simulator.greedy = True
    plugins = plugin("file-parser", pdf={"engine": engine}) if engine else {}
    messages = [{"role": "user", "content": [{"type": "text", "text": "Sum it up."}, FILE]}]
    result = await call(
        client, "chat", model=BLIND, messages=messages, max_tokens=50, options=plugins
    )
    assert not result.is_error, text(result)
    assert pages * Decimal("0.002") <= simulator.spent <= ledger.reserved
    (sent,) = paid(simulator)[-1].body["plugins"]
    assert sent["pdf"]["engine"] == (engine or "cloudflare-ai")


@pytest.mark.parametrize(
    "part",
    [
        {"type": "soothsayer", "url": "https://x.example"},
        {"type": "video_url", "video_url": {"url": "https://x.example", "processing": "agentic"}},
    ],
    ids=["unknown", "agentic"],
)
async def test_parts_that_nothing_prices_are_refused_by_name(client, simulator, part) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "Hi"}, part]}]
    result = await call(client, "chat", model=GOOGLE, messages=messages)
    assert "no upper bound" in text(result)
    assert paid(simulator) == []


async def test_of_several_parsers_the_dearest_counts(client, simulator, ledger) -> None:
    parsers = [{"id": "file-parser", "pdf": {"engine": name}} for name in ("native", "mistral-ocr")]
    messages = [{"role": "user", "content": [{"type": "text", "text": "Sum it up."}, FILE]}]
    ask = {"model": BLIND, "messages": messages, "max_tokens": 50}
    result = await call(client, "chat", **ask, options={"plugins": parsers})
    assert not result.is_error, text(result)
    assert ledger.reserved >= 20 * Decimal("0.002")


@pytest.mark.parametrize(
    "part",
    [
        {"type": "video_url", "video_url": {"url": "https://x.example/hours.mp4"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "https://x.example/a.pdf"}},
    ],
    ids=["video", "document"],
)
async def test_what_has_only_an_address_may_fill_the_context(client, simulator, part) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "Sum it up."}, part]}]
    ask = {"model": GOOGLE, "messages": messages, "max_tokens": 20, "max_cost": 0.1}
    result = await call(client, "chat", **ask)
    assert result.meta[ERROR]["code"] == "BUDGET_EXCEEDED"
    assert "1,048,576 tokens in" in text(result)
    assert paid(simulator) == []


@pytest.mark.parametrize("name", ["chat", "complete_text"])
async def test_an_output_limit_that_no_model_has_is_refused(client, simulator, name) -> None:
    for arguments in ({"max_tokens": 10**40}, {"options": {"max_tokens": 10**40}}):
        result = await call(client, name, prompt="Hello", model=MODEL, **arguments)
        assert result.meta[ERROR]["code"] == "INVALID_INPUT", text(result)
    assert paid(simulator) == []


async def test_a_name_that_is_no_text_is_refused(client, simulator) -> None:
    for options in ({"tools": [{"type": ["x"]}]}, {"plugins": [{"id": {"x": 1}}]}):
        result = await call(client, "chat", prompt="Hello", model=MODEL, options=options)
        assert result.meta[ERROR]["code"] == "INVALID_INPUT", text(result)
    assert paid(simulator) == []


async def test_a_fallback_counts_at_its_own_price(client, simulator, ledger) -> None:
    simulator.greedy = True
    simulator.fail("rate_limited", model=MODEL, path="/chat/completions", times=None)
    ask = {"prompt": "Hello", "model": MODEL, "max_tokens": 500, "options": {"models": [DEAR]}}
    for name in ("chat", "complete_text"):
        ledger.made.clear()
        spent = simulator.spent
        result = await call(client, name, **ask)
        assert not result.is_error, text(result)
        assert 0 < simulator.spent - spent <= ledger.reserved


async def test_a_plain_chat_reserves_at_most_twice_its_bill(client, simulator, ledger) -> None:
    simulator.greedy = True
    for model in (MODEL, GOOGLE, DEAR, "openai/gpt-5.4"):
        for tokens in (100, 2000):
            ledger.made.clear()
            spent = simulator.spent
            prompt = "The quick brown fox jumps over the lazy dog. " * 20
            await call(client, "chat", prompt=prompt, model=model, max_tokens=tokens)
            billed = simulator.spent - spent
            assert billed <= ledger.reserved <= 2 * billed, (model, tokens)


async def test_the_cap_per_call_holds_for_all_requests_of_a_call(
    configure, connect, simulator
) -> None:
    configure(OPENROUTER_MAX_COST_PER_CALL="0.02", OPENROUTER_MAX_CONTINUATIONS="5")
    simulator.greedy = True
    async with connect() as client:
        await call(client, "chat", prompt="Hello", model=DEAR)
        assert Decimal("0.001") < simulator.spent <= Decimal("0.02")
        spent = simulator.spent
        await call(client, "compare_models", prompt="Hello", models=[DEAR, MODEL], judge=MODEL)
        assert Decimal("0.001") < simulator.spent - spent <= Decimal("0.02")


async def test_without_a_limit_everything_passes(client, configure, connect, simulator) -> None:
    configure(OPENROUTER_MAX_COST_PER_CALL="0", OPENROUTER_MAX_COST_PER_DAY="0")
    wanted = {"tools": [{"type": "openrouter:image_generation"}], "preset": "brief"}
    async with connect() as free:
        result = await call(free, "chat", prompt="Hello", model=MODEL, options=wanted)
    assert not result.is_error, text(result)
    body = paid(simulator)[-1].body
    assert {name: body[name] for name in wanted} == wanted


async def test_a_dry_run_shows_what_the_price_is_made_of(client) -> None:
    options = search(max_uses=2, max_results=20, engine="exa")
    ask = {"prompt": "Hello", "model": MODEL, "max_tokens": 100, "dry_run": True}
    shown = text(await call(client, "chat", **ask, options=options)).splitlines()
    for line in ("Input: ", "Output: 300 tokens", "Web searches: 2 at most", "Turns: 3 at most"):
        assert any(each.startswith(line) for each in shown), line


IMAGE_MODEL = "google/gemini-3.1-flash-image-preview"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("chat", {"prompt": "a fox", "model": IMAGE_MODEL, "options": {"modalities": ["image"]}}),
        ("generate_image", {"prompt": "a fox", "model": IMAGE_MODEL, "n": 2}),
        ("generate_audio", {"text": "A fox is here. " * 9, "model": "openai/gpt-audio"}),
        ("generate_audio", {"text": "a calm tune", "model": "lumen/lyric-1"}),
    ],
    ids=["chat", "images", "speech", "music"],
)
async def test_images_and_sound_of_a_chat_stay_within_what_was_reserved(
    client, simulator, ledger, name, arguments
) -> None:
    simulator.greedy = name != "generate_audio" or arguments["model"] != "lumen/lyric-1"
    simulator.fail("not_found", path="/images/models/*", times=None)
    result = await call(client, name, **arguments)
    assert not result.is_error, text(result)
    assert 0 < simulator.spent <= ledger.reserved <= CAP
