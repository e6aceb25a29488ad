"""Which tools a run may use, and what is told of the others."""

import asyncio
import sys
from dataclasses import replace

import pytest

from openrouter_mcp.agent.toolbox import opened
from openrouter_mcp.mcp_client.config import ServerConfig
from openrouter_mcp.mcp_client.servers import McpServer
from openrouter_mcp.progress import silent
from tests.support.processes import PEER


@pytest.fixture
async def box():
    """The toolbox of these servers."""
    servers: list[McpServer] = []

    async def make(globs=(), allow=(), **kinds):
        for name, kind in (kinds or {"peer": ""}).items():
            config = ServerConfig(name, command=sys.executable, args=(PEER, kind))
            servers.append(McpServer(config))
        return await opened(servers, globs, allow, silent)

    yield make
    await asyncio.gather(*(server.aclose() for server in servers))


async def test_only_what_declares_itself_read_only_is_offered(box) -> None:
    made = await box()
    assert "peer__read" in made.offered
    assert list(made.withheld) == ["peer__write"]


async def test_what_is_withheld_is_told_with_the_setting_that_allows_it(box) -> None:
    (note,) = (await box()).notes()
    assert "OPENROUTER_AGENT_ALLOW=peer__write " in note


@pytest.mark.parametrize("glob", ["peer__write", "peer__*", "*__write"])
async def test_the_user_allows_with_globs(box, glob) -> None:
    made = await box(allow=[glob])
    assert "peer__write" in made.offered
    assert not made.withheld
    assert not made.is_read_only("peer__write")


async def test_the_caller_narrows_and_never_widens(box) -> None:
    made = await box(globs=["peer__read", "peer__write"])
    assert list(made.offered) == ["peer__read"]
    assert list(made.withheld) == ["peer__write"]


async def test_the_setting_that_allows_more_keeps_what_it_allows(box) -> None:
    (note,) = (await box(allow=["other__*"])).notes()
    assert "OPENROUTER_AGENT_ALLOW=other__*,peer__write " in note


@pytest.mark.parametrize(
    ("glob", "there"),
    [("read", "Nearest: peer__read."), ("peer__reed", "Nearest: peer__read"), ("zz*", "There are")],
)
async def test_a_glob_that_means_no_tool_is_told_beside_those_that_do(box, glob, there) -> None:
    (note,) = (await box(globs=["peer__sleep", glob])).notes()
    assert repr(glob) in note
    assert there in note


async def test_a_tool_that_runs_only_as_a_task_is_run_so(box) -> None:
    outcome = await (await box()).call("peer__research", "{}", 10, ())
    assert (outcome.text, outcome.failed) == ("found for t1", False)


async def test_a_name_that_could_mean_two_tools_means_none(box) -> None:
    made = await box(first="", second="")
    assert made.known("FIRST__read") == "first__read"
    assert made.known("read") == "read"
    assert made.known("nonsense") == "nonsense"


async def test_a_withheld_tool_is_withheld_under_every_spelling(box, tmp_path) -> None:
    outcome = await (await box()).call("Write", f'{{"path": "{tmp_path}/a"}}', 10, ())
    assert "withheld" in outcome.text
    assert not (tmp_path / "a").exists()


async def test_resources_are_offered_where_a_server_has_some(box) -> None:
    made = await box()
    names = [definition["function"]["name"] for definition in made.definitions]
    assert names[-1] == "read_result"


async def test_more_tools_than_providers_take_are_told(box) -> None:
    made = await box(allow=["*"])
    tool = made.offered["peer__read"]
    many = replace(made, offered={str(n): tool for n in range(129)})
    assert "129 tools" in many.notes()[0]
    assert made.notes() == []


async def test_the_users_yes_widens(box, tmp_path) -> None:
    made = (await box()).with_allowed({"peer__write"})
    outcome = await made.call("peer__write", f'{{"path": "{tmp_path.as_posix()}/a"}}', 10, ())
    assert outcome.text == "written"
    assert not made.withheld


async def test_a_dead_server_is_told_and_the_others_go_on(box) -> None:
    made = await box(good="", bad="crash", noisy="garbage")
    assert {tool.server for tool in made.offered.values()} == {"good", "noisy"}
    notes = " ".join(made.notes())
    assert "bad did not start: its process ended with exit code 1: no token is set." in notes
    assert "noisy printed 1,000 lines on stdout" in notes


async def test_a_tool_that_was_allowed_once_may_die_without_harm(box) -> None:
    made = await box()
    died = await made.call("peer__die", "{}", 10, ())
    assert died.failed
    assert "out of cheese" in died.text
    assert not (await made.call("peer__process_id", "{}", 10, ())).failed
