"""`run_agent` with a workspace, as a client sees it: changes come as a patch, and nothing else."""

import json
import re
import sys
from pathlib import Path

import pytest

from openrouter_mcp.simulator.state import Script
from openrouter_mcp.workspace import scratch
from tests.support import stdio
from tests.support.processes import PEER, until
from tests.support.results import ERROR, RECEIPT, call, text
from tests.support.trees import applied, fill, git, repository, state
from tests.support.upstream import chats

MODEL = "anthropic/claude-sonnet-5"
OTHER = "openai/gpt-5-mini"
AGENT = "openrouter/agent"
FILES = {"a.py": "one = 1\n", "b c.txt": "old\r\nlines\r\n", "run.sh": ("program", b"#!/bin/sh\n")}


@pytest.fixture
def user(tmp_path, configure) -> Path:
    """A repository that models may work on."""
    configure(OPENROUTER_INPUT_DIRS=str(tmp_path))
    return repository(tmp_path / "my project", FILES)


def calls(name: str, **arguments) -> Script:
    return Script(tool_calls=[{"name": f"workspace__{name}", "arguments": arguments}])


def edits(simulator, model: str = "") -> None:
    """Script a model that edits, adds, renames and deletes files."""
    for script in [
        calls("edit_file", path="a.py", old="1", new="2"),
        calls("write_file", path="new/x.py", content="x = 1\n"),
        calls("move_file", path="run.sh", to="bin/run.sh"),
        calls("delete_file", path="b c.txt"),
        "I changed one to 2.",
    ]:
        simulator.answer(script, model=model)


async def work(client, user, **arguments):
    arguments = {"task": "Change it.", "model": MODEL, "workspace": str(user), **arguments}
    return await call(client, "run_agent", **arguments)


def results_of(simulator) -> list[str]:
    """What the tools told the model in the last request."""
    messages = chats(simulator)[-1].body["messages"]
    return [message["content"] for message in messages if message["role"] == "tool"]


async def test_changes_come_as_a_patch_and_nothing_is_applied(
    connect, simulator, user, tmp_path
) -> None:
    before = state(user, with_git=True)
    edits(simulator)
    async with connect() as client:
        result = await work(client, user)
    said = text(result)
    assert state(user, with_git=True) == before
    meta = result.meta[AGENT]["workspace"]
    patch = Path(meta["patch"])
    assert patch.parent == tmp_path / "output"
    assert said.startswith("I changed one to 2.")
    assert "M a.py +1 -1" in said
    assert "R run.sh -> bin/run.sh +0 -0" in said
    assert f"cd '{user}' && git apply {patch}" in said
    assert "-one = 1\n+one = 2\n" in said
    assert said.splitlines()[-1].startswith(f"-- {MODEL}")
    assert [Path(str(b.uri)[7:]) for b in result.content if b.type == "resource_link"] == [patch]
    assert applied(user, patch, tmp_path / "applied") == {
        "a.py": ("file", b"one = 2\n"),
        "new/x.py": ("file", b"x = 1\n"),
        "bin/run.sh": ("program", b"#!/bin/sh\n"),
    }
    assert not any((tmp_path / "state" / "workspaces").iterdir())


async def test_the_model_is_told_where_it_works_and_has_only_the_copy(
    connect, simulator, user
) -> None:
    simulator.answer("Nothing to do.")
    async with connect() as client:
        said = text(await work(client, user))
    body = chats(simulator)[0].body
    names = {each["function"]["name"] for each in body["tools"]}
    assert names == {
        *("workspace__list_directory", "workspace__find_files", "workspace__search_files"),
        *("workspace__read_file", "workspace__edit_file", "workspace__write_file"),
        *("workspace__move_file", "workspace__delete_file", "read_result"),
    }
    assert str(user) in body["messages"][0]["content"]
    assert "[Nothing was changed: there is no patch.]" in said


async def test_a_thread_goes_on_with_what_was_made(connect, simulator, user, tmp_path) -> None:
    edits(simulator)
    async with connect() as client:
        thread_id = (await work(client, user)).meta[AGENT]["thread_id"]
    fill(user, {"b c.txt": "new lines of the user's\n", "mine.txt": "mine\n"})
    simulator.answer(calls("read_file", path="a.py"))
    simulator.answer(calls("edit_file", path="mine.txt", old="mine", new="ours"))
    simulator.answer("Done.")
    async with connect() as client:
        arguments = {"task": "Go on.", "thread_id": thread_id, "model": MODEL}
        result = await call(client, "run_agent", **arguments)
        elsewhere = await work(client, user.parent, thread_id=thread_id)
        gone = await work(client, user, thread_id="../../x")
    assert results_of(simulator)[-2] == "1\tone = 2"
    said = text(result)
    assert "did not fit what you changed since in b c.txt" in said
    assert "b c.txt" in chats(simulator)[-1].body["messages"][0]["content"]
    patch = Path(result.meta[AGENT]["workspace"]["patch"])
    after = applied(user, patch, tmp_path / "applied")
    assert after["a.py"] == ("file", b"one = 2\n")
    assert after["mine.txt"] == ("file", b"ours\n")
    assert "works on" in text(elsewhere)
    assert gone.meta[ERROR]["code"] == "NOT_FOUND"


async def test_the_kept_changes_go_with_the_thread(connect, simulator, user, tmp_path) -> None:
    edits(simulator)
    async with connect() as client:
        thread_id = (await work(client, user)).meta[AGENT]["thread_id"]
    kept = tmp_path / "state" / "threads" / f"{thread_id}.git"
    assert kept.is_dir()
    from openrouter_mcp import settings
    from openrouter_mcp.app import App

    app = App(settings.load())
    assert await app.threads.forget(thread_id) == 1
    await app.aclose()
    assert not kept.exists()


async def test_without_threads_nothing_of_the_copy_is_left(
    connect, simulator, user, configure, tmp_path
) -> None:
    configure(OPENROUTER_THREADS="off", OPENROUTER_INPUT_DIRS=str(tmp_path))
    edits(simulator)
    async with connect() as client:
        assert "M a.py" in text(await work(client, user))
    assert not [path for path in (tmp_path / "state").rglob("*") if path.name == "a.py"]
    assert not list((tmp_path / "state").rglob("*.git"))


async def test_a_dry_run_copies_and_pays_nothing(connect, simulator, user, tmp_path) -> None:
    async with connect() as client:
        said = text(await work(client, user, dry_run=True))
    assert "workspace__edit_file" in said
    assert chats(simulator) == []
    assert not (tmp_path / "state" / "workspaces").exists()


async def test_what_was_done_before_a_limit_is_not_lost(connect, simulator, user) -> None:
    simulator.answer(calls("edit_file", path="a.py", old="1", new="2"), times=None)
    async with connect() as client:
        result = await work(client, user, max_steps=1)
    assert result.meta[AGENT]["ending"] == "steps"
    assert "M a.py +1 -1" in text(result)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"workspace": "/nowhere"}, "UNSAFE_PATH"),
        ({"workspace": "/etc"}, "UNSAFE_PATH"),
        ({"models": [MODEL, OTHER]}, "INVALID_INPUT"),
        ({"models": [MODEL], "model": ""}, "INVALID_INPUT"),
        ({"judge": [MODEL]}, "INVALID_INPUT"),
        ({"models": [MODEL, OTHER], "model": "", "workspace": ""}, "INVALID_INPUT"),
    ],
)
async def test_what_cannot_work_is_refused_before_it_costs(
    connect, simulator, user, arguments, code
) -> None:
    async with connect() as client:
        result = await work(client, user, **arguments)
    assert result.meta[ERROR]["code"] == code
    assert chats(simulator) == []


async def test_no_command_is_run_that_the_user_does_not_allow(
    connect, simulator, user, configure, tmp_path
) -> None:
    configure(OPENROUTER_AGENT_COMMANDS="echo one*", OPENROUTER_INPUT_DIRS=str(tmp_path))
    simulator.answer(calls("run_command", command="echo two"))
    simulator.answer(calls("run_command", command="echo one; touch /tmp/x"))
    simulator.answer(calls("run_command", command="echo one two"))
    simulator.answer("Done.")
    async with connect() as client:
        said = text(await work(client, user))
    told = results_of(simulator)
    assert "allows only these commands: echo one*" in told[0]
    assert "No shell runs it" in told[1]
    assert told[2] == "[exit code 0]\none two"
    assert re.search(r"Checks that ran:\n- echo one two: exit code 0, \d+\.\d s\n", said)
    assert "Commands ran " in said


async def test_models_compete_under_one_budget_and_are_judged(
    connect, simulator, user, tmp_path
) -> None:
    for model, value in ((MODEL, "2"), (OTHER, "3")):
        simulator.answer(calls("edit_file", path="a.py", old="1", new=value), model=model)
        simulator.answer(f"It is {value}.", model=model)
    verdict = {"ranking": [{"answer": "A", "reason": "First."}, {"answer": "B", "reason": "No."}]}
    judge = "anthropic/claude-opus-5"
    simulator.answer(json.dumps(verdict), model=judge, times=2)
    async with connect() as client:
        result = await work(
            client, user, model="", models=[MODEL, OTHER], judge=judge, max_cost=1.0
        )
    said = text(result)
    rows = [line for line in said.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[:3] for row in rows[1:]] == [
        [f"| {MODEL}", "1", "+1 -1"],
        [f"| {OTHER}", "1", "+1 -1"],
    ]
    assert "tied, mean place 1.5" in said
    assert f"{judge} chose otherwise when the order changed." in said
    assert len(result.meta["openrouter/receipts"]) == 4
    assert float(result.meta[RECEIPT]["cost"]) <= 1.0
    rivals = result.meta[AGENT]["rivals"]
    contents = []
    for number, rival in enumerate(rivals):
        patch = Path(rival["workspace"]["patch"])
        contents.append(applied(user, patch, tmp_path / f"applied{number}")["a.py"][1])
    assert contents == [b"one = 2\n", b"one = 3\n"]
    judged = [chat.body["messages"][-1]["content"] for chat in chats(simulator)[-2:]]
    assert all("It is 2." in each and MODEL not in each for each in judged)


async def test_a_rival_that_fails_hides_no_other(connect, simulator, user) -> None:
    simulator.fail("provider_error", model=OTHER, times=None)
    edits(simulator, MODEL)
    async with connect() as client:
        result = await work(client, user, model="", models=[MODEL, OTHER])
    assert not result.is_error
    assert f"| {OTHER} | | | | | | UPSTREAM_ERROR |" in text(result)
    assert "M a.py +1 -1" in text(result)


async def test_a_dry_run_of_rivals_tells_of_each_and_of_the_judge(connect, simulator, user) -> None:
    rivals = {"model": "", "models": [MODEL, OTHER], "judge": MODEL}
    async with connect() as client:
        result = await work(client, user, dry_run=True, **rivals)
    assert f"Beside these, {MODEL} reads the task and all work, in two orders." in text(result)
    assert len(result.meta["openrouter/estimate"]) == 2
    assert chats(simulator) == []


async def test_a_slow_run_goes_on_as_a_job_and_gives_its_patch(
    connect, simulator, user, configure, tmp_path
) -> None:
    configure(OPENROUTER_WAIT_SECONDS="0.2", OPENROUTER_INPUT_DIRS=str(tmp_path))
    simulator.answer(calls("edit_file", path="a.py", old="1", new="2"))
    simulator.answer(Script(text="Late.", latency=0.5))
    async with connect() as client:
        started = await work(client, user)
        job_id = started.meta["openrouter/job"]["job_id"]
        result = started
        while "Still working" in text(result):
            result = await call(client, "get_job", job_id=job_id, wait=20)
    assert "M a.py +1 -1" in text(result)


async def test_a_run_that_is_cancelled_keeps_what_it_changed(
    connect, simulator, user, configure, tmp_path
) -> None:
    configure(OPENROUTER_WAIT_SECONDS="0.2", OPENROUTER_INPUT_DIRS=str(tmp_path))
    simulator.answer(calls("edit_file", path="a.py", old="1", new="2"))
    simulator.answer(Script(text="Never.", latency=30.0))
    async with connect() as client:
        started = await work(client, user)
        job_id = started.meta["openrouter/job"]["job_id"]
        while "1. workspace__edit_file" not in text(started):
            started = await call(client, "get_job", job_id=job_id)
        stopped = await call(client, "get_job", job_id=job_id, cancel=True)
        assert "&& git apply" in text(stopped)
    assert not any((tmp_path / "state" / "workspaces").iterdir())
    assert git(user, "status", "--porcelain").stdout == b""


async def test_a_server_that_is_killed_leaves_the_folder_alone(
    environment, simulator, user, connect, tmp_path
) -> None:
    before = state(user, with_git=True)
    simulator.answer(calls("edit_file", path="a.py", old="1", new="2"))
    simulator.answer(calls("run_command", command="sleep 59"))
    copies = tmp_path / "state" / "workspaces"
    variables = {"OPENROUTER_INPUT_DIRS": str(tmp_path), "OPENROUTER_AGENT_COMMANDS": "sleep *"}
    async with stdio.server({**environment, **variables}) as server:
        await server.initialize()
        server.call("run_agent", task="Change it.", model=MODEL, workspace=str(user))
        await until(lambda: len(chats(simulator)) == 2 and len(list(copies.glob("*/tree/a.py"))))
        server.process.kill()
        await server.process.wait()
    assert (next(copies.glob("*/tree/a.py"))).read_text() == "one = 2\n"
    assert state(user, with_git=True) == before
    simulator.reset()
    simulator.answer("Done.")
    async with connect() as client:
        await work(client, user)
    assert not any(copies.iterdir())
    assert state(user, with_git=True) == before


async def test_the_cap_per_call_holds_for_all_rivals_and_judges(
    connect, simulator, user, configure, tmp_path
) -> None:
    configure(OPENROUTER_MAX_COST_PER_CALL="0.05", OPENROUTER_INPUT_DIRS=str(tmp_path))
    simulator.greedy = True
    async with connect() as client:
        result = await work(client, user, model="", models=[MODEL, OTHER], judge=[MODEL, OTHER])
    assert not result.is_error, text(result)
    assert 0 < float(simulator.spent) <= 0.05


async def test_servers_that_are_named_join_in(
    connect, simulator, user, configure, tmp_path
) -> None:
    servers = {"workspace": {"command": sys.executable, "args": [PEER]}}
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
    variables = {"OPENROUTER_MCP_CONFIG": str(tmp_path / "mcp.json")}
    configure(OPENROUTER_INPUT_DIRS=str(tmp_path), **variables)
    simulator.answer("Done.", times=None)
    for arguments in ({}, {"servers": ["workspace"]}, {"tools": ["workspace__read"]}):
        async with connect() as client:
            await work(client, user, **arguments)
    alone, *joined = (
        {tool["function"]["name"] for tool in chat.body["tools"]} for chat in chats(simulator)
    )
    assert "workspace__read" not in alone
    for names in joined:
        assert {"workspace__read", "workspace2__read_file"} <= names
        assert "workspace__write" not in names


async def test_a_copy_that_has_grown_too_large_loses_no_answer(
    connect, simulator, user, monkeypatch
) -> None:
    monkeypatch.setattr(scratch, "MOST_FILES", 2)
    for name in "abc":
        simulator.answer(calls("write_file", path=name, content="x"))
    simulator.answer("I made too much.")
    async with connect() as client:
        result = await work(client, user)
    said = text(result)
    assert not result.is_error
    assert said.startswith("I made too much.\n\n[What was changed is lost: The copy")
    assert result.meta[RECEIPT]["requests"] == 4
