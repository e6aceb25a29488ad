import asyncio
import subprocess
import sys
import warnings

import httpx2
import pytest
from openai import AsyncOpenAI

from openrouter_mcp.simulator.server import SimulatorServer, serve
from openrouter_mcp.simulator.state import INFERENCE_KEY, Script, Simulator
from tests.simulator.conftest import Api

BODY = {"model": "z-ai/glm-5.2", "messages": [{"role": "user", "content": "hi"}]}


def test_the_log_holds_the_request_as_it_arrived(api: Api, simulator: Simulator):
    api.get("/models", q="opus")
    api.chat(headers={"X-OpenRouter-Title": "test"})
    listed, chat = simulator.requests
    assert (listed.method, listed.path, listed.query) == ("GET", "/models", {"q": "opus"})
    assert listed.body is None
    assert chat.headers["x-openrouter-title"] == "test"
    assert chat.body["model"] == "anthropic/claude-sonnet-5"
    assert chat.raw.startswith(b'{"model"')
    assert chat.ended.wait(10)
    assert not chat.disconnected
    assert chat.closed_at is not None
    assert chat.closed_at >= chat.received_at


@pytest.mark.parametrize("streamed", [True, False])
def test_a_client_that_leaves_is_noticed_at_once(api: Api, simulator: Simulator, streamed: bool):
    simulator.answer(Script(latency=30))
    with pytest.raises(httpx2.ReadTimeout):
        api.chat(stream=streamed, timeout=0.05)
    (recorded,) = simulator.requests
    assert recorded.ended.wait(10)
    assert recorded.disconnected
    assert simulator.in_flight == 0


async def test_the_openai_client_gets_a_stream(server: SimulatorServer):
    async with AsyncOpenAI(api_key=INFERENCE_KEY, base_url=server.url, max_retries=0) as client:
        stream = await client.chat.completions.create(**BODY, stream=True)
        text = ""
        async for chunk in stream:
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
    assert text == "Simulated answer to: hi"


async def test_sixty_four_chats_think_at_the_same_time(
    server: SimulatorServer, simulator: Simulator
):
    simulator.latency = 600
    headers = {"Authorization": f"Bearer {INFERENCE_KEY}"}
    limits = httpx2.Limits(max_connections=64)
    async with httpx2.AsyncClient(base_url=server.url, headers=headers, limits=limits) as http:
        chats = [
            asyncio.ensure_future(http.post("/chat/completions", json=BODY, timeout=60))
            for _ in range(64)
        ]
        while len(simulator.generations) < 64:
            await asyncio.sleep(0)
        assert simulator.in_flight == 64
        for chat in chats:
            chat.cancel()
        await asyncio.gather(*chats, return_exceptions=True)


async def test_it_stops_with_an_idle_and_a_stalled_connection_open():
    with warnings.catch_warnings(action="error"), serve() as server:
        simulator = server.simulator
        simulator.fail("stall_before_headers", path="/providers")
        async with (
            httpx2.AsyncClient(base_url=server.url) as idle,
            httpx2.AsyncClient(base_url=server.url, timeout=60) as other,
        ):
            await idle.get("/models/count")
            stalled = asyncio.ensure_future(other.get("/providers"))
            while len(simulator.requests) < 2:
                await asyncio.sleep(0)
            await asyncio.to_thread(server.stop)
            with pytest.raises(httpx2.TransportError):
                await stalled
            with pytest.raises(httpx2.TransportError):
                await idle.get("/models/count")
    assert [request.disconnected for request in simulator.requests] == [False, True]


def test_it_stops_before_it_has_begun():
    for _ in range(20):
        server = SimulatorServer(Simulator())
        server.start()
        server.stop()
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{server.url}/models/count")


def test_it_stops_with_a_stalled_connection_open():
    with warnings.catch_warnings(action="error"), serve() as server:
        server.simulator.fail("stall_mid_stream")
        headers = {"Authorization": f"Bearer {INFERENCE_KEY}"}
        body = BODY | {"stream": True}
        with httpx2.stream(
            "POST", f"{server.url}/chat/completions", json=body, headers=headers
        ) as reply:
            pieces = reply.iter_raw()
            assert next(pieces).startswith(b": OPENROUTER PROCESSING")
            server.stop()
    assert server.simulator.requests[0].disconnected


def test_another_process_steers_it_over_http(server: SimulatorServer, api: Api):
    steer = httpx2.Client(base_url=f"{server.origin}/simulator")
    with steer:
        script = {"text": "scripted", "when_prompt": "sky", "times": 2}
        assert steer.post("/answer", json=script).json() == {"ok": True}
        assert api.chat().json()["choices"][0]["message"]["content"] == "scripted"
        assert steer.post("/answer", json={"txt": "typo"}).status_code == 400
        (logged,) = steer.get("/requests").json()["data"]
        assert logged["headers"]["authorization"] == f"...{INFERENCE_KEY[-4:]}"
        assert logged["body"]["messages"][0]["content"] == "Why is the sky blue?"
        assert steer.post("/reset").json() == {"ok": True}
        assert steer.get("/requests").json() == {"data": []}


def test_the_command_prints_its_address_first():
    command = [sys.executable, "-m", "openrouter_mcp.simulator"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url.endswith("/api/v1")
            assert httpx2.get(f"{url}/models/count").status_code == 200
        finally:
            process.terminate()
