"""Where the key comes from."""

import asyncio

import pytest
from keyring import core

from openrouter_mcp import settings
from openrouter_mcp.api import key as api_key
from openrouter_mcp.api import keychain
from openrouter_mcp.api.client import OpenRouter
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.simulator.answers import Script
from openrouter_mcp.simulator.state import INFERENCE_KEY
from tests.support.keyring import Memory
from tests.support.results import call, text


def client_of(keyring: Memory, key: str = "") -> OpenRouter:
    configuration = settings.load()
    if key:
        keychain.write(configuration.base_url, key)
    return OpenRouter(configuration)


async def test_a_variable_wins_and_the_keyring_is_not_asked(keyring, configure) -> None:
    configure(OPENROUTER_API_KEY="sk-or-v1-of-a-variable")
    client = client_of(keyring, INFERENCE_KEY)
    assert await client.key.require() == "sk-or-v1-of-a-variable"
    assert client.key.source == "OPENROUTER_API_KEY"
    assert keyring.asked == 0


async def test_a_server_without_variable_chats_with_the_keyrings_key(keyring, connect, simulator):
    keychain.write(settings.load().base_url, INFERENCE_KEY)
    async with connect() as client:
        assert keyring.asked == 0  # the handshake does not wait for it
        answer = await client.call_tool("chat", {"prompt": "Hello"})
        account = await client.call_tool("get_account", {})
    assert "gen-" in text(answer)
    assert account.structured_content["key"]["from"] == "keyring"
    assert keyring.asked == 1


async def test_the_keyrings_key_is_hidden_as_a_variables_is(keyring, connect, simulator) -> None:
    key = "sk-or-v1-0e6f44a47a05f1dad2ad7e88c4c1d6b7"
    simulator.keys[key] = "inference"
    keychain.write(settings.load().base_url, key)
    async with connect() as client:
        await client.call_tool("chat", {"prompt": "Hello"})
        simulator.answer(Script(text=f"Your key is {key}."))
        answer = await client.call_tool("chat", {"prompt": "Which key is it?"})
        refused = await call(client, "chat", prompt=f"Say {key}")
    assert key not in text(answer)
    assert refused.is_error


async def test_a_key_goes_only_to_the_address_that_it_was_made_for(keyring, configure) -> None:
    keychain.write("https://openrouter.ai/api/v1", "sk-or-v1-of-openrouter")
    with pytest.raises(OpenRouterError) as refusal:
        await client_of(keyring).key.require()
    assert refusal.value.code is Code.AUTH
    assert "openrouter-mcp login" in refusal.value.message


async def test_who_logs_in_later_need_not_restart_the_server(keyring) -> None:
    client = client_of(keyring)
    assert await client.key.find() == ""
    keychain.write(settings.load().base_url, INFERENCE_KEY)
    assert await client.key.require() == INFERENCE_KEY


async def test_a_locked_keyring_holds_nobody_up_for_long(keyring, monkeypatch) -> None:
    monkeypatch.setattr(api_key, "PATIENCE", 0.01)
    client = client_of(keyring, INFERENCE_KEY)
    keyring.unlocked.clear()
    assert await asyncio.gather(client.key.find(), client.key.find()) == ["", ""]
    with pytest.raises(OpenRouterError, match="did not answer within"):
        await client.key.require()
    assert keyring.asked == 1
    monkeypatch.setattr(api_key, "PATIENCE", 30)
    keyring.unlocked.set()
    assert await client.key.require() == INFERENCE_KEY


def broken(limit: object = None) -> None:
    raise ImportError("no such backend")


async def test_a_broken_keyring_is_as_none(keyring, monkeypatch) -> None:
    monkeypatch.setattr(core, "init_backend", broken)
    with pytest.raises(keychain.KeychainError, match="it failed"):
        keychain.name()
    with pytest.raises(OpenRouterError, match="No OpenRouter key is set"):
        await client_of(keyring).key.require()


def test_a_keyring_that_keeps_nothing_is_none() -> None:
    with pytest.raises(keychain.KeychainError, match="none that programs can use"):
        keychain.name()


def test_a_key_is_forgotten_once(keyring) -> None:
    keychain.write("https://a.example", "sk-or-v1-x")
    assert keychain.delete("https://a.example")
    assert not keychain.delete("https://a.example")
    assert keychain.read("https://a.example") == ""
