import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from openrouter_mcp.simulator.server import SimulatorServer, serve
from openrouter_mcp.simulator.state import INFERENCE_KEY, Simulator


@pytest.fixture(scope="package")
def running() -> Iterator[SimulatorServer]:
    with serve(Simulator()) as server:
        yield server


@pytest.fixture
def server(running: SimulatorServer) -> SimulatorServer:
    running.simulator.reset()
    return running


@pytest.fixture
def simulator(server: SimulatorServer) -> Simulator:
    return server.simulator


@dataclass
class Api:
    """An HTTP client with a key, and the one request that most tests make."""

    http: httpx2.Client
    origin: str

    def order(self, name: str, **parameters: Any) -> httpx2.Response:
        """Queue a fault the way another process does."""
        return self.http.post(f"{self.origin}/simulator/fail", json={"name": name} | parameters)

    def get(self, path: str, **query: Any) -> httpx2.Response:
        return self.http.get(path, params=query)

    def chat(
        self,
        text: str = "Why is the sky blue?",
        *,
        headers: dict[str, str] | None = None,
        timeout: float = 5,
        **fields: Any,
    ) -> httpx2.Response:
        body = {
            "model": "anthropic/claude-sonnet-5",
            "messages": [{"role": "user", "content": text}],
        } | fields
        return self.http.post("/chat/completions", json=body, headers=headers, timeout=timeout)

    def stream(self, text: str = "Why is the sky blue?", **fields: Any) -> list[dict[str, Any]]:
        return chunks(self.chat(text, stream=True, **fields).text)


def chunks(stream: str) -> list[dict[str, Any]]:
    """The JSON events of a stream."""
    lines = [line.removeprefix("data: ") for line in stream.splitlines() if line.startswith("data")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


@pytest.fixture(scope="package")
def http(running: SimulatorServer) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {INFERENCE_KEY}"}
    with httpx2.Client(base_url=running.url, headers=headers) as client:
        yield client


@pytest.fixture
def api(server: SimulatorServer, http: httpx2.Client) -> Api:
    return Api(http, server.origin)
