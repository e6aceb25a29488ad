"""`docs/clients.md` and `install` agree on the file of each client and the entry in it."""

import re
from pathlib import Path, PurePosixPath

import pytest

from openrouter_mcp.setup.clients import CLIENTS
from openrouter_mcp.setup.configuration import find_entry, parse

PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
SHOWN = [client for client in CLIENTS if client.id != "vscode-insiders"]


@pytest.mark.parametrize("client", SHOWN, ids=lambda client: client.id)
def test_the_page_shows_an_entry_that_install_takes_for_its_own(client) -> None:
    section = SECTIONS[client.title]
    block = re.findall(r"```(?:json|toml)\n(.*?)```", section, re.DOTALL)[0]
    document = parse(client, block)
    entry = find_entry(client, document)
    assert entry is not None
    assert entry.command == "/full/path/to/openrouter-mcp"
    if client.id != "claude-code":  # whose .mcp.json shows that the type may be left out
        assert client.shape.fixed.items() <= document[client.servers][entry.name].items()


@pytest.mark.parametrize("client", SHOWN, ids=lambda client: client.id)
def test_the_page_names_the_file(client) -> None:
    names = {PurePosixPath(place.file).name for place in client.files} | {".mcp.json"}
    assert any(f"{name}`" in SECTIONS[client.title] for name in names)
