import asyncio
import json

import httpx2
import pytest

from openrouter_mcp.simulator.faults import AVAILABILITY, FAULTS, Stage
from openrouter_mcp.simulator.state import Simulator
from tests.simulator.conftest import Api, chunks
from tests.support import oracle

STATUSES = {
    "missing_authentication": 401,
    "no_credentials": 401,
    "unknown_user": 401,
    "invalid_credentials": 401,
    "insufficient_credits": 402,
    "cannot_afford": 402,
    "key_limit_exceeded": 402,
    "management_key_required": 403,
    "guardrail_blocked": 403,
    "moderation_flagged": 403,
    "budget_exhausted": 403,
    "not_found": 404,
    "payload_too_large": 413,
    "masked_server_error": 500,
    "platform_rate_limited": 429,
    "rate_limited": 429,
    "provider_error": 502,
    "context_too_long": 400,
    "bad_request": 400,
    "request_timeout": 408,
    "conflict": 409,
    "gone": 410,
    "unprocessable": 422,
    "client_closed_request": 499,
    "server_error": 500,
    "provider_unavailable": 502,
    "overloaded": 503,
    "gateway_timeout": 504,
    "edge_timeout": 524,
    "provider_overloaded": 529,
}
"""The faults in the standard envelope."""
OTHER_SHAPES = {
    *("validation_failed", "empty_500", "empty_200", "html_200", "html_502", "html_524"),
    *("malformed_json", "redirected", "responses_error", "messages_error", "http_error"),
    *("cut_before_headers", "stall_before_headers", "precondition_failed"),
    *("error_in_ok", "choice_error", "raw"),
}


def content(stream: str) -> str:
    events = chunks(stream)
    deltas = [chunk["choices"][0]["delta"] for chunk in events if chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def test_every_fault_that_replaces_the_reply_is_covered_here():
    replaced = {name for name, kind in FAULTS.items() if kind.stage in (Stage.EDGE, Stage.UPSTREAM)}
    assert replaced == STATUSES.keys() | AVAILABILITY.keys() | OTHER_SHAPES


@pytest.mark.parametrize(("name", "status"), STATUSES.items())
def test_the_standard_envelope(api: Api, name: str, status: int):
    assert api.order(name, path="/chat/completions").status_code == 200
    reply = api.chat()
    assert reply.status_code == status
    assert oracle.check_error(status, reply.json()) == []
    assert api.chat().status_code == 200


@pytest.mark.parametrize("code", AVAILABILITY)
def test_the_availability_envelope(api: Api, code: str):
    api.order(code, requested="acme-labs/anvil-1", fallbacks=["acme-labs/anvil-2"])
    reply = api.chat()
    error = reply.json()["error"]
    assert "code" not in error
    assert error["http_status"] == reply.status_code == AVAILABILITY[code][0]
    assert error["availability"] == {
        "code": code,
        "retryable": code in ("capacity_exhausted", "temporarily_unavailable"),
        "retry_after": None,
        "requested_models": ["acme-labs/anvil-1"],
        "fallback_models": ["acme-labs/anvil-2"],
        "docs_url": f"https://openrouter.ai/docs/errors#{code}",
    }


@pytest.mark.parametrize("name", ["rate_limited", "overloaded", "capacity_exhausted"])
@pytest.mark.parametrize("seconds", [None, 1, 3600])
def test_retry_after_is_sent_as_told(
    simulator: Simulator, api: Api, name: str, seconds: int | None
):
    simulator.fail(name, retry_after=seconds)
    expected = None if seconds is None else str(seconds)
    assert api.chat().headers.get("retry-after") == expected


def test_the_platforms_own_limit_carries_its_headers(simulator: Simulator, api: Api):
    simulator.fail("platform_rate_limited", reset_ms=1_763_769_600_000)
    reply = api.chat()
    assert reply.headers["x-ratelimit-remaining"] == "0"
    assert reply.headers["x-ratelimit-reset"] == "1763769600000"
    assert "x-ratelimit-limit" not in api.chat().headers


@pytest.mark.parametrize(
    ("name", "status", "starts"),
    [
        ("validation_failed", 400, '{"success":false,"error":{"name":"ZodError"'),
        ("empty_500", 500, ""),
        ("empty_200", 200, ""),
        ("html_200", 200, "<html>"),
        ("html_502", 502, "<html>"),
        ("html_524", 524, "<html>"),
        ("malformed_json", 200, '{"id": "gen-x", "choices": ['),
        ("error_in_ok", 200, '{"error":{"code":502'),
        ("choice_error", 200, '{"id":"gen-x"'),
        ("responses_error", 400, '{"error":{"code":"invalid_prompt"'),
        ("messages_error", 529, '{"type":"error"'),
        ("precondition_failed", 412, '{"error":{"code":412'),
    ],
)
def test_other_shapes(api: Api, name: str, status: int, starts: str):
    api.order(name)
    reply = api.chat()
    assert (reply.status_code, reply.text[: len(starts)]) == (status, starts)
    assert bool(reply.text) == bool(starts)


def test_any_status_can_be_asked_for(simulator: Simulator, api: Api):
    simulator.fail("http_error", status=418, message="Short and stout")
    assert api.chat().json() == {"error": {"code": 418, "message": "Short and stout"}}
    simulator.fail("http_error", status=404, error_type="image_not_found")
    assert api.chat().json()["error"]["metadata"] == {"error_type": "image_not_found"}


def test_a_choice_error_keeps_the_partial_text(simulator: Simulator, api: Api):
    simulator.fail("choice_error", text="half")
    choice = api.chat().json()["choices"][0]
    assert choice["finish_reason"] == "error"
    assert choice["message"]["content"] == "half"
    assert choice["error"]["code"] == 502


def test_a_redirect_leads_where_told(simulator: Simulator, api: Api):
    simulator.fail("redirected", location="http://127.0.0.1:9/elsewhere")
    reply = api.chat()
    assert reply.status_code == 307
    assert reply.headers["location"] == "http://127.0.0.1:9/elsewhere"


@pytest.mark.parametrize(
    ("name", "text", "finish"),
    [
        ("reasoning_only", "", "length"),
        ("null_content", None, "stop"),
        ("empty_content", "", "stop"),
        ("blank_finish", "", None),
        ("refusal", None, "stop"),
        ("content_filtered", "The beginning of", "content_filter"),
    ],
)
def test_unpleasant_answers(api: Api, name: str, text: str | None, finish: str | None):
    api.order(name, times=2)
    body = api.chat().json()
    assert oracle.check_response("/chat/completions", body) == []
    choice = body["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (text, finish)
    assert (choice["message"]["refusal"] is not None) == (name == "refusal")
    reply = api.chat(stream=True)
    assert [f for chunk in chunks(reply.text) for f in oracle.check_chunk(chunk)] == []
    assert content(reply.text) == (text or "")
    assert chunks(reply.text)[-2]["choices"][0]["finish_reason"] == finish


def test_a_blank_finish_is_free(simulator: Simulator, api: Api):
    simulator.fail("blank_finish")
    assert api.chat().json()["usage"]["cost"] == 0


@pytest.mark.parametrize(
    ("code", "error_type"), [(429, "rate_limit_exceeded"), ("server_error", "server")]
)
def test_an_error_in_mid_stream_comes_after_a_partial_text(
    simulator: Simulator, api: Api, code: int | str, error_type: str
):
    simulator.fail("mid_stream_error", after=1, code=code, error_type=error_type)
    reply = api.chat(stream=True)
    last = chunks(reply.text)[-1]
    assert reply.status_code == 200
    assert content(reply.text) == "Simulated answer to: "
    assert last["error"]["code"] == code
    assert last["choices"][0]["finish_reason"] == "error"
    assert "[DONE]" not in reply.text
    if isinstance(code, int):
        assert oracle.check_chunk(last) == []


def partial(api: Api, timeout: float) -> tuple[str, Exception | None]:
    """What of a stream arrives before it breaks, and how it breaks."""
    received = ""
    body = {"model": "z-ai/glm-5.2", "messages": [{"role": "user", "content": "hi"}]}
    streamed = api.http.stream(
        "POST", "/chat/completions", json=body | {"stream": True}, timeout=timeout
    )
    try:
        with streamed as reply:
            for piece in reply.iter_text():
                received += piece
    except httpx2.TransportError as error:
        return received, error
    return received, None


def test_a_cut_stream_breaks_after_a_partial_text(simulator: Simulator, api: Api):
    simulator.fail("cut_stream", after=1)
    received, error = partial(api, timeout=2)
    assert content(received) == "Simulated answer to: "
    assert isinstance(error, httpx2.RemoteProtocolError)


def test_a_connection_can_break_before_any_byte(simulator: Simulator, api: Api):
    simulator.fail("cut_before_headers")
    received, error = partial(api, timeout=2)
    assert received == ""
    assert isinstance(error, httpx2.RemoteProtocolError)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("stall_before_headers", ""),
        ("stall_after_headers", ""),
        ("stall_mid_stream", "Simulated answer to: hi"),
    ],
)
def test_a_stall_leaves_the_client_waiting(simulator: Simulator, api: Api, name: str, text: str):
    simulator.fail(name)
    received, error = partial(api, timeout=0.5)
    assert content(received) == text
    assert isinstance(error, httpx2.ReadTimeout)


@pytest.mark.parametrize("name", ["stall_after_headers", "stall_mid_stream"])
def test_a_stall_may_send_comments_for_ever(simulator: Simulator, api: Api, name: str):
    simulator.fail(name, keep_alive=0.01)
    body = {"model": "z-ai/glm-5.2", "messages": [{"role": "user", "content": "hi"}]}
    with api.http.stream("POST", "/chat/completions", json=body | {"stream": True}) as reply:
        comments = 0
        for line in reply.iter_lines():
            comments += line.startswith(":")
            if comments == 6:
                break
    assert comments == 6


def test_a_stream_may_end_without_saying_so(simulator: Simulator, api: Api):
    simulator.fail("end_without_done", after=1)
    reply = api.chat(stream=True)
    assert content(reply.text) == "Simulated answer to: "
    assert "usage" not in reply.text
    assert "[DONE]" not in reply.text


def test_one_event_may_hold_broken_json(simulator: Simulator, api: Api):
    simulator.fail("malformed_event", after=1)
    lines = [line for line in api.chat(stream=True).text.splitlines() if line.startswith("data: {")]
    broken = [line for line in lines if not line.endswith("}")]
    assert len(broken) == 1
    assert len(lines) > 4


def test_a_raw_answer_goes_out_as_it_is(simulator: Simulator, api: Api):
    error = {"error": {"code": 502, "message": "gone"}}
    simulator.answer_raw("data:\n\n", b"\xff\n\n", error, status=206)
    reply = api.chat(stream=True)
    assert reply.status_code == 206
    assert reply.headers["content-type"].startswith("text/event-stream")
    event = b'data: {"error": {"code": 502, "message": "gone"}}\n\n'
    assert reply.content == b"data:\n\n\xff\n\n" + event
    assert content(api.chat(stream=True).text).startswith("Simulated answer")


def test_a_raw_answer_can_be_for_another_path_and_of_another_type(simulator: Simulator, api: Api):
    simulator.answer_raw("\ufeff{}", path="/models", media_type="application/json", times=2)
    assert api.chat().status_code == 200
    for _ in range(2):
        reply = api.get("/models")
        assert (reply.content, reply.headers["content-type"]) == (
            *(b"\xef\xbb\xbf{}", "application/json"),
        )


def test_whitespace_may_come_before_json(simulator: Simulator, api: Api):
    simulator.fail("leading_whitespace")
    reply = api.chat()
    assert reply.text.startswith(" \n \n")
    assert json.loads(reply.text)["object"] == "chat.completion"


def test_tokens_may_come_slowly(simulator: Simulator, api: Api, monkeypatch):
    waits, sleep = [], asyncio.sleep

    async def at_once(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", at_once)
    simulator.fail("slow_tokens", delay=20)
    assert api.chat(stream=True).text.endswith("data: [DONE]\n\n")
    assert waits.count(20) > 5


def test_any_endpoint_can_fail_and_be_cut(simulator: Simulator, api: Api):
    simulator.fail("html_502", path="/models*")
    simulator.fail("provider_overloaded", path="/key")
    simulator.fail("cut_stream", path="/providers", after=1)
    assert api.chat().status_code == 200
    assert api.get("/models/count").status_code == 502
    assert api.get("/key").status_code == 529
    with pytest.raises(httpx2.RemoteProtocolError):
        api.get("/providers")


def test_a_fault_can_be_meant_for_one_model(simulator: Simulator, api: Api):
    simulator.fail("html_502", model="openai/gpt-5.4", times=None)
    assert api.chat().status_code == 200
    assert api.chat(model="openai/gpt-5.4").status_code == 502
    assert api.chat(model="openai/gpt-5.4").status_code == 502


def test_unknown_faults_and_parameters_are_refused(api: Api, simulator: Simulator):
    with pytest.raises(ValueError, match="no fault 'rate_limit'"):
        simulator.fail("rate_limit")
    with pytest.raises(TypeError, match="retry_afte"):
        simulator.fail("rate_limited", retry_afte=3)
    assert api.order("rate_limit").status_code == 400
    assert simulator.faults == []
