"""The README: its links, what they install, and that it stays short."""

import base64
import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from openrouter_mcp.settings import Settings, variable
from scripts import PROJECT, REPOSITORY, ROOT, bundle, readme

TEXT = readme.PAGE.read_text("utf-8")
BODY = TEXT.partition(readme.BEGIN)[0]
PLACEHOLDER = "sk-or-v1-..."


def test_the_addresses_are_what_the_project_says() -> None:
    assert BODY + readme.links() == TEXT


def test_every_link_has_an_address_and_every_address_a_link() -> None:
    used = set(re.findall(r"\]\[([\w-]+)\]", BODY.replace("\n", " ")))
    assert used == set(re.findall(r"^\[([\w-]+)\]: ", TEXT, re.MULTILINE))


def test_every_link_works_on_a_package_index() -> None:
    addresses = re.findall(r"\]\((.+?)\)|^\[[\w-]+\]: (\S+)", TEXT, re.MULTILINE)
    for address in (inline or defined for inline, defined in addresses):
        assert address.startswith("https://"), address
        path = re.match(re.escape(REPOSITORY) + r"/blob/main/(.+)", address)
        assert not path or (ROOT / path[1]).is_file(), address
    assert (ROOT / readme.PAGES["picture"]).is_file()


@pytest.mark.parametrize("page", sorted([*(ROOT / "docs").glob("*.md"), *ROOT.glob("[!R]*.md")]))
def test_the_links_between_pages_lead_somewhere(page) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" not in target and not target.startswith("#"):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_it_is_a_screen_and_a_half() -> None:
    assert len(TEXT.splitlines()) <= 150


def test_it_explains_the_variables_that_matter_as_the_settings_do() -> None:
    rows = re.findall(r"^\| `(OPENROUTER_\w+)` \| (.+?) \|$", BODY, re.MULTILINE)
    assert dict(rows) == {
        variable(name): Settings.model_fields[name].description
        for name in bundle.ASKED
        if name != "api_key"
    }
    assert len(rows) == 10


def test_the_link_for_cursor_starts_the_command_with_a_placeholder() -> None:
    query = parse_qs(urlsplit(readme.cursor()).query)
    assert query["name"] == ["openrouter"]
    entry = json.loads(base64.b64decode(query["config"][0], validate=True))
    assert entry["command"] in PROJECT["scripts"]
    assert entry["env"] == {"OPENROUTER_API_KEY": PLACEHOLDER}


def test_the_link_for_vs_code_asks_for_the_key() -> None:
    query = parse_qs(urlsplit(readme.vs_code()).query)
    assert query["name"] == ["openrouter"]
    (asked,) = json.loads(query["inputs"][0])
    assert (asked["type"], asked["password"]) == ("promptString", True)
    entry = json.loads(query["config"][0])
    assert entry["command"] in PROJECT["scripts"]
    assert entry["env"] == {"OPENROUTER_API_KEY": f"${{input:{asked['id']}}}"}
