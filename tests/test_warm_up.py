"""What the server does once the handshake is over, so that the first call need not wait."""

import asyncio
from dataclasses import replace

import pytest

from openrouter_mcp.models.catalogue import Catalogue
from tests.support.timing import FAST


@pytest.fixture
def preload(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when the catalogue is read beforehand, which then never ends by itself."""
    begun = asyncio.Event()

    async def preload(_catalogue: Catalogue) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Catalogue, "preload", preload)
    return begun


async def test_it_begins_with_the_server_and_ends_with_it(connect, preload) -> None:
    before = asyncio.all_tasks()
    async with connect(replace(FAST, warm_up=0)):
        await preload.wait()
    assert asyncio.all_tasks() == before


async def test_a_server_that_closes_before_leaves_nothing_behind(connect, preload) -> None:
    before = asyncio.all_tasks()
    async with connect(replace(FAST, warm_up=3600)):
        pass
    assert asyncio.all_tasks() == before
    assert not preload.is_set()
