from decimal import Decimal

import httpx2
import pytest

from openrouter_mcp.simulator.server import SimulatorServer
from openrouter_mcp.simulator.state import INFERENCE_KEY, MANAGEMENT_KEY, Simulator
from tests.simulator.conftest import Api
from tests.support import oracle

CHAT = {"model": "acme-labs/anvil-2", "messages": [{"role": "user", "content": "hi"}]}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(("key", "management"), [(INFERENCE_KEY, False), (MANAGEMENT_KEY, True)])
def test_a_key_says_which_kind_it_is(server: SimulatorServer, key: str, management: bool):
    reply = httpx2.get(f"{server.url}/key", headers=bearer(key)).json()
    assert oracle.check_response("/key", reply) == []
    assert reply["data"]["is_management_key"] is management
    assert key not in reply["data"]["label"]


def test_a_chat_is_charged(api: Api, simulator: Simulator):
    simulator.key_limit = Decimal(1)
    cost = api.chat().json()["usage"]["cost"]
    data = api.get("/key").json()["data"]
    assert data["usage"] == pytest.approx(cost)
    assert data["limit_remaining"] == pytest.approx(1 - cost)
    url = str(api.http.base_url)
    credit = httpx2.get(f"{url}credits", headers=bearer(MANAGEMENT_KEY)).json()
    assert oracle.check_response("/credits", credit) == []
    assert credit["data"] == {"total_credits": 100, "total_usage": pytest.approx(cost)}


def test_free_requests_are_counted(api: Api):
    api.chat(model="northwind/breeze-mini:free")
    assert api.get("/key").json()["data"]["free_model_daily_requests"]["used"] == 1


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "message"),
    [
        ("GET", "/key", {}, 401, "Missing Authentication header"),
        ("GET", "/key", bearer("sk-or-v1-other"), 401, "User not found."),
        ("GET", "/key", {"Authorization": "Basic abc"}, 401, "Missing Authentication header"),
        (
            *("GET", "/credits", bearer(INFERENCE_KEY), 403),
            "Only management keys can perform this operation",
        ),
        (
            *("POST", "/chat/completions", bearer(MANAGEMENT_KEY), 403),
            "Management keys cannot be used for inference",
        ),
        ("GET", "/nowhere", bearer(INFERENCE_KEY), 404, "Not Found"),
    ],
)
def test_refusals_say_why(
    server: SimulatorServer,
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
    message: str,
):
    body = CHAT if method == "POST" else None
    reply = httpx2.request(method, server.url + path, headers=headers, json=body)
    assert (reply.status_code, reply.json()["error"]["message"]) == (status, message)
    assert oracle.check_error(status, reply.json()) == []


def test_an_empty_account_can_only_chat_for_free_and_an_indebted_one_not_at_all(
    api: Api, simulator: Simulator
):
    simulator.balance = Decimal(0)
    assert api.chat().status_code == 402
    assert api.chat(model="northwind/breeze-mini:free").status_code == 200
    simulator.balance = Decimal("-0.01")
    assert api.chat(model="northwind/breeze-mini:free").status_code == 402
