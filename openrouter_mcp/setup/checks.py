"""What `doctor` looks at. Each check says what is there, and how to mend what is broken."""

from __future__ import annotations

import asyncio
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import getproxies

from openrouter_mcp import __version__, server
from openrouter_mcp.agent.toolbox import open_toolbox
from openrouter_mcp.app import App
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files.sandbox import absolute, is_folder
from openrouter_mcp.mcp_client.servers import McpServer
from openrouter_mcp.money import dollars
from openrouter_mcp.programs import COMMAND
from openrouter_mcp.progress import silent
from openrouter_mcp.settings import Settings, variable
from openrouter_mcp.setup.configuration import Entry, Installed
from openrouter_mcp.setup.entry import KEY
from openrouter_mcp.setup.launch import direct_url
from openrouter_mcp.setup.machine import Machine
from openrouter_mcp.text import clean

PATIENCE = 15.0
"""Seconds for a program to tell its version."""
ENDING = 5.0
"""Seconds for it to end then."""
LONGEST = 10_000
"""Bytes of what it says that are read."""
INSTALLING = {"linux": "sudo apt install", "macos": "brew install", "windows": "winget install"}
Json = Mapping[str, Any]
LATER = f"run {COMMAND} doctor again later; see https://status.openrouter.ai"
KEY_MENDS = {
    **dict.fromkeys((Code.AUTH, Code.PERMISSION), f"{COMMAND} login"),
    Code.NO_CREDITS: "Buy some: https://openrouter.ai/credits",
}
"""What mends that the key does not work, by the code of the error."""
CERTIFICATES = ("SSL_CERT_DIR", "SSL_CERT_FILE")
PROBE = bytes(4096)
"""What is written to see whether a folder takes files, and the disk is not full."""


@dataclass(frozen=True)
class Finding:
    """One line of the page."""

    topic: str
    state: Literal["ok", "note", "broken"]
    text: str
    mend: str = ""
    """The command, or the step, that mends what is broken or betters what works."""


def ok(topic: str, text: str) -> Finding:
    """What is as it should be."""
    return Finding(topic, "ok", text)


def note(topic: str, text: str, mend: str) -> Finding:
    """What works, and could be better."""
    return Finding(topic, "note", text, mend)


def broken(topic: str, text: str, mend: str) -> Finding:
    """What does not work."""
    return Finding(topic, "broken", text, mend)


def usd(amount: float | Decimal) -> str:
    """Dollars for people."""
    return dollars(Decimal(str(amount)))


def installation(machine: Machine) -> Iterator[Finding]:
    """The version, Python, where both are, and what the name of the command starts. Blocks."""
    python = ".".join(map(str, sys.version_info[:3]))
    told = direct_url()
    editable = " (editable)" if told.get("dir_info", {}).get("editable") else ""
    source = f", installed from {told['url']}{editable}" if told.get("url") else ""
    yield ok("version", f"{COMMAND} {__version__}{source}; Python {python} in {sys.prefix}")
    found = machine.find(COMMAND)
    if found and (version := _version(found, ())) != __version__:
        said = "does not run" if version is None else f"says {version!r}"
        yield broken(
            "command",
            f"{found} comes first on the PATH and is not this program: it {said}",
            f'"{sys.executable}" -m pip uninstall {COMMAND}'
            if Path(found).parent == Path(sys.executable).parent
            else f"Uninstall what {found} belongs to, or put this program first on the PATH.",
        )


def clients(installed: list[Installed]) -> Iterator[Finding]:
    """What the configuration of each client really starts. Blocks."""
    if not installed:
        yield note("clients", "no MCP client was found", "See docs/clients.md.")
    with ThreadPoolExecutor() as threads:
        yield from threads.map(_client, installed)


def _client(client: Installed) -> Finding:
    topic, again = client.client.title, f"{COMMAND} install {client.client.id}"
    if client.problem:
        text = f"{client.path} cannot be read: {client.problem}"
        return broken(topic, text, f"Correct that, then run {again}")
    if client.entry is None:
        return note(topic, "does not have this server", again)
    if client.entry.disabled:
        return note(topic, f"has this server switched off in {client.path}", again)
    return _started(topic, client.entry, again)


def _started(topic: str, entry: Entry, again: str) -> Finding:
    command = " ".join([entry.command, *entry.args])
    version = _version(entry.command, entry.args)
    if version is None:
        return broken(topic, f"starts `{command}`, which does not run", again)
    if version != __version__:
        return broken(topic, f"starts `{command}`, which is {version}, not {__version__}", again)
    own_key = " with a key of its own" if KEY in entry.variables else ""
    return ok(topic, f"starts `{command}`{own_key}")


def _version(command: str, args: tuple[str, ...]) -> str | None:
    """The version that a command of this program tells; None where it does not run."""
    told = _told(command, *(word for word in args if word != "serve"), "--version")
    return None if told is None else clean(told, 100).removeprefix(COMMAND).strip()


def _told(*command: str) -> str | None:
    """What a command prints first; None where it does not run, fails or does not end in time."""
    said: queue.Queue[bytes] = queue.Queue()
    try:
        with subprocess.Popen(  # noqa: S603 - the user's own configuration starts it too
            command,
            bufsize=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            # It may never say anything, say more than there is room for, or leave others behind.
            threading.Thread(target=lambda: said.put(_first(process)), daemon=True).start()
            try:
                told = said.get(timeout=PATIENCE)
                return None if process.wait(ENDING) else told.decode(errors="replace")
            finally:
                process.kill()
    except (OSError, ValueError, queue.Empty, subprocess.SubprocessError):
        return None


def _first(process: subprocess.Popen[bytes]) -> bytes:
    return process.stdout.read(LONGEST) if process.stdout else b""


def key(account: Json, configured: list[Installed]) -> Iterator[Finding]:
    """Whether the key works, where it is from, and what is left of its limits."""
    told = account["key"]
    if told["works"]:
        left = _amount(told.get("limit_remaining"))
        limit = "no limit" if left is None else f"{usd(left)} left of its limit"
        yield ok("key", f"{told.get('label', '')} from {told['from']} works; {limit}")
        if left is not None and left <= 0:
            yield broken(
                "key limit", "the key's limit is used up", "Raise it: https://openrouter.ai/keys"
            )
    elif not told.get("from") and any(
        client.entry and KEY in client.entry.variables for client in configured
    ):
        yield note("key", "none here; a client has one of its own", f"{COMMAND} login")
    elif told.get("from") and not account["openrouter"]["reachable"]:
        yield note("key", f"that of {told['from']} could not be tried", "See the network.")
    else:
        own = account["openrouter"]["address"] != Settings.model_fields["base_url"].default
        otherwise = f"unset {variable('base_url')}, or {LATER}" if own else LATER
        yield broken("key", told["why"], KEY_MENDS.get(told.get("code", Code.AUTH), otherwise))
    balance = account["credits"].get("balance")
    if balance is not None and balance <= 0:
        yield broken("credits", usd(balance), "Buy some: https://openrouter.ai/credits")
    elif balance is not None:
        yield ok("credits", usd(balance))


def _amount(value: object) -> Decimal | None:
    """USD, which can be less than nothing; None where it is no number."""
    amount = Decimal(str(value)) if type(value) in {int, float} else Decimal("NaN")
    return amount if amount.is_finite() else None


def network(account: Json, settings: Settings, machine: Machine) -> Iterator[Finding]:
    """Whether OpenRouter answers, how fast, and by which proxy."""
    told = account["openrouter"]
    scheme = urlsplit(settings.base_url).scheme
    by = _proxy(getproxies().get(scheme, getproxies().get("all", "")))
    if told["reachable"]:
        yield ok("network", f"{told['address']} answers in {told.get('latency_ms', 0)} ms{by}")
        return
    blamed = {f"{scheme.upper()}_PROXY", "ALL_PROXY"}
    if settings.base_url != Settings.model_fields["base_url"].default:
        blamed.add(variable("base_url"))
    # Correct certificates are not to blame; which ones they must be, nobody knows.
    blamed |= {
        name for name in CERTIFICATES if not Path(machine.environment.get(name, "")).exists()
    }
    found = sorted(name for name, value in machine.environment.items() if value)
    names = " or ".join(name for name in found if name.upper() in blamed)
    mend = f"unset {names}, or correct it" if names else "Set HTTPS_PROXY if there is a proxy."
    yield broken("network", f"{told['address']} does not answer{by}: {told['why']}", mend)


def _proxy(address: str) -> str:
    """The proxy for people, without the password that its address may hold."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return " by a proxy whose address is none"
    return f" by the proxy {host}:{port}" if host else ""


def folders(account: Json, settings: Settings) -> Iterator[Finding]:
    """Where state is kept, where files are saved, and what may be read. Blocks."""
    state = account["state"]
    if state.get("warning"):
        mend = f"Set {variable('state_dir')} to another folder, or do what is said here"
        yield broken("state", state["warning"], mend)
    else:
        yield ok("state", state["directory"])
    output = absolute(str(settings.output_dir))
    if _is_writable(output):
        yield ok("output", str(output))
    else:
        mend = f"Set {variable('output_dir')} to a folder that you may write to"
        yield broken("output", f"{output} cannot be written", mend)
    for folder in settings.input_dirs:
        path = absolute(str(folder))
        if not is_folder(path):
            make = "" if os.path.lexists(path) else f"mkdir -p '{path}', or "
            mend = f"{make}correct {variable('input_dirs')}"
            yield broken("input", f"{path} is no folder", mend)
        elif not os.access(path, os.R_OK | os.X_OK):
            mend = f"chmod u+rx '{path}', or correct {variable('input_dirs')}"
            yield broken("input", f"{path} cannot be read", mend)
        else:
            yield ok("input", f"{path} may be read")
    if not settings.input_dirs:
        yield ok("input", "home, temporary files and the working directory may be read")


def _is_writable(folder: Path) -> bool:
    """Whether a file can be made there, or the folder itself if it is not there yet."""
    try:
        folder.stat()
    except FileNotFoundError:
        return folder != folder.parent and _is_writable(folder.parent)
    except OSError:
        return False
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(PROBE)
            file.flush()
    except OSError:
        return False
    return True


def caps(account: Json) -> Iterator[Finding]:
    """What may be spent, and what is left of it."""
    told = account["budgets"]
    per_day, spent = told["day_cap"], told["day_spent"]
    limits = {"call": told["per_call_cap"], "session": told["session_cap"], "day": per_day}
    said = [f"{usd(cap)} a {period}" for period, cap in limits.items() if cap]
    name = variable("max_cost_per_day")
    if per_day and spent >= per_day:
        text = f"{usd(spent)} of {usd(per_day)} are spent today"
        yield broken("caps", text, f"Wait until midnight (UTC), or set {name}={spent + per_day:g}")
    elif said:
        yield ok("caps", f"{', '.join(said)}; today {usd(spent)}")
    else:
        yield note("caps", f"none beside the key's own; today {usd(spent)}", f"Set {name}=5")


def variables(settings: Settings) -> Iterator[Finding]:
    """Variables that are not understood, or that nobody reads."""
    wrong = [*settings.problems, *server.offered(settings.tools)[1]]
    for problem in wrong:
        name = problem.partition(":")[0]
        yield broken("variables", problem, f"unset {name}, or correct it")
    flaws = {variable(field): flaw for field, flaw in settings.flaws.items()}
    others = {**flaws, **settings.unknown}
    for name, said in others.items():
        # Somebody relies on a limit that is none.
        told = broken if said in settings.unknown_limits else note
        yield told("variables", said, f"unset {name}, or correct it")
    if not wrong and not others:
        yield ok("variables", "all OPENROUTER_* variables are understood")


def programs(machine: Machine) -> Iterator[Finding]:
    """The programs that some kinds of media need."""
    mend = f"{INSTALLING[machine.system]} ffmpeg"
    found = machine.find("ffmpeg")
    if found and _told(found, "-version") is None:
        yield broken("ffmpeg", f"{found} does not run", f"Install it again: {mend}")
    elif found:
        yield ok("ffmpeg", found)
    else:
        yield note("ffmpeg", "not found: long or unusual recordings cannot be transcribed", mend)


async def mcp_servers(app: App) -> list[Finding]:
    """The other MCP servers that run_agent would use, started for a moment."""
    path = app.settings.mcp_config
    if path is None:
        return [ok("run_agent", f"no other MCP servers ({variable('mcp_config')} is not set)")]
    try:
        servers = await app.mcp_servers.named([])
    except OpenRouterError as error:
        return [broken("run_agent", error.message, f"Correct {path}.")]
    return list(await asyncio.gather(*(_asked(server, path) for server in servers)))


async def _asked(server: McpServer, path: Path) -> Finding:
    toolbox = await open_toolbox([server], [], [], silent)
    topic = f"run_agent: {server.name}"
    if toolbox.absent:
        return broken(topic, toolbox.absent[0], f"Correct or remove it in {path}.")
    reading, writing = len(toolbox.offered), len(toolbox.withheld)
    text = f"{reading + writing} tools, {reading} of them read-only"
    if reading:
        return ok(topic, text)
    return note(topic, text, f"{variable('agent_allow')}='{server.name}__*' allows all of them.")
