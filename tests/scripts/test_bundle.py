"""The bundle for Claude Desktop, and the `server.json` of the registry."""

import json
import re
import sys
from zipfile import ZipFile

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from openrouter_mcp.server import TOOLS
from openrouter_mcp.settings import Settings, load, variable
from scripts import PROJECT, bundle, registry


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return bundle.build(tmp_path_factory.mktemp("dist"))


def test_the_registry_is_told_every_variable_as_the_settings_have_it() -> None:
    document = json.loads(registry.PAGE.read_text("utf-8"))
    assert document == registry.server()
    for package in document["packages"]:
        told = {each["name"]: each for each in package["environmentVariables"]}
        fields = {
            variable(name): field
            for name, field in Settings.model_fields.items()
            if name not in registry.INTERNAL
        }
        assert {name: each["description"] for name, each in told.items()} == {
            name: field.description for name, field in fields.items()
        }
        assert {name for name, each in told.items() if each.get("isSecret")} == {
            "OPENROUTER_API_KEY",
            "OPENROUTER_MANAGEMENT_KEY",
        }


def test_the_defaults_that_the_registry_is_told_are_those_in_force(monkeypatch) -> None:
    package = registry.server()["packages"][0]
    told = {each["name"]: each.get("default", "") for each in package["environmentVariables"]}
    for name in told:
        monkeypatch.delenv(name, raising=False)
    unset = load()
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert load() == unset


def test_the_document_keeps_the_rules_of_the_registry() -> None:
    document = registry.server("0" * 64)
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", document["name"])
    assert 1 <= len(document["description"]) <= 100
    assert document["version"] == PROJECT["version"]
    assert "0" * 64 in [package.get("fileSha256") for package in document["packages"]]


def test_the_registry_is_not_sent_to_the_project_of_a_stranger(monkeypatch) -> None:
    monkeypatch.setitem(PROJECT, "name", registry.TAKEN)
    assert [package["registryType"] for package in registry.server()["packages"]] == ["mcpb"]
    monkeypatch.setitem(PROJECT, "name", "acme-router")
    package, _ = registry.server()["packages"]
    assert (package["registryType"], package["identifier"]) == ("pypi", "acme-router")


def test_a_bundle_is_the_same_whenever_it_is_built(built, tmp_path) -> None:
    again = bundle.build(tmp_path)
    assert again.read_bytes() == built.read_bytes()
    assert (tmp_path / "server.json").read_text() == (built.parent / "server.json").read_text()


def test_the_client_asks_for_the_key_and_passes_no_placeholder_on() -> None:
    manifest = bundle.manifest()
    config = manifest["user_config"]
    assert set(config) == set(bundle.ASKED)
    assert config["api_key"] == {
        "type": "string",
        "title": "Api key",
        "description": Settings.model_fields["api_key"].description,
        "required": True,
        "sensitive": True,
    }
    assert [name for name, each in config.items() if "default" not in each] == ["api_key"]
    assert manifest["server"]["mcp_config"]["env"] == {
        variable(name): f"${{user_config.{name}}}" for name in config
    }


async def test_the_unpacked_bundle_starts_with_what_the_client_was_told(built, tmp_path) -> None:
    folder = tmp_path / "unpacked"
    with ZipFile(built) as archive:
        archive.extractall(folder)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert (folder / manifest["server"]["entry_point"]).is_file()
    given = {"api_key": "sk-or-v1-test"} | {
        name: str(each["default"]).removesuffix(".0").replace("${HOME}", str(tmp_path))
        for name, each in manifest["user_config"].items()
        if "default" in each
    }
    environment = {variable(name): value for name, value in given.items()} | {
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENROUTER_STATE_DIR": str(tmp_path / "state"),
        "OPENROUTER_BASE_URL": "http://127.0.0.1:9/api/v1",
    }
    code = (
        "import openrouter_mcp.cli as cli; print(cli.__file__, file=open('where', 'w')); cli.main()"
    )
    transport = StdioTransport(
        sys.executable, ["-c", code], env=environment, cwd=str(tmp_path), keep_alive=False
    )
    async with Client(transport) as client:
        names = [tool.name for tool in await client.list_tools()]
        account = await client.call_tool("get_account", {}, raise_on_error=False)
    assert names == [tool.__name__ for tool in TOOLS] == [t["name"] for t in manifest["tools"]]
    assert "misconfigured" not in str(account.content)
    assert (tmp_path / "where").read_text().startswith(str(folder))
