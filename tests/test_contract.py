"""What must stay true of the whole: the tool list, the README, the architecture."""

import ast
import json
import re
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from fastmcp import Client

import openrouter_mcp
from openrouter_mcp import settings
from openrouter_mcp.errors import Code
from openrouter_mcp.programs import distribution_name
from openrouter_mcp.server import INSTRUCTIONS, TOOLS, build
from openrouter_mcp.settings import Settings
from scripts import variables

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "openrouter_mcp"
SOURCES = sorted(PACKAGE.rglob("*.py"))
README = (ROOT / "README.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
TAKEN = "openrouter-mcp"
"""On the package index, this is the project of a stranger."""
TOKEN_BUDGET = 4500
MOST_MODULES = 17
MOST_LINES = 600
DATED_SLUG = re.compile(r"[a-z0-9.-]+/[a-z][a-z0-9.:-]*-(?:20\d\d-?\d\d(?:-?\d\d)?|\d{4})\b")

# Imports go down this list only; `simulator` stands beside it and imports nothing of the rest.
LAYERS = [
    ("__main__",),
    ("cli",),
    ("setup",),
    ("server", "stdio"),
    ("handshake", "middleware", "warm_up"),
    ("tools",),
    ("agent",),
    ("multimodal",),
    ("chat",),
    ("account", "docs"),
    ("app",),
    ("jobs",),
    ("threads",),
    ("spending",),
    ("completions",),
    ("models",),
    ("workspace",),
    ("files", "mcp_client"),
    ("api",),
    ("state",),
    ("results",),
    ("settings",),
    ("errors", "progress"),
    ("text", "money", "timing", "programs", "credentials", "protocol"),
]
LEVEL = {package: level for level, packages in enumerate(LAYERS) for package in packages}


DISTRIBUTIONS = {
    "PIL": "pillow",
    "dotenv": "python-dotenv",
    "xdist": "pytest-xdist",
    "yaml": "pyyaml",
}
"""Distributions that are not named like the package that they hold."""


def module_of(source: Path) -> str:
    """The dotted name of a source below the package."""
    parts = source.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "__init__"


MODULES = {module_of(source): source for source in SOURCES}


@cache
def graph() -> dict[str, set[str]]:
    """What each module imports of the package: at its top, in functions and for types alike."""
    return {module: imports(source) for module, source in MODULES.items()}


@cache
def imported(source: Path) -> set[str]:
    """What a file imports, wherever in it: the names with their dots."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def imports(source: Path) -> set[str]:
    """The modules of the package that a file imports."""
    found = set()
    for name in imported(source):
        if name == "openrouter_mcp" or name.startswith("openrouter_mcp."):
            path = name.removeprefix("openrouter_mcp").removeprefix(".")
            known = path if path in MODULES else path.rpartition(".")[0]
            found.add(known or "__init__")
    return found


def distributions(sources: Iterable[Path]) -> set[str]:
    """Whose packages these files import."""
    found = {name.partition(".")[0] for source in sources for name in imported(source)}
    foreign = found - sys.stdlib_module_names - {"openrouter_mcp", "scripts", "tests"}
    return {DISTRIBUTIONS.get(name, name.replace("_", "-")) for name in foreign}


def package_of(module: str) -> str:
    """The first-level module or package that a module is in."""
    return module.partition(".")[0]


async def tool_list(mode: str = "auto") -> list[dict]:
    async with Client(build(settings.load()), mode=mode) as client:
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


async def test_the_tool_list_is_the_same_in_both_eras() -> None:
    assert await tool_list("legacy") == await tool_list("auto")


async def test_no_schema_holds_a_union_or_null() -> None:
    listed = json.dumps([tool["inputSchema"] for tool in await tool_list()])
    for keyword in ("anyOf", "oneOf", "allOf", "null", "$ref"):
        assert f'"{keyword}"' not in listed


async def test_no_choice_has_an_empty_value_or_a_default_that_is_none_of_its_values() -> None:
    for tool in await tool_list():
        assert not re.search(r'"enum": \[[^]]*""', json.dumps(tool["inputSchema"])), tool["name"]
        for field in tool["inputSchema"]["properties"].values():
            assert "enum" not in field or field.get("default", field["enum"][0]) in field["enum"]


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


def test_the_page_of_variables_is_what_the_settings_say() -> None:
    assert variables.PAGE.read_text("utf-8") == variables.page()
    rows = re.findall(r"^\| `(OPENROUTER_\w+)` \| .+? \| (.+?) \|$", variables.page(), re.MULTILINE)
    fields = Settings.model_fields.items()
    assert rows == [(settings.variable(name), field.description) for name, field in fields]


def test_every_setting_is_in_a_group() -> None:
    assert next(iter(settings.GROUPS)) == next(iter(Settings.model_fields))
    headings = re.findall("^## (.+)$", variables.page(), re.MULTILINE)
    assert headings == list(settings.GROUPS.values())


def test_the_page_on_errors_lists_each_code() -> None:
    page = (ROOT / "docs" / "errors.md").read_text("utf-8")
    rows = re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)
    assert rows == [code.value for code in Code]


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/privacy.md", "docs/recipes.md"])
def test_the_pages_name_only_variables_that_there_are(page: str) -> None:
    named = set(re.findall(r"OPENROUTER_[A-Z_]+", (ROOT / page).read_text("utf-8")))
    assert named
    assert named <= {settings.variable(name) for name in Settings.model_fields}


async def test_the_page_on_privacy_names_all_that_is_stored(configure, tmp_path) -> None:
    page = (ROOT / "docs" / "privacy.md").read_text("utf-8")
    told = {
        name
        for row in re.findall(r"^\| (`.+?`) \|", page, re.MULTILINE)
        for name in row.split(", ")
    }
    configure(OPENROUTER_WAIT_SECONDS="0.001")
    async with Client(build(settings.load())) as client:
        await client.call_tool("chat", {"prompt": "Hi", "model": "opus", "thread_id": "new"})
        await client.call_tool("search_docs", {"query": "streaming"})
    stored = {path.name for path in (tmp_path / "state").iterdir()}
    assert {"state.db", "cache"} <= stored
    assert {f"`{name.removesuffix('-wal').removesuffix('-shm')}`" for name in stored} <= told


def test_no_module_imports_itself_by_a_detour() -> None:
    TopologicalSorter(graph()).prepare()


def test_every_package_has_its_place_among_the_layers() -> None:
    assert {package_of(module) for module in MODULES} - {"simulator", "__init__"} == LEVEL.keys()


def test_imports_go_down_only() -> None:
    upward = [
        f"{module} imports {imported}"
        for module in sorted(MODULES)
        if package_of(module) in LEVEL
        for imported in sorted(graph()[module])
        if package_of(imported) in LEVEL and package_of(imported) != package_of(module)
        if LEVEL[package_of(imported)] <= LEVEL[package_of(module)]
    ]
    assert upward == []


def test_the_map_for_contributors_has_the_same_layers() -> None:
    map_ = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", map_, re.MULTILINE)
    assert [tuple(re.findall(r"`(\w+)`", row)) for row in rows] == LAYERS


def test_the_simulator_shares_no_code_with_what_it_tests() -> None:
    for module, imported in graph().items():
        if package_of(module) == "simulator":
            assert {package_of(other) for other in imported} <= {"simulator", "__init__"}, module
        elif package_of(module) != "cli":
            assert "simulator" not in {package_of(other) for other in imported}, module


def test_no_folder_and_no_module_is_too_large_to_guess_in() -> None:
    for folder in {source.parent for source in SOURCES}:
        modules = [source for source in folder.glob("*.py") if source.name != "__init__.py"]
        assert len(modules) <= MOST_MODULES, folder
    for source in SOURCES:
        assert len(source.read_text("utf-8").splitlines()) <= MOST_LINES, source


def test_only_settings_and_the_command_line_know_the_environment() -> None:
    for source in SOURCES:
        if re.search(r"os\.(environ|getenv)", source.read_text("utf-8")):
            assert source.stem in {"cli", "demo", "settings"}, source


def test_only_results_makes_results() -> None:
    for module, source in MODULES.items():
        made = re.search(r"\bToolResult\(", source.read_text("utf-8"))
        assert not made or module == "results", source


def calls(source: Path, *names: str) -> list[ast.Call]:
    """The calls of functions or methods with these names, wherever in a file."""
    written = source.read_text("utf-8")
    if not any(name in written for name in names):
        return []
    called = [node for node in ast.walk(ast.parse(written)) if isinstance(node, ast.Call)]
    return [
        call
        for call in called
        if getattr(call.func, "attr", getattr(call.func, "id", None)) in names
    ]


def sent_and_paid(source: Path) -> list[str]:
    """The bodies of the requests that a file sends through the client and that cost money."""
    bodies = []
    for call in calls(source, "post", "stream", "open"):
        arguments = [ast.unparse(argument) for argument in call.args]
        keywords = {each.arg for each in call.keywords}
        free = keywords & {"management", "public"} or "'get'" in arguments
        if re.search(r"\bclient\.\w+$", ast.unparse(call.func)) and not free:
            bodies.append([*arguments, *(ast.unparse(each.value) for each in call.keywords)])
    return [next((each for each in body if ".body" in each), str(body)) for body in bodies]


def test_nothing_is_paid_but_through_the_one_paid_request() -> None:
    sending = {module: sent_and_paid(source) for module, source in MODULES.items()}
    # A chat is sent by `complete`, which gets it from `pay`.
    assert sending.pop("completions.answer") == ["request.body"]
    house = {name: each for name, each in MODULES.items() if package_of(name) != "simulator"}
    completing = [name for name, source in house.items() if calls(source, "complete")]
    assert completing == ["chat.exchange"]
    assert "bounded = replace(request, body=dict(paid.body))" in ast.unparse(
        ast.parse(MODULES["chat.exchange"].read_text("utf-8"))
    )
    sending = {module: bodies for module, bodies in sending.items() if bodies}
    assert sending.keys() >= {"multimodal.image", "multimodal.speech", "multimodal.video_job"}
    for module, bodies in sending.items():
        assert set(bodies) <= {"paid.body", "{**paid.body, 'stream': True}"}, module
        assert re.search(r"\bas paid:|paid: PaidRequest\b", MODULES[module].read_text("utf-8"))
    for only in ("PaidRequest", "reserve"):
        where = [module for module, source in MODULES.items() if calls(source, only)]
        assert where == ["spending.paid_request"], only


def test_nothing_installs_the_package_of_this_name_from_the_index() -> None:
    install = r"(?:uvx|pipx? (?:run|install)|uv (?:tool (?:install|run)|add|pip install))"
    named = re.compile(
        install + r"(?: -\S+)* [\"']?" + TAKEN + r"|\"uvx\",\s*\"args\": \[\"" + TAKEN,
        re.IGNORECASE,
    )
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").iterdir()]
    told = {
        source.name: named.findall(source.read_text("utf-8"))
        for source in [*SOURCES, *pages]
        if source.is_file()
    }
    assert {name: found for name, found in told.items() if found} == {
        "README.md": [f"uvx {TAKEN}"]  # what one cannot do yet
    }


def test_the_distribution_is_named_once() -> None:
    assert distribution_name() == PROJECT["name"]


def test_the_address_of_the_project_is_told_once() -> None:
    address = PROJECT["urls"]["Repository"]
    assert Settings.model_fields["http_referer"].default == address
    assert {url for url in PROJECT["urls"].values() if not url.startswith(address)} == set()
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), PACKAGE / "manifest.json"]
    for source in [*SOURCES, *pages]:
        told = re.findall(r"https://github\.com/[\w-]+/openrouter-mcp\b", source.read_text("utf-8"))
        assert set(told) <= {address}, source


def test_no_dated_model_slug_stands_in_the_source() -> None:
    for source in [*SOURCES, ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        assert DATED_SLUG.findall(source.read_text("utf-8")) == [], source


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    extras = PROJECT["optional-dependencies"]
    declared = {
        extra: dict(re.findall(r"^([a-z0-9-]+)>=(\S+)$", "\n".join(lines), re.MULTILINE))
        for extra, lines in {**extras, "": PROJECT["dependencies"]}.items()
    }
    assert len(declared[""]) == len(PROJECT["dependencies"])
    assert distributions(SOURCES) == (
        declared[""].keys() | declared["heic"].keys() | declared["documents"].keys()
    )
    folders = ("tests", "examples", "scripts")
    sources = [source for name in folders for source in (ROOT / name).rglob("*.py")]
    # The drivers run in environments of their clients.
    used = distributions(source for source in sources if source.parent.name != "drivers")
    assert used <= declared[""].keys() | declared["dev"].keys()


def test_the_pinned_versions_are_a_sorted_list_of_released_ones() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    assert lines == sorted(lines, key=lambda line: line.partition("==")[0].lower())
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    named = [re.split(r"[>=\[]", line)[0] for line in PROJECT["dependencies"]]
    assert set(named) <= pinned


def test_the_version_is_told_once() -> None:
    assert PROJECT["version"] == openrouter_mcp.__version__
    assert PROJECT["urls"]["Repository"] == openrouter_mcp.WEBSITE
