"""Scratch copies of folders below the temporary directory."""

import pytest

from openrouter_mcp.settings import Settings
from openrouter_mcp.state.store import Store
from openrouter_mcp.workspace.scratch import Scratches


@pytest.fixture
async def store(tmp_path):
    store = Store(tmp_path / "state")
    yield store
    await store.aclose()


@pytest.fixture
def scratches(tmp_path, store) -> Scratches:
    return Scratches(Settings(state_dir=tmp_path / "state", input_dirs=str(tmp_path)), store)
