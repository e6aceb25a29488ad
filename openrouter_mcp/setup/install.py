"""`openrouter-mcp install`: the entry of this server in the clients on this computer."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from openrouter_mcp.setup import config_file, difference
from openrouter_mcp.setup.clients import CLIENTS, Client
from openrouter_mcp.setup.configuration import find_clients, find_entry, parse
from openrouter_mcp.setup.entry import (
    ASKED_FOR,
    INPUT,
    KEY,
    added,
    free_name,
    has_entry,
    is_nothing_else,
    new_entry,
    removed,
    says_the_same,
)
from openrouter_mcp.setup.launch import Launch
from openrouter_mcp.setup.machine import Machine
from openrouter_mcp.text import clean

PATIENCE = 60.0
"""Seconds that the command of a client has."""
BATCH = (".cmd", ".bat")
"""What Windows hands to a shell, which would read signs in the arguments."""


@dataclass(frozen=True)
class Terminal:
    """Where the user reads and answers."""

    say: Callable[[str], None]
    ask: Callable[[str], bool] | None
    """Whether the user says yes; None where nobody can answer."""


@dataclass(frozen=True)
class Key:
    """The key of the user, and whether the system's keyring has it."""

    value: str
    in_keyring: bool = False


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    clients: tuple[str, ...] = ()
    yes: bool = False
    dry_run: bool = False
    remove: bool = False


@dataclass(frozen=True)
class Change:
    """What shall happen to the configuration of one client."""

    client: Client
    path: Path
    command: tuple[str, ...] = ()
    """The client's own command that does it, without the key."""


def run(machine: Machine, options: Options, launch: Launch, key: Key, terminal: Terminal) -> int:
    """Add the server to clients or remove it, and tell the user. Blocks.

    Returns the exit code: 0 done, 1 not everywhere, 2 nobody could be asked.
    """
    found = [
        (client, path)
        for client, path in find_clients(machine)
        if client.id in options.clients or not options.clients
    ]
    missing = set(options.clients) - {client.id for client, _ in found}
    for client in (client for client in CLIENTS if client.id in missing):
        terminal.say(f"{client.title} was not found on this computer.")
    if not found:
        _tell_what_to_paste(launch, terminal)
        return 0 if options.remove else 1
    if launch.note and not options.remove:
        terminal.say(launch.note)
    key = _allowed(found, options, launch, key, terminal)
    work = _Work(machine, launch, key, terminal, options)
    changes = [*filter(None, (work.planned(client, path) for client, path in found))]
    failed = bool(missing) or work.failed
    if not changes or options.dry_run:
        unchanged = options.dry_run or failed
        terminal.say("Nothing was changed." if unchanged else "There is nothing to do.")
        return int(failed)
    if not options.yes and terminal.ask is None:
        terminal.say(
            "Nothing was changed, because there is no terminal to ask on. Run it again with --yes, "
            "or in a terminal."
        )
        return 2
    if not options.yes and terminal.ask and not terminal.ask("Make these changes?"):
        terminal.say("Nothing was changed.")
        return 1
    for change in changes:
        failed |= not work.done(change)
    if work.keyless and not key.value and not options.remove:
        terminal.say("The server has no key there yet: run `openrouter-mcp login`.")
    return int(failed)


def _allowed(
    found: Iterable[tuple[Client, Path]],
    options: Options,
    launch: Launch,
    key: Key,
    terminal: Terminal,
) -> Key:
    """The key, without its value where the user does not want it in files."""
    if options.remove or options.yes or options.dry_run or key.in_keyring or terminal.ask is None:
        return key
    titles = [client.title for client, path in found if _needs_key(client, path, launch, key)]
    if not titles or terminal.ask(
        f"May the key in {KEY} stand in the files of {', '.join(titles)}, which only you can then "
        "read?"
    ):
        return key
    terminal.say("The key stays out. `openrouter-mcp login` puts it into the system's keyring.")
    return replace(key, value="")


def _needs_key(client: Client, path: Path, launch: Launch, key: Key) -> bool:
    """Whether the key would be written into the file of a client."""
    if client.shape.prompts:
        return False
    try:
        text = config_file.load(path)
        return added(client, text, launch, key.value) != added(client, text, launch, "")
    except ValueError:
        return False


def _tell_what_to_paste(launch: Launch, terminal: Terminal) -> None:
    """For a client that is not known."""
    entry = {"command": launch.command, "args": [*launch.args], "env": {KEY: "sk-or-v1-..."}}
    terminal.say("No client that is known was found. Most others take this in their JSON file:")
    terminal.say(json.dumps({"mcpServers": {"openrouter": entry}}, indent=2, ensure_ascii=False))
    terminal.say("docs/clients.md in the repository has the files of all clients.")


def _copies(path: Path) -> Iterator[tuple[Path, str]]:
    """The copies of a file, newest first, with their texts; those of the user may be anything."""
    for copy in config_file.backups(path):
        with suppress(ValueError):
            yield copy, config_file.load(copy)


@dataclass
class _Work:
    """One run of the command."""

    machine: Machine
    launch: Launch
    key: Key
    terminal: Terminal
    options: Options
    failed: bool = False
    keyless: bool = False
    """Whether a client gets an entry without a key."""

    def planned(self, client: Client, path: Path) -> Change | None:
        """What shall change in a client, which is shown; None where nothing shall or can."""
        try:
            before = config_file.load(path)
            entry = find_entry(client, parse(client, before))
            after = before
            if entry or not self.options.remove:
                after = self._after(client, path, before)
            documents = parse(client, before), parse(client, after)
        except ValueError as error:
            self.failed = True
            self._tell(client, f"{path} is not changed: {error}. Correct it and run this again.")
            return None
        if after == before:
            state = "has no entry of this server" if self.options.remove else "is set up already"
            state += ", but its entry is disabled" if entry and entry.disabled else ""
            self._tell(client, f"{path} {state}.")
            return None
        change = Change(client, path, self._command(client, before))
        self._tell(client, str(path))
        if change.command:
            self.terminal.say(f"  runs: {shlex.join(change.command)}")
        self.keyless |= not (client.shape.prompts or (entry and KEY in entry.variables))
        for line in difference.shown(before, after, documents, self.key.value):
            self.terminal.say(f"  {line}")
        return change

    def done(self, change: Change) -> bool:
        """Whether the change was made."""
        client, path = change.client, change.path
        try:
            copy = None if self.options.remove else config_file.back_up(path)
            wanted = self._after(client, path, config_file.load(path))
            problem = self._ran(change.command) if change.command else ""
            self._write(client, path, wanted)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            self._tell(
                client,
                f"{path} could not be written ({reason}). Close {client.title}, look at the "
                "permissions of the file and run this again.",
            )
            return False
        if problem:
            self._tell(client, f"its own command failed ({problem}), so the file was changed.")
        kept = f" The file as it was: {copy}." if copy else ""
        self._tell(client, "removed." if self.options.remove else f"done. {client.reload}{kept}")
        for copy, text in _copies(path) if self.options.remove else ():
            if has_entry(client, text):
                self._tell(client, f"an earlier copy still has the entry: {copy}.")
        return True

    def _write(self, client: Client, path: Path, wanted: str) -> None:
        """Leave the file as `wanted`, or with what its client wrote into it meanwhile."""
        before = config_file.load(path)
        after = self._after(client, path, before)
        if says_the_same(client, removed(client, after), removed(client, wanted)):
            # The commands of clients change how the rest is written, and lose comments.
            after = wanted
        original = self._original(client, path, after) if self.options.remove else None
        if self.options.remove and not after and not original:
            path.resolve().unlink(missing_ok=True)
        elif after != before:
            config_file.save(path, after, secret=bool(self._value(client)))
            if original:
                path.chmod(original.stat().st_mode & 0o777)

    def _after(self, client: Client, path: Path, before: str) -> str:
        """The text that the file shall have; empty where `install` made it and nobody else."""
        if not self.options.remove:
            return added(client, before, self.launch, self._value(client))
        text = removed(client, before)
        original = self._original(client, path, text)
        if original:
            return config_file.load(original)
        return "" if is_nothing_else(client, before) else text

    def _original(self, client: Client, path: Path, text: str) -> Path | None:
        """The copy of the file from before `install`, if the file says nothing else since."""
        found = (copy for copy, said in _copies(path) if says_the_same(client, text, said))
        return next(found, None)

    def _value(self, client: Client) -> str:
        """What the variable with the key is set to; empty where it is not set."""
        if self.key.in_keyring:
            return ""
        return ASKED_FOR if client.shape.prompts else self.key.value

    def _command(self, client: Client, before: str) -> tuple[str, ...]:
        """The client's own command for this change. The key is not in it: others could see it."""
        document = parse(client, before)
        entry = find_entry(client, document)
        arguments = client.remove if self.options.remove else client.add
        program = self.machine.find(client.program)
        fits = self.options.remove or entry is None
        if not (arguments and program and fits) or program.lower().endswith(BATCH):
            return ()
        name = entry.name if entry else free_name(client, document)
        key = self._value(client) if client.shape.prompts else ""
        inputs = {"inputs": [INPUT]} if key else {}
        definition = {"name": name, **new_entry(client, self.launch, key), **inputs}
        words = {
            "{name}": [name],
            "{launch}": [self.launch.command, *self.launch.args],
            "{json}": [json.dumps(definition, ensure_ascii=False)],
        }
        return program, *(word for each in arguments for word in words.get(each, [each]))

    def _ran(self, command: tuple[str, ...]) -> str:
        """Why the command failed; empty where it did not."""
        try:
            done = subprocess.run(  # noqa: S603 - a program on the PATH, of the client
                command,
                env=dict(self.machine.environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return type(error).__name__
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        return clean(said[-1] if said else f"exit {done.returncode}") if done.returncode else ""

    def _tell(self, client: Client, words: str) -> None:
        self.terminal.say(f"{client.title}: {words}")
