"""Who lives: what other processes see of one that starts, ends or is killed."""

import os
import signal

import pytest

from openrouter_mcp.state.presence import Presence
from tests.support.processes import PROCESSES


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "processes"


def live(directory, owners, until):
    """A process that appears and waits to be ended."""
    presence = Presence(directory)
    presence.appear()
    owners.put(presence.owner)
    until.wait(60)
    presence.leave()


@pytest.fixture
def other(directory):
    """Another process that lives, and its token."""
    owners, until = PROCESSES.Queue(), PROCESSES.Event()
    process = PROCESSES.Process(target=live, args=(directory, owners, until))
    process.start()
    yield process, owners.get(timeout=60), until
    if process.is_alive():
        until.set()
        process.join(60)


def test_a_process_knows_that_it_lives_itself(directory):
    presence = Presence(directory)
    assert presence.alive(presence.owner)
    presence.appear()
    assert presence.alive(presence.owner)
    assert presence.alone()


def test_a_process_that_never_was_is_dead(directory):
    assert not Presence(directory).alive("0123456789abcdef")


def test_a_living_process_is_seen_until_it_leaves(directory, other):
    process, owner, until = other
    watcher = Presence(directory)
    assert watcher.alive(owner)
    assert not watcher.alone()
    until.set()
    process.join(60)
    assert not watcher.alive(owner)
    assert watcher.alone()
    assert list(directory.iterdir()) == []


def test_a_killed_process_is_dead_and_what_it_left_is_cleared_away(directory, other):
    process, owner, _ = other
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    assert (directory / f"{owner}.lock").exists()
    watcher = Presence(directory)
    assert not watcher.alive(owner)
    assert list(directory.iterdir()) == []


def test_two_servers_in_one_process_are_two(directory):
    first, second = Presence(directory), Presence(directory)
    first.appear()
    second.appear()
    assert first.alive(second.owner)
    assert not first.alone()
    second.leave()
    assert [path.stem for path in directory.iterdir()] == [first.owner]
    assert not first.alive(second.owner)


def test_who_cannot_be_examined_counts_as_alive(directory):
    (directory / "0123456789abcdef.lock").mkdir(parents=True)
    assert Presence(directory).alive("0123456789abcdef")
