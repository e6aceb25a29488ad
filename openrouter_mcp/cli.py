"""The command line: `openrouter-mcp` serves over stdio, `openrouter-mcp demo` shows it at work."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

from openrouter_mcp import WEBSITE, __version__, handshake

if TYPE_CHECKING:
    import argparse
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from types import FrameType

    from fastmcp import FastMCP

    from openrouter_mcp.app import App
    from openrouter_mcp.settings import Settings

JOBS_ALONE = 3600.0
"""Seconds that the jobs of a client that has gone have to end by themselves."""
ENDING = 1.5
"""Seconds that a process has to end once it is told to; clients kill it after two."""
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""What tells a process to end; no system has all of them."""

ABOUT = """\
An MCP server: it gives Claude, Cursor, VS Code and other MCP clients every model
on OpenRouter, for chat, images, sound, video and more. Clients start it
themselves; without a command it serves one over stdin and stdout."""
FIRST_STEPS = f"""\
first steps:
  1. A key: `openrouter-mcp login`, or one from https://openrouter.ai/keys
     as OPENROUTER_API_KEY in the `env` of your client's MCP configuration.
     That is the only variable it needs.
  2. Your client: `openrouter-mcp install` writes its configuration.
  3. If something does not work: `openrouter-mcp doctor`.

Manual and all variables: {WEBSITE}"""
TO_A_PERSON = """\
openrouter-mcp is an MCP server and waits for a client on stdin: set yours up with \
`openrouter-mcp install`, or see `openrouter-mcp --help`. Ctrl-C ends it."""


def main() -> None:
    """Entry point of `openrouter-mcp` and of `python -m openrouter_mcp`."""
    _shield_fastmcp()
    # A client waits, and nothing but serving needs what reads the command line.
    if sys.argv[1:] not in ([], ["serve"]):
        try:
            _read_command_line()
        except KeyboardInterrupt:
            print("\nStopped.", file=sys.stderr)
            sys.exit(130)
    _serve()


def _read_command_line() -> None:
    """Do what was asked and exit, unless that is to serve."""
    import argparse
    import io

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Terminals and pipes with another encoding than UTF-8 do not have every sign.
            stream.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(
        prog="openrouter-mcp",
        description=ABOUT,
        epilog=FIRST_STEPS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"openrouter-mcp {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("serve", help="serve MCP over stdio (default)")
    demo = commands.add_parser("demo", help="watch a client use the server; simulated without key")
    demo.add_argument("--npx", action="store_true", help="use a server from the npm registry too")
    _add_install(commands)
    login = commands.add_parser("login", help="get a key with the browser, into the keyring")
    login.add_argument(
        "--no-browser", action="store_true", help="print the address, ask for the code"
    )
    commands.add_parser("logout", help="take the key out of the keyring")
    diagnosis = commands.add_parser("doctor", help="find out what does not work, and what mends it")
    diagnosis.add_argument("--json", action="store_true", help="print JSON")
    diagnosis.add_argument("--call", action="store_true", help="ask a free model too")
    forget = commands.add_parser("forget", help="delete kept conversations")
    forget.add_argument("thread", help='id of a conversation, or "all"')
    arguments = parser.parse_args()
    if arguments.command == "forget":
        sys.exit(_forget(arguments.thread))
    if arguments.command == "install":
        sys.exit(_install(arguments))
    if arguments.command == "login":
        sys.exit(_login(browser=not arguments.no_browser))
    if arguments.command == "doctor":
        from openrouter_mcp.setup import doctor

        sys.exit(doctor.run(as_json=arguments.json, call=arguments.call))
    if arguments.command == "logout":
        sys.exit(_logout())
    if arguments.command == "demo":
        from openrouter_mcp import programs, settings
        from openrouter_mcp.simulator.demo import run

        npx = programs.find("npx", os.environ) if arguments.npx else None
        sys.exit(run(live=settings.load().api_key is not None, npx=npx))


def _serve() -> None:
    ending = _Ending()
    if sys.stdin and sys.stdin.isatty():
        print(TO_A_PERSON, file=sys.stderr)
    pipe = handshake.begin(_variable("OPENROUTER_TOOLS"))
    # Nothing of what is imported is ever garbage, so looking for it only delays the start.
    gc.disable()
    try:
        from openrouter_mcp import settings, stdio

        configuration = settings.load()
        server = _build(configuration, ending, pipe)
    except Exception as error:  # noqa: BLE001 - a broken installation can raise anything
        import traceback

        traceback.print_exc()
        pipe.refuse(
            f"openrouter-mcp could not start: {error!r}. Install it again, then restart it."
        )
        sys.exit(1)
    gc.freeze()
    gc.enable()
    stdio.serve_on(pipe, configuration.own_keys)
    server.run(transport="stdio", show_banner=False)


def _build(configuration: Settings, ending: _Ending, pipe: handshake.Handshake) -> FastMCP:
    """The server for these settings, which logs to stderr."""
    from openrouter_mcp import server
    from openrouter_mcp.timing import Timing

    _log_to_stderr(configuration)
    timing = Timing(jobs_alone=JOBS_ALONE, age=pipe.age)
    return server.build(configuration, timing, ending.serving)


class _Ending:
    """How a signal ends this process: at once, but for what its calls have so far, which is kept.

    Python's own handler would wait for the thread that reads stdin.
    """

    def __init__(self) -> None:
        self._serving: tuple[App, AbstractEventLoop] | None = None
        self._begun = False
        for number in (getattr(signal, name, None) for name in SIGNALS):
            if number:
                signal.signal(number, self._begin)

    def serving(self, app: App) -> None:
        """From now on there may be calls of this app."""
        import asyncio

        self._serving = app, asyncio.get_running_loop()

    def _begin(self, number: int, _frame: FrameType | None) -> None:
        if self._begun:
            # Some clients send a second signal right after the first.
            return
        self._begun = True
        if "openrouter_mcp.mcp_client.process" in sys.modules:
            from openrouter_mcp.mcp_client.process import kill_all

            kill_all()
        if "openrouter_mcp.workspace.commands" in sys.modules:
            from openrouter_mcp.workspace import commands

            commands.kill_all()
        if self._serving is None:
            _die(number)
        app, loop = self._serving
        if loop.is_closed():
            _die(number)

        def close() -> None:
            loop.create_task(app.aclose()).add_done_callback(lambda _: _die(number))

        late = threading.Timer(ENDING, os._exit, [128 + number])
        late.daemon = True
        late.start()
        loop.call_soon_threadsafe(close)


def _die(number: int) -> NoReturn:
    """End as this signal ends a process that does not know it."""
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    os._exit(128 + number)


def _forget(thread_id: str) -> int:
    """Delete one conversation or all; 1 when there was none."""
    import asyncio

    from openrouter_mcp import settings
    from openrouter_mcp.app import App

    async def delete() -> int:
        app = App(settings.load())
        try:
            return await app.threads.forget(thread_id)
        finally:
            await app.aclose()

    forgotten = asyncio.run(delete())
    print(f"{forgotten} conversation{'s' if forgotten != 1 else ''} deleted.")
    return 0 if forgotten else 1


def _add_install(commands: argparse._SubParsersAction) -> None:
    import argparse

    from openrouter_mcp.setup.clients import CLIENTS

    names = ", ".join(client.id for client in CLIENTS)

    def known(name: str) -> str:
        if name not in names.split(", "):
            raise argparse.ArgumentTypeError(f"{name} is none of: {names}")
        return name

    install = commands.add_parser(
        "install",
        help="add this server to the MCP clients on this computer",
        description="Adds this server to the MCP clients on this computer, and changes nothing "
        "else in their files. Shows each change and asks before it is made.",
        epilog=f"Clients: {names}.",
    )
    install.add_argument("clients", nargs="*", type=known, metavar="client", help="default: all")
    install.add_argument(
        "--client", action="append", type=known, metavar="client", default=[], help="the same"
    )
    install.add_argument("-y", "--yes", action="store_true", help="do not ask")
    install.add_argument("--dry-run", action="store_true", help="show the changes and make none")
    install.add_argument("--remove", action="store_true", help="take this server out again")


def _install(arguments: argparse.Namespace) -> int:
    from openrouter_mcp import settings
    from openrouter_mcp.api import keychain
    from openrouter_mcp.setup import install, launch
    from openrouter_mcp.setup.machine import Machine

    machine = Machine.this(settings.environment())
    configuration = settings.load()
    try:
        started = launch.current(sys.argv[0], machine.find)
        stored = keychain.read(configuration.base_url)
    except keychain.KeychainError:
        stored = ""
    except launch.LaunchError as error:
        print(error, file=sys.stderr)
        return 1
    given = configuration.api_key.get_secret_value() if configuration.api_key else ""
    key = install.Key(stored or given, in_keyring=bool(stored))
    options = install.Options(
        (*arguments.clients, *arguments.client), arguments.yes, arguments.dry_run, arguments.remove
    )
    terminal = install.Terminal(print, _ask if sys.stdin and sys.stdin.isatty() else None)
    return install.run(machine, options, started, key, terminal)


def _ask(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        print()
        return False


def _login(*, browser: bool) -> int:
    from openrouter_mcp import settings
    from openrouter_mcp.setup import login

    browser = browser and login.has_browser(settings.environment())
    return _told(lambda: login.log_in(settings.load(), browser=browser))


def _logout() -> int:
    from openrouter_mcp import settings
    from openrouter_mcp.setup import login

    return _told(lambda: login.log_out(settings.load()))


def _told(work: Callable[[], str]) -> int:
    """Print what came of the work; 1 when it failed."""
    from openrouter_mcp.setup.login import LoginError

    try:
        print(work())
    except LoginError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _variable(name: str) -> str:
    """A variable, spelled in small letters too, as `settings` reads it."""
    return next((value for key, value in os.environ.items() if key.upper() == name), "")


def _shield_fastmcp() -> None:
    """Keep a stray .env, its banner and its log handlers out: stdout belongs to the protocol."""
    os.environ["FASTMCP_ENV_FILE"] = os.devnull
    os.environ["FASTMCP_CHECK_FOR_UPDATES"] = "off"
    os.environ["FASTMCP_LOG_ENABLED"] = "false"
    # Looking for plugins means reading the metadata of every installed package.
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"


def _log_to_stderr(settings: Settings) -> None:
    """Write what is logged to stderr: without keys, and fit for a terminal."""
    import logging

    from openrouter_mcp import credentials
    from openrouter_mcp.text import plain_lines

    class Formatter(logging.Formatter):
        def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
            return super().formatMessage(record).replace("\n", " ")

        def format(self, record: logging.LogRecord) -> str:
            return credentials.hidden(plain_lines(super().format(record)), settings.own_keys)

    logging.basicConfig(level=logging.WARNING)
    logging.root.handlers[0].setFormatter(Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.captureWarnings(True)
    logging.getLogger("openrouter_mcp").setLevel(settings.log_level)
    plain = logging.StreamHandler()
    plain.setFormatter(Formatter("%(message)s"))
    audit = logging.getLogger("openrouter_mcp.audit")
    audit.setLevel(logging.INFO)
    audit.addHandler(plain)
    audit.propagate = False
