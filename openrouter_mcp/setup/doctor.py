"""`doctor`: one page that says what works, what does not, and what mends it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict

from openrouter_mcp import settings
from openrouter_mcp.account.overview import overview
from openrouter_mcp.app import App
from openrouter_mcp.settings import Settings
from openrouter_mcp.setup import checks
from openrouter_mcp.setup.checks import Finding, broken, ok
from openrouter_mcp.setup.configuration import installed
from openrouter_mcp.setup.machine import Machine
from openrouter_mcp.timing import Timing

MARKS = {"ok": "[green]ok", "note": "[yellow]note", "broken": "[bold red]broken"}
FREE_MODEL = "openrouter/free"
NARROWEST = 60
"""Columns: a terminal that has fewer breaks the lines itself, which reads better."""
SERVER_START = 20.0
"""Seconds for another MCP server to start: who waits for the page wants to see it."""


def run(*, as_json: bool, call: bool) -> int:
    """Print the page, or the same as JSON; 1 where something is broken."""
    machine = Machine.this(settings.environment())
    logging.disable()  # the page says the same
    try:
        findings = asyncio.run(examine(settings.load(), machine, call=call))
    finally:
        logging.disable(logging.NOTSET)
    healthy = all(finding.state != "broken" for finding in findings)
    if as_json:
        page = {"healthy": healthy, "findings": [asdict(finding) for finding in findings]}
        print(json.dumps(page, indent=2))
    else:
        _print(findings)
    return 0 if healthy else 1


async def examine(configuration: Settings, machine: Machine, *, call: bool) -> list[Finding]:
    """Everything that can be wrong, in the order of the page; `call` asks a free model too."""
    app = App(configuration, Timing(server_start=SERVER_START))
    try:
        # So that the network is timed, and not the imports.
        await asyncio.to_thread(app.client.warm_up)
        there = await asyncio.to_thread(installed, machine)
        # All that can hang does so at the same time.
        account, installation, clients, programs, servers = await asyncio.gather(
            overview(app),
            _listed(checks.installation, machine),
            _listed(checks.clients, there),
            _listed(checks.programs, machine),
            checks.mcp_servers(app),
        )
        found = [
            *installation,
            *clients,
            *checks.key(account, there),
            *checks.network(account, configuration, machine),
            *await _listed(checks.folders, account, configuration),
            *checks.caps(account),
            *checks.variables(configuration),
            *programs,
            *servers,
        ]
    finally:
        await app.aclose()
    return [*found, await _called(configuration)] if call else found


async def _listed(check: Callable[..., Iterable[Finding]], *arguments: object) -> list[Finding]:
    """What a check that blocks has found."""
    return await asyncio.to_thread(lambda: list(check(*arguments)))


async def _called(configuration: Settings) -> Finding:
    """The answer of a model that costs nothing, by the way that clients go."""
    from fastmcp import Client

    from openrouter_mcp.server import build

    async with Client(build(configuration)) as client:
        arguments = {"prompt": "Answer with the word ok.", "model": FREE_MODEL}
        result = await client.call_tool("chat", arguments, raise_on_error=False)
    text = " ".join(block.text for block in result.content if block.type == "text")
    return (
        broken("call", text, "See the key and the network.")
        if result.is_error
        else ok("call", text)
    )


def _print(findings: Iterable[Finding]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        mend = f"\n[cyan]-> {escape(finding.mend)}" if finding.mend else ""
        table.add_row(MARKS[finding.state], finding.topic, escape(finding.text) + mend)
    console = Console(highlight=False)
    console.width = max(console.width, NARROWEST)
    console.print(table)
