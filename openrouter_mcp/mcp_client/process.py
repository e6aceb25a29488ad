"""An MCP server as a child process, read within bounds, so that it cannot harm this server."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, TextIO, cast

import anyio
import mcp.types as mt
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from fastmcp.client.transports.base import ClientTransport, TransportOptions
from mcp import ClientSession
from mcp.client.stdio import get_default_environment
from mcp.os.posix.utilities import terminate_posix_process_tree
from mcp.os.win32.utilities import (
    FallbackProcess,
    create_windows_process,
    terminate_windows_process_tree,
)
from mcp.shared.message import SessionMessage

from openrouter_mcp import programs
from openrouter_mcp.text import clean, parse_literally, storable
from openrouter_mcp.timing import Timing

LONGEST_MESSAGE = 16 * 1024 * 1024
"""Bytes of one message of the server; one that sends more is stopped."""
TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{,]', re.DOTALL)
"""A string of JSON, to the end of the line if it never ends, or what begins a value beside one."""
MOST_TOKENS = 200_000
"""Of one message: each costs memory and time far beyond its bytes."""
MOST_QUESTIONS = 5_000
"""Requests of the server without an answer of its own between them."""
STDERR_TAIL = 2000
ERROR_LINE = re.compile(r"^(?:npm (?:error|ERR!) .+|[\w.]*(?:Error|Exception)\b.*)$", re.MULTILINE)
"""Lines of stderr that say why a program failed; npm and Node.js print others after them."""
KILL_LIMIT = 2.0
"""Seconds until a process that was killed is surely gone."""
WATCH_EVERY = 0.25
"""Seconds between two looks whether it still runs."""

_running: set[Process | FallbackProcess] = set()
"""The servers of this process, for `kill_all`."""

Incoming = MemoryObjectSendStream[SessionMessage | Exception]
Outgoing = MemoryObjectReceiveStream[SessionMessage]


class StdioProcess(ClientTransport):
    """FastMCP's stdio transport with a bound on every line.

    The SDK's own gathers a line of any length, in time that grows with its square, and logs a
    traceback for each line that is no message.
    """

    def __init__(
        self,
        command: str,
        args: tuple[str, ...],
        env: Mapping[str, str],
        cwd: str,
        timing: Timing,
    ) -> None:
        self._command = [command, *args]
        self._env = {**get_default_environment(), **env}
        # What the server starts in turn does not come from the working directory either.
        self._env["PATH"] = programs.search_path(self._env)
        self._timing = timing
        self._cwd = str(Path(cwd).expanduser()) if cwd else None
        self._stderr_tail = b""
        self.ended = False
        """Whether it is over without having been stopped."""
        self.stray_lines = 0
        """Lines on stdout that were no messages."""
        self.flood = ""
        """What it sent too much of, and was stopped for."""
        self._questions = 0
        self.exit_code: int | None = None
        self._stopping = False

    @contextlib.asynccontextmanager
    async def connect_session(
        self, *, transport_options: TransportOptions | None = None, **session_kwargs: Any
    ) -> AsyncGenerator[ClientSession]:
        """Start the process; it is stopped, with all that it started, when the block is left."""
        options = transport_options or TransportOptions()
        process = await self._spawn()
        _running.add(process)
        incoming, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        write, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
        with incoming, read, write, outgoing:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._read_stdout, process, incoming)
                tasks.start_soon(self._write, process, outgoing)
                tasks.start_soon(self._read_stderr, process)
                tasks.start_soon(self._watch, process)
                try:
                    async with options.session_class(read, write, **session_kwargs) as session:
                        yield session
                finally:
                    with anyio.CancelScope(shield=True):
                        await self._stop(process)
                    tasks.cancel_scope.cancel()

    def end_reason(self) -> str:
        """Why the connection ended, as far as that is known."""
        if self.flood:
            return f"it sent {self.flood}"
        words = self._stderr_tail.decode("utf-8", "replace").strip()
        said = "; ".join(ERROR_LINE.findall(words)[:2]) or words.rpartition("\n")[2]
        code = "" if self.exit_code is None else f" with exit code {self.exit_code}"
        return f"its process ended{code}" + (f": {clean(said, 200)}" if said else "")

    async def _spawn(self) -> Process | FallbackProcess:
        # By its full path: the system would also look in the working directory.
        program = programs.find(self._command[0], self._env)
        if not program:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self._command[0])
        arguments = self._command[1:]
        if sys.platform == "win32":
            # In a job object, which ends all that it starts when this process ends, however.
            errors = cast("TextIO", subprocess.PIPE)
            return await create_windows_process(program, arguments, self._env, errors, self._cwd)
        return await anyio.open_process(
            [program, *arguments], env=self._env, cwd=self._cwd, start_new_session=True
        )

    async def _read_stdout(self, process: Process | FallbackProcess, incoming: Incoming) -> None:
        """Hand over the messages, until the end or one that is too long."""
        if process.stdout is None:
            return
        lines = BufferedByteReceiveStream(process.stdout)
        async with incoming:
            try:
                while not self.flood:
                    line = await lines.receive_until(b"\n", LONGEST_MESSAGE)
                    if message := self._parse(line):
                        await incoming.send(message)
            except anyio.DelimiterNotFound:
                self.flood = f"a message of more than {LONGEST_MESSAGE // 1024**2} MiB"
            except (anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass
            finally:
                self.ended = not self._stopping
        if self.flood:
            _kill(process)

    def _parse(self, line: bytes) -> SessionMessage | None:
        if not line.lstrip().startswith(b"{"):
            self.stray_lines += bool(line.strip())
            return None
        if _is_crowded(line):
            self.flood = f"a message of more than {MOST_TOKENS:,} values"
            return None
        try:
            message = _message(line)
        except (ValueError, RecursionError):
            self.stray_lines += 1
            return None
        # Each question begins a task, for as long as its answer is not read.
        if isinstance(message, mt.JSONRPCRequest):
            self._questions += 1
        elif not isinstance(message, mt.JSONRPCNotification):
            self._questions = 0
        if self._questions > MOST_QUESTIONS:
            self.flood = f"more than {MOST_QUESTIONS:,} requests of its own"
            return None
        return SessionMessage(message)

    async def _write(self, process: Process | FallbackProcess, outgoing: Outgoing) -> None:
        if process.stdin is None:
            return
        async with outgoing:
            with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                async for sent in outgoing:
                    line = sent.message.model_dump_json(by_alias=True, exclude_unset=True)
                    await process.stdin.send(line.encode() + b"\n")

    async def _read_stderr(self, process: Process | FallbackProcess) -> None:
        """Keep the end of its stderr, which tells why it could not start."""
        if isinstance(process, FallbackProcess) or process.stderr is None:
            return
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            async for piece in process.stderr:
                self._stderr_tail = (self._stderr_tail + piece)[-STDERR_TAIL:]

    async def _watch(self, process: Process | FallbackProcess) -> None:
        """When it ends, end all that it started, which may hold its output open."""
        await _exited(process, WATCH_EVERY)
        await _end_tree(process, self._timing.server_exit)

    async def _stop(self, process: Process | FallbackProcess) -> None:
        """Close its input, wait, end it with all that it started."""
        self._stopping = True
        try:
            if process.stdin is not None:
                with contextlib.suppress(anyio.BrokenResourceError, OSError):
                    await process.stdin.aclose()
            with anyio.move_on_after(self._timing.server_exit):
                await _exited(process)
            await _end_tree(process, self._timing.server_exit)
        finally:
            _running.discard(process)
            # A native cancellation passes every shield.
            if process.returncode is None:
                _kill(process)
        with anyio.move_on_after(KILL_LIMIT):
            await _exited(process)
        self.exit_code = process.returncode


def _is_crowded(line: bytes) -> bool:
    """Whether a line has more values than can be handled while others wait."""
    tokens = TOKEN.finditer(line) if len(line) > MOST_TOKENS else ()
    return any(True for _ in itertools.islice(tokens, MOST_TOKENS, None))


def _message(line: bytes) -> mt.JSONRPCMessage:
    """The message in a line, mended where its meaning is clear.

    Half a character, as JavaScript cuts them off, is replaced.
    """
    try:
        return mt.jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        value = parse_literally(line.decode("utf-8", "replace"))
        whole = storable(json.dumps(_answer(value), ensure_ascii=False))
        return mt.jsonrpc_message_adapter.validate_json(whole, by_name=False)


def _answer(message: object) -> object:
    """The message; if it answers, with a result or an error that are objects.

    Else whoever has asked would wait in vain.
    """
    if not isinstance(message, dict) or "method" in message or message.get("id") is None:
        return message
    made = {"jsonrpc": "2.0", "id": message["id"]}
    if error := message.get("error"):
        fields = error if isinstance(error, dict) else {"message": error}
        code, said = fields.get("code"), fields.get("message")
        text = said if isinstance(said, str) else json.dumps(error, ensure_ascii=False)
        code = code if type(code) is int else mt.INTERNAL_ERROR
        return {**made, "error": {"code": code, "message": text}}
    result = message.get("result")
    return {**made, "result": result if isinstance(result, dict) else {"content": result}}


def kill_all() -> None:
    """End every server with all that it started, at once: for a signal that ends us as well."""
    for process in _running:
        _kill(process)


async def _exited(process: Process | FallbackProcess, every: float = 0.01) -> None:
    """Until the process has exited; `Process.wait` waits for those who have its pipes too."""
    while process.returncode is None:  # noqa: ASYNC110 - nothing tells of it
        await anyio.sleep(every)


async def _end_tree(process: Process | FallbackProcess, seconds: float) -> None:
    """End a process with all that it started; it has some seconds to end by itself."""
    if sys.platform == "win32":
        await terminate_windows_process_tree(process)
    elif isinstance(process, Process):
        await terminate_posix_process_tree(process, seconds)


def _kill(process: Process | FallbackProcess) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
