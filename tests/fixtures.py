"""A simulated OpenRouter for every test, and clients of the real server."""

import os
import pickle
import sqlite3
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from fastmcp import Client
from keyring import core

from openrouter_mcp import settings
from openrouter_mcp.models.catalogue import Snapshot
from openrouter_mcp.server import build
from openrouter_mcp.simulator.server import serve
from openrouter_mcp.simulator.state import INFERENCE_KEY, Simulator
from openrouter_mcp.state.document_cache import Document
from openrouter_mcp.timing import Timing
from tests.support import oracle
from tests.support.keyring import Memory
from tests.support.timing import FAST

# Every run tries the same few examples; by hand, HYPOTHESIS_PROFILE=long looks for more.
# What fails is not explained there: that takes so long that the time of the test would run out.
hypothesis.settings.register_profile(
    "short",
    deadline=None,
    derandomize=True,
    max_examples=60,
    phases=set(hypothesis.Phase) - {hypothesis.Phase.explain},
)
hypothesis.settings.register_profile("long", deadline=None, max_examples=3000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))


@pytest.fixture(scope="session", autouse=True)
def _no_keyring() -> Iterator[None]:
    """Whoever runs the tests may have a key in theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
        yield


@pytest.fixture(scope="session", autouse=True)
def _certificates_loaded_once() -> Iterator[None]:
    """They take longer to load than most tests to run, and no test connects to what has one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", cache(ssl.create_default_context))
        yield


@pytest.fixture(scope="session", autouse=True)
def _catalogues_indexed_once() -> Iterator[None]:
    """Nearly every server of a test fetches the same one, and indexing it is its dearest work."""
    index, indexed = Snapshot.of, {}

    def of(document: Document) -> Snapshot:
        # What only equals another value, as True does 1, is no such value.
        content = pickle.dumps(document.data)
        if content not in indexed:
            indexed[content] = index(document)
        return replace(indexed[content], fetched_at=document.fetched_at, stale=document.stale)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Snapshot, "of", of)
        yield


class _Unsynced(sqlite3.Connection):
    """A database whose every commit the next process sees, whether or not the disk has it."""

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        wanted = "PRAGMA synchronous = OFF" if "PRAGMA synchronous" in statement else statement
        return super().execute(wanted, *parameters)

    def executescript(self, script: str) -> sqlite3.Cursor:
        self.execute("PRAGMA synchronous = OFF")
        return super().executescript(script)


@pytest.fixture(scope="session", autouse=True)
def _disks_are_not_waited_for() -> Iterator[None]:
    """Only where the power fails does it matter, and most of a test's time would be waiting."""
    connect = partial(sqlite3.connect, factory=_Unsynced)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", connect)
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session")
def _served() -> Iterator[tuple[Simulator, str]]:
    simulator = Simulator()
    with serve(simulator) as server:
        yield simulator, server.url


@pytest.fixture
def simulator(_served: tuple[Simulator, str]) -> Iterator[Simulator]:
    """The simulated OpenRouter; every request it got must be one that OpenRouter documents."""
    simulator = _served[0]
    simulator.reset()
    yield simulator
    for request in simulator.requests:
        if request.method == "POST" and not request.disconnected:
            assert oracle.check_request(request.path, request.body) == []


@pytest.fixture
def environment(
    simulator: Simulator, _served: tuple[Simulator, str], tmp_path: Path
) -> dict[str, str]:
    """The OPENROUTER_* variables of a server that talks to the simulator."""
    return {
        "OPENROUTER_API_KEY": INFERENCE_KEY,
        "OPENROUTER_BASE_URL": _served[1],
        "OPENROUTER_STATE_DIR": str(tmp_path / "state"),
        "OPENROUTER_OUTPUT_DIR": str(tmp_path / "output"),
        "OPENROUTER_DOCS_URL": _served[1].replace("/api/v1", "/docs"),
        "OPENROUTER_SKILLS_URL": _served[1].replace("/api/v1", "/skills"),
    }


@pytest.fixture
def configure(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """Set variables for a server that is built afterwards."""

    def set_all(**variables: str) -> None:
        for name, value in {**environment, **variables}.items():
            monkeypatch.setenv(name, value)

    set_all()
    return set_all


@pytest.fixture
def keyring(configure, monkeypatch: pytest.MonkeyPatch) -> Memory:
    """The system's keyring, where no variable holds a key."""
    memory = Memory()
    monkeypatch.setattr(core, "init_backend", lambda limit: core.set_keyring(memory))
    configure(OPENROUTER_API_KEY="")
    return memory


@pytest.fixture
def mode() -> str:
    """The protocol of the client: the newest that both sides know; see also `both_eras`."""
    return "auto"


@pytest.fixture
def connect(configure, mode: str) -> Callable[..., Client]:
    """Make clients, each of a new server, in memory, with the variables of that moment."""

    def make(timing: Timing = FAST, **options: Any) -> Client:
        return Client(build(settings.load(), timing), **{"mode": mode, **options})

    return make


@pytest.fixture
async def client(connect) -> AsyncIterator[Client]:
    """A client of the whole server."""
    async with connect() as client:
        yield client
