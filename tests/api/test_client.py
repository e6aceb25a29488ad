"""The client against a real (simulated) OpenRouter on loopback: keys, retries, time, endings."""

import asyncio
import gzip
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from openrouter_mcp import settings
from openrouter_mcp.api import client as client_module
from openrouter_mcp.api import retry
from openrouter_mcp.api.client import OpenRouter
from openrouter_mcp.api.responses import MOST_ERROR_BYTES, PERHAPS_BILLED, bound_failure
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.simulator.server import serve
from openrouter_mcp.simulator.state import INFERENCE_KEY, MANAGEMENT_KEY, Recorded, Simulator
from openrouter_mcp.timing import Timing
from tests.support.processes import until
from tests.support.timing import FAST

CHAT = "/chat/completions"
BODY = {
    "model": "openai/gpt-5-mini",
    "messages": [{"role": "user", "content": "Hi"}],
    "stream": True,
}
STALL = 0.3


@pytest.fixture
async def connect(configure: Callable[..., None]) -> AsyncIterator[Callable[..., OpenRouter]]:
    """Make a client under these OPENROUTER_* variables."""
    made: list[OpenRouter] = []

    def make(timing: Timing = FAST, **variables: str) -> OpenRouter:
        configure(**{f"OPENROUTER_{name.upper()}": value for name, value in variables.items()})
        made.append(OpenRouter(settings.load(), timing))
        return made[-1]

    yield make
    for client in made:
        await client.aclose()


async def chat(client: OpenRouter, **extra: Any) -> list[dict[str, Any]]:
    async with client.stream(CHAT, BODY, **extra) as stream:
        return [chunk async for chunk in stream]


async def failing(awaitable: Any) -> OpenRouterError:
    with pytest.raises(OpenRouterError) as failure:
        await awaitable
    assert INFERENCE_KEY not in failure.value.message
    return failure.value


async def arrival(simulator: Simulator) -> Recorded:
    """The first request, once it is there."""
    await until(lambda: simulator.requests)
    return simulator.requests[0]


# How much is read.


@pytest.mark.parametrize("status", [400, 404, 429, 500, 502])
@pytest.mark.parametrize("path", ["/models", CHAT])
async def test_of_a_failure_only_the_beginning_is_read(
    simulator: Simulator, connect, path: str, status: int
):
    pieces = [b'{"error":{"message":"No', *[b" " * 1_000_000] * 5]
    simulator.answer_raw(*pieces, status=status, media_type="text/html", path=path, times=None)
    client = connect()
    error = await failing(chat(client) if path == CHAT else client.get(path))
    while not hasattr(error, "response"):
        error = error.__cause__
    assert len(error.response.content) == MOST_ERROR_BYTES


@pytest.mark.parametrize("codings", ["gzip", "gzip, gzip"])
async def test_a_failure_is_not_unpacked_whole(codings: str):
    packed = bytes(20_000_000)
    for _ in codings.split(", "):
        packed = gzip.compress(packed)
    headers = {"content-encoding": codings}
    request = httpx2.Request("GET", "http://example.org")
    response = httpx2.Response(500, headers=headers, stream=httpx2.ByteStream(packed))
    response.request = request
    await bound_failure(response)
    assert len(await response.aread()) == MOST_ERROR_BYTES


async def test_a_failure_that_breaks_off_is_told_by_its_status():
    headers = {"content-encoding": "gzip"}
    response = httpx2.Response(429, headers=headers, stream=httpx2.ByteStream(b"no gzip"))
    response.request = httpx2.Request("GET", "http://example.org")
    await bound_failure(response)
    assert await response.aread() == b""


# What is sent, and to whom.


async def test_a_look_up_gives_json(simulator: Simulator, connect):
    reply = await connect().get("/models", params={"output_modalities": "all"})
    assert reply["data"]
    assert simulator.requests[0].query == {"output_modalities": "all"}


async def test_a_stream_gives_chunks_until_done(simulator: Simulator, connect):
    simulator.answer("Hello there.")
    async with connect().stream(CHAT, BODY) as stream:
        chunks = [chunk async for chunk in stream]
        assert stream.done
    texts = [chunk["choices"][0]["delta"].get("content") for chunk in chunks if chunk["choices"]]
    assert "".join(text or "" for text in texts) == "Hello there."
    assert chunks[-1]["usage"]["cost"] > 0
    assert simulator.requests[0].body == BODY


async def test_the_body_keeps_the_order_of_its_keys(simulator: Simulator, connect):
    await chat(connect())
    assert [*simulator.requests[0].body] == [*BODY]


IDENTITY = {"http-referer", "x-openrouter-title", "x-openrouter-categories"}


async def test_the_app_introduces_itself(simulator: Simulator, connect):
    client = connect(http_referer="https://example.com", app_title="Mine")
    await chat(client)
    headers = simulator.requests[0].headers
    assert headers["authorization"] == f"Bearer {INFERENCE_KEY}"
    assert headers["http-referer"] == "https://example.com"
    assert headers["x-openrouter-title"] == "Mine"
    assert headers["x-openrouter-categories"] == "cli-agent"
    assert headers["user-agent"].startswith("openrouter-mcp/")


async def test_the_introduction_can_be_left_out(simulator: Simulator, connect):
    await chat(connect(attribution="false"))
    assert IDENTITY.isdisjoint(simulator.requests[0].headers)


async def test_a_calls_own_headers_are_sent(simulator: Simulator, connect):
    own = {
        "X-OpenRouter-Metadata": "enabled",
        "X-OpenRouter-Cache": "true",
        "x-anthropic-beta": "thinking",
    }
    await chat(connect(), headers=own)
    lowered = {name.lower(): value for name, value in own.items()}
    assert lowered.items() <= simulator.requests[0].headers.items()


CUSTOM_HEADERS = """\
X-OpenRouter-Cache: true
X-Anything: else
Host: other.example
Accept: text/html
Authorization: Bearer other"""


async def test_openais_variables_have_no_effect(
    simulator: Simulator, connect, monkeypatch: pytest.MonkeyPatch
):
    await chat(connect())
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", CUSTOM_HEADERS)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-other")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-other")
    monkeypatch.setenv("OPENAI_LOG", "debug")
    await chat(connect())
    plain, under_influence = (request.headers for request in simulator.requests)
    assert under_influence == plain
    assert not [name for name in plain if name.startswith(("openai-", "x-stainless"))]


async def test_without_a_key_nothing_paid_is_even_tried(simulator: Simulator, connect):
    error = await failing(chat(connect(api_key="")))
    assert error.code is Code.AUTH
    assert "https://openrouter.ai/keys" in error.message
    assert simulator.requests == []


async def test_without_a_key_public_look_ups_work(
    simulator: Simulator, connect, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    assert await connect(api_key="").get("/models")
    assert "authorization" not in simulator.requests[0].headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_the_key_never_follows_a_redirect_to_another_host(
    simulator: Simulator, connect, status: int
):
    with serve() as other:
        simulator.fail("redirected", location=f"{other.url}/models", status=status, times=None)
        looked_up = await failing(connect().get("/models"))
        paid = await failing(chat(connect()))
        assert other.simulator.requests == []
    for error in (looked_up, paid):
        assert error.code is Code.UPSTREAM_ERROR
        assert not error.retryable
        assert error.message.endswith("Check OPENROUTER_BASE_URL.")
    assert len(simulator.requests) == 2


@pytest.mark.parametrize("location", ["//other.example/models", "https://127.0.0.1/api/v1/models"])
async def test_another_scheme_or_host_is_another_origin(
    simulator: Simulator, connect, location: str
):
    simulator.fail("redirected", location=location)
    error = await failing(connect().get("/models"))
    assert "another host" in error.message


async def test_a_look_up_follows_redirects_at_home_with_their_query(simulator: Simulator, connect):
    simulator.fail("redirected", location="/api/v1/models?output_modalities=image", status=308)
    assert (await connect().get("/models", params={"category": "x"}))["data"]
    assert simulator.requests[1].query == {"output_modalities": "image"}
    assert simulator.requests[1].headers["authorization"] == f"Bearer {INFERENCE_KEY}"


async def test_a_paid_request_follows_no_redirect_even_at_home(simulator: Simulator, connect):
    simulator.fail("redirected", location="/api/v1/chat/completions")
    assert (await failing(chat(connect()))).code is Code.UPSTREAM_ERROR
    assert len(simulator.requests) == 1


async def test_redirects_in_a_circle_end(simulator: Simulator, connect):
    simulator.fail("redirected", location="/api/v1/models", times=None)
    assert "in a circle" in (await failing(connect().get("/models"))).message
    assert len(simulator.requests) == client_module.MAX_REDIRECTS


# What is repeated.


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 524, 529])
async def test_a_look_up_is_repeated_after_passing_trouble(
    simulator: Simulator, connect, status: int
):
    simulator.fail("http_error", status=status, times=2)
    assert await connect().get("/models")
    assert len(simulator.requests) == retry.ATTEMPTS


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422])
async def test_what_will_not_change_is_not_repeated(simulator: Simulator, connect, status: int):
    simulator.fail("http_error", status=status, times=None)
    client = connect()
    assert (await failing(client.get("/models"))).http_status == status
    assert (await failing(chat(client))).http_status == status
    assert len(simulator.requests) == 2


@pytest.mark.parametrize("status", [429, 502, 503, 529])
async def test_a_paid_request_is_repeated_where_no_work_was_done(
    simulator: Simulator, connect, status: int
):
    simulator.fail("http_error", status=status, times=2)
    assert await chat(connect())
    assert len(simulator.requests) == 3


@pytest.mark.parametrize("status", [408, 500, 504, 524])
async def test_a_paid_request_is_not_repeated_where_work_may_have_been_done(
    simulator: Simulator, connect, status: int
):
    simulator.fail("http_error", status=status)
    error = await failing(chat(connect()))
    assert error.http_status == status
    assert error.retryable
    assert len(simulator.requests) == 1


async def test_attempts_have_an_end(simulator: Simulator, connect):
    simulator.fail("http_error", status=503, times=None)
    assert (await failing(chat(connect()))).http_status == 503
    assert len(simulator.requests) == retry.ATTEMPTS


@pytest.mark.parametrize(
    ("seconds", "requests"), [(0, 2), (FAST.longest_retry_wait + 1, 1), (18_000, 1)]
)
async def test_a_limit_is_waited_for_only_where_it_is_short(
    simulator: Simulator, connect, seconds: float, requests: int
):
    reset = int((time.time() + seconds) * 1000)
    simulator.fail("platform_rate_limited", reset_ms=reset)
    client = connect()
    if requests == 1:
        error = await failing(chat(client))
        assert error.code is Code.RATE_LIMITED
        assert error.retry_after == pytest.approx(seconds, abs=2)
    else:
        assert await chat(client)
    assert len(simulator.requests) == requests


async def test_openrouter_says_how_long_to_wait_and_each_attempt_is_reported(
    simulator: Simulator, connect
):
    simulator.fail("rate_limited", retry_after=7, path="/models", times=2)
    waited: list[float] = []
    told: list[str] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def report(message: str) -> None:
        told.append(message)

    assert await connect(Timing(sleep=sleep)).get("/models", report=report)
    assert waited == [7, 7]
    assert told == [
        "OpenRouter answered 429; trying again in 7 s (attempt 2 of 3)",
        "OpenRouter answered 429; trying again in 7 s (attempt 3 of 3)",
    ]


async def test_a_long_retry_after_is_passed_on(simulator: Simulator, connect):
    simulator.fail("rate_limited", retry_after=60, path="/models")
    error = await failing(connect().get("/models"))
    assert (error.code, error.retry_after) == (Code.RATE_LIMITED, 60)
    assert len(simulator.requests) == 1


async def test_a_connection_cut_before_the_reply_is_repeated_only_for_a_look_up(
    simulator: Simulator, connect
):
    client = connect()
    simulator.fail("cut_before_headers")
    assert await client.get("/models")
    assert len(simulator.requests) == 2
    simulator.fail("cut_before_headers")
    assert (await failing(chat(client))).code is Code.NETWORK
    assert len(simulator.requests) == 3


async def test_nobody_at_the_address_is_a_network_failure(connect):
    client = connect(base_url="http://127.0.0.1:9/api/v1")
    told: list[str] = []

    async def report(message: str) -> None:
        told.append(message)

    error = await failing(chat(client, report=report))
    assert error.code is Code.NETWORK
    assert "could not be reached" in error.message
    assert len(told) == retry.ATTEMPTS - 1


@pytest.mark.parametrize("fault", ["cut_stream", "end_without_done", "mid_stream_error"])
async def test_nothing_is_repeated_once_the_stream_has_begun(
    simulator: Simulator, connect, fault: str
):
    simulator.answer("one two three four five six")
    simulator.fail(fault)
    chunks = []
    async with connect().stream(CHAT, BODY) as stream:
        try:
            async for chunk in stream:
                chunks.append(chunk)  # noqa: PERF401 - what came before the failure counts
        except OpenRouterError as error:
            assert error.retryable  # noqa: PT017 - not every fault raises here
        assert not stream.done
    assert chunks
    assert len(simulator.requests) == 1


@pytest.mark.parametrize(
    "fault", ["cut_before_headers", "stall_before_headers", "cut_stream", "html_200"]
)
async def test_a_paid_request_whose_answer_got_lost_is_not_to_be_repeated_blindly(
    simulator: Simulator, connect, fault: str
):
    client = connect(stall_timeout_seconds=str(STALL))
    simulator.fail(fault, times=2)
    rerank = {"model": "cohere/rerank-v3.5", "query": "x", "documents": ["a"]}
    for lost in (client.post("/rerank", rerank), chat(client)):
        error = await failing(lost)
        assert error.message.endswith(PERHAPS_BILLED)
        assert not error.retryable
    assert len(simulator.requests) == 2


async def test_what_costs_nothing_may_be_repeated_whatever_became_of_it(
    simulator: Simulator, connect
):
    client = connect(management_key=MANAGEMENT_KEY)
    simulator.fail("cut_before_headers", times=retry.ATTEMPTS + 1)
    feedback = {"generation_id": "gen-1", "category": "other"}
    errors = [
        await failing(client.post("/generation/feedback", feedback, management=True)),
        await failing(client.get("/models")),
        await failing(chat(connect(base_url="http://127.0.0.1:9/api/v1"))),
    ]
    assert [error.code for error in errors] == [Code.NETWORK] * 3
    assert all(error.retryable for error in errors)
    assert not any(PERHAPS_BILLED in error.message for error in errors)


# How long it waits.


@pytest.mark.parametrize(
    "fault", ["stall_before_headers", "stall_after_headers", "stall_mid_stream"]
)
async def test_silence_ends_within_the_stall_limit(simulator: Simulator, connect, fault: str):
    simulator.fail(fault)
    error = await failing(chat(connect(stall_timeout_seconds=str(STALL))))
    assert error.code is Code.UPSTREAM_TIMEOUT
    assert len(simulator.requests) == 1


async def test_where_it_is_asked_for_silence_is_borne_beyond_the_stall_limit(
    simulator: Simulator, connect
):
    body = {"model": "bytedance-seed/seedream-4.5", "prompt": "a fox"}
    client = connect(stall_timeout_seconds="0.05")
    simulator.fail("slow_tokens", path="/images", delay=0.2, times=2)
    assert (await failing(client.post("/images", body))).code is Code.UPSTREAM_TIMEOUT
    assert (await client.post("/images", body, read_timeout=10))["data"]


async def test_a_longer_stall_limit_of_the_user_holds_all_the_same(simulator: Simulator, connect):
    body = {"model": "bytedance-seed/seedream-4.5", "prompt": "a fox"}
    simulator.fail("slow_tokens", path="/images", delay=0.1)
    assert (await connect(stall_timeout_seconds="10").post("/images", body, read_timeout=0.05))[
        "data"
    ]


async def test_a_look_up_that_stalls_ends_too(simulator: Simulator, connect):
    simulator.fail("stall_before_headers", times=None)
    error = await failing(connect(stall_timeout_seconds=str(STALL)).get("/models"))
    assert error.code is Code.UPSTREAM_TIMEOUT


@pytest.mark.parametrize("fault", ["stall_after_headers", "stall_mid_stream"])
async def test_keep_alives_do_not_outlast_the_total_limit(
    simulator: Simulator, connect, fault: str
):
    simulator.fail(fault, keep_alive=0.05)
    client = connect(request_timeout_seconds="0.5", stall_timeout_seconds="5")
    error = await failing(chat(client))
    assert error.code is Code.UPSTREAM_TIMEOUT
    assert "OPENROUTER_REQUEST_TIMEOUT_SECONDS" in error.message
    assert simulator.requests[0].ended.wait(5)
    assert simulator.requests[0].disconnected


async def test_keep_alives_are_no_silence(simulator: Simulator, connect):
    simulator.fail("slow_tokens", delay=0.02)
    assert await chat(connect(stall_timeout_seconds="0.5"))


# How it ends.


@pytest.mark.parametrize(
    "fault", ["stall_before_headers", "stall_after_headers", "stall_mid_stream"]
)
async def test_cancelling_closes_the_connection_at_once(simulator: Simulator, connect, fault: str):
    simulator.fail(fault)
    task = asyncio.create_task(chat(connect()))
    request = await arrival(simulator)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(request.ended.wait, 2)
    assert request.disconnected


async def test_leaving_early_closes_the_connection(simulator: Simulator, connect):
    simulator.answer("one two three four five six")
    simulator.fail("stall_mid_stream")
    async with connect().stream(CHAT, BODY) as stream:
        async for _ in stream:
            break
    request = simulator.requests[0]
    assert await asyncio.to_thread(request.ended.wait, 2)
    assert request.disconnected


async def test_a_finished_stream_leaves_its_connection_for_the_next(simulator: Simulator, connect):
    client = connect()
    for _ in range(3):
        await chat(client)
    assert not any(request.disconnected for request in simulator.requests)


@pytest.mark.parametrize("fault", ["html_200", "malformed_json", "empty_200"])
async def test_a_reply_that_is_not_openrouters_is_named(simulator: Simulator, connect, fault: str):
    simulator.fail(fault, times=2)
    client = connect()
    for error in (await failing(client.get("/models")), await failing(chat(client))):
        assert error.code is Code.UPSTREAM_ERROR
        assert "OPENROUTER_BASE_URL" in error.message
        assert "<" not in error.message


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("html_502", Code.UPSTREAM_ERROR),
        ("html_524", Code.UPSTREAM_TIMEOUT),
        ("empty_500", Code.UPSTREAM_ERROR),
    ],
)
async def test_pages_of_the_edge_network_are_told_by_status(
    simulator: Simulator, connect, fault: str, code: Code
):
    simulator.fail(fault, times=None)
    client = connect()
    for error in (await failing(client.get("/models")), await failing(chat(client))):
        assert error.code is code
        assert "<" not in error.message


@asynccontextmanager
async def replying(reply: bytes) -> AsyncIterator[str]:
    """The address of a server that answers everything with these bytes and hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        await reader.readexactly(int(length[1]) if length else 0)
        writer.write(reply)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1"


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (OK + b'Content-Length: 99\r\n\r\n{"choices": [', Code.NETWORK),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!", Code.NETWORK),
        (SSE + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!", Code.NETWORK),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Code.NETWORK),
        (b"", Code.NETWORK),
    ],
    ids=["cut json", "bad gzip", "bad gzip stream", "not http", "nothing"],
)
async def test_garbage_on_the_wire_is_a_typed_failure(connect, reply: bytes, code: Code):
    async with replying(reply) as address:
        client = connect(base_url=address)
        assert (await failing(chat(client))).code is code
        if not reply.startswith(SSE):
            assert (await failing(client.get("/models"))).code is code


BILLED = b"X-Generation-Id: gen-7\r\nContent-Length: 60\r\n\r\n"
REFUSAL = b'{"error": {"code": 502, "message": "Provider returned error"}}'


@pytest.mark.parametrize(
    ("reply", "generations"),
    [
        (OK + BILLED + b'{"choices": [', ["gen-7"]),
        (OK + BILLED + b"{" * 60, ["gen-7"]),
        (SSE + BILLED + b"data: {}\n\n", ["gen-7"]),
        (OK + BILLED.replace(b"60", b"%d" % len(REFUSAL)) + REFUSAL, []),
    ],
    ids=["cut json", "no json", "cut stream", "error"],
)
async def test_what_may_be_billed_is_named_though_it_breaks(connect, reply: bytes, generations):
    heard: list[str] = []

    async def hear(headers) -> None:
        heard.append(headers["x-generation-id"])

    async with replying(reply) as address:
        client = connect(base_url=address)
        await failing(chat(client, on_headers=hear))
        assert heard == generations
        if not reply.startswith(SSE):
            await failing(client.post("/rerank", {}, on_headers=hear))
            assert heard == generations * 2


async def test_blank_lines_before_json_are_skipped(simulator: Simulator, connect):
    simulator.fail("leading_whitespace", times=2)
    client = connect()
    assert (await client.get("/models"))["data"]
    assert await chat(client)


async def test_an_error_inside_ok_is_a_failure_for_look_ups_too(simulator: Simulator, connect):
    simulator.fail("error_in_ok", path="/models", times=None)
    error = await failing(connect().get("/models"))
    assert error.code is Code.UPSTREAM_ERROR
    assert "upstream 503" in error.message


async def test_something_looked_up_and_not_found_is_not_a_model(simulator: Simulator, connect):
    assert (await failing(connect().get("/nothing-here"))).code is Code.NOT_FOUND


async def test_a_wrong_key_is_told_without_the_key(simulator: Simulator, connect):
    error = await failing(chat(connect(api_key="sk-or-v1-revoked-revoked")))
    assert error.code is Code.AUTH
    assert "revoked-revoked" not in f"{error!r} {error.message} {error.meta()}"


async def test_warming_up_sends_nothing_and_can_be_repeated(simulator: Simulator, connect):
    client = connect()
    client.warm_up()
    client.warm_up()
    assert simulator.requests == []
    assert await client.get("/models")


async def test_closing_an_unused_client_is_free(connect):
    await connect().aclose()


async def test_an_id_that_fits_into_no_address_is_not_found(simulator: Simulator, connect):
    asked = connect().get("/generation", params={"id": "x" * 100_000})
    assert (await failing(asked)).code is Code.NOT_FOUND
    assert simulator.requests == []
