"""What must stay true of the whole: the tool list, the README, the architecture."""

import ast
import json
import re
import tomllib
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from fastmcp import Client

import openrouter_mcp
from openrouter_mcp import settings
from openrouter_mcp.errors import Code
from openrouter_mcp.server import INSTRUCTIONS, TOOLS, build
from openrouter_mcp.settings import Settings

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "openrouter_mcp"
SOURCES = sorted(PACKAGE.rglob("*.py"))
README = (ROOT / "README.md").read_text("utf-8")
TOKEN_BUDGET = 4500
DATED_SLUG = re.compile(r"[a-z0-9.-]+/[a-z][a-z0-9.:-]*-(?:20\d\d-?\d\d(?:-?\d\d)?|\d{4})\b")

# Who alone may import what stands above the app.
IMPORTERS = {
    "cli": {"__main__"},
    "demo": {"cli"},
    "server": {"cli"},
    "tools": {"server"},
    "simulator": {"demo"},
}
ABOVE_THE_APP = ["cli", "server", "tools", "app"]


def imports(source: Path) -> set[str]:
    """The first-level modules of the package that a file imports; names for types do not count."""
    tree = ast.parse(source.read_text("utf-8"))
    for_types = {
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for part in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node in for_types:
            continue
        if node.module == "openrouter_mcp":
            found |= {name.name for name in node.names if name.name != "__version__"}
        elif (node.module or "").startswith("openrouter_mcp."):
            found.add(node.module.split(".")[1])
    return found


async def tool_list() -> list[dict]:
    async with Client(build(settings.load())) as client:
        tools = await client.list_tools()
    return [tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in tools]


@pytest.fixture(autouse=True)
def _own_configuration(configure) -> None:
    """No variable of the person who runs the tests counts."""


async def test_the_tool_list_stays_within_its_token_budget() -> None:
    seen = [
        {name: tool[name] for name in ("name", "description", "inputSchema")}
        for tool in await tool_list()
    ]
    size = sum(len(json.dumps(tool, separators=(",", ":")).encode()) for tool in seen)
    assert size / 4 < TOKEN_BUDGET


async def test_no_schema_holds_a_union_or_null() -> None:
    listed = json.dumps([tool["inputSchema"] for tool in await tool_list()])
    for keyword in ("anyOf", "oneOf", "allOf", "null", "$ref"):
        assert f'"{keyword}"' not in listed


async def test_every_tool_says_what_it_is() -> None:
    hints = {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}
    for tool in await tool_list():
        assert tool["title"]
        assert hints <= tool["annotations"].keys()
        assert tool["_meta"]["fastmcp"]["tags"]


def test_the_instructions_are_five_lines_that_name_tools_of_every_kind() -> None:
    named = set(re.findall(r"\b(?:chat|[a-z]+_[a-z]+)\b", INSTRUCTIONS)) - {"thread_id", "job_id"}
    offered = {tool.__name__: next(iter(tool.__fastmcp__.tags)) for tool in TOOLS}
    assert named <= offered.keys()
    assert {offered[name] for name in named} == {"chat", "models", "multimodal", "account"}
    assert len(INSTRUCTIONS.splitlines()) == 5


def test_the_readme_lists_each_tool_with_its_description() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (yes|no) \|$", README, re.MULTILINE)
    free = {"get_job", "send_feedback"}
    expected = [
        (tool.__name__, tool.__fastmcp__.description.splitlines()[0], "yes" if paid else "no")
        for tool in TOOLS
        for paid in [not tool.__fastmcp__.annotations.read_only_hint and tool.__name__ not in free]
    ]
    assert rows == expected


def test_the_readme_explains_each_variable_as_the_settings_do() -> None:
    rows = re.findall(r"^\| `(OPENROUTER_\w+)` \| .+? \| (.+?) \|$", README, re.MULTILINE)
    fields = Settings.model_fields.items()
    expected = [(settings.variable(name), field.description) for name, field in fields]
    assert rows == expected


def test_the_readme_lists_each_error_code() -> None:
    paragraph = README[README.index("Codes: ") :].split("\n\n")[0]
    assert re.findall(r"`([A-Z_]+)`", paragraph) == [code.value for code in Code]


@cache
def graph() -> dict[str, set[str]]:
    """The first-level modules of the package and what each of them imports."""
    found: dict[str, set[str]] = {}
    for source in SOURCES:
        module = source.relative_to(PACKAGE).with_suffix("").parts[0]
        if module not in {"simulator", "__init__"}:
            found.setdefault(module, set()).update(imports(source) - {module})
    return found


def test_imports_go_one_way() -> None:
    TopologicalSorter(graph()).prepare()


def test_nothing_imports_what_stands_above_it() -> None:
    for module, imported in graph().items():
        for name in imported & IMPORTERS.keys():
            assert module in IMPORTERS[name], f"{module} imports {name}"


def reachable(start: str) -> set[str]:
    known, modules = graph(), {start}
    while more := {name for module in modules for name in known.get(module, ())} - modules:
        modules |= more
    return modules


def test_the_parts_below_the_app_do_not_know_it() -> None:
    below = reachable("app") - {"app"}
    for module in below:
        assert not graph()[module] & set(ABOVE_THE_APP), module


def test_the_simulator_shares_no_code_with_what_it_tests() -> None:
    for source in (PACKAGE / "simulator").glob("*.py"):
        assert imports(source) <= {"simulator"}, source


def test_only_settings_and_the_command_line_know_the_environment() -> None:
    for source in SOURCES:
        if re.search(r"os\.(environ|getenv)", source.read_text("utf-8")):
            assert source.stem in {"cli", "demo", "settings"}, source


def test_no_dated_model_slug_stands_in_the_source() -> None:
    for source in [*SOURCES, ROOT / "README.md"]:
        assert DATED_SLUG.findall(source.read_text("utf-8")) == [], source


def test_the_version_is_told_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == openrouter_mcp.__version__
