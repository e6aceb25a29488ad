"""Jobs as rows of the store: what they said so far, how they ended, and which process has them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from fastmcp.tools import ToolResult
from mcp.types import CallToolResult

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.results import ERROR_META
from openrouter_mcp.state.store import Store
from openrouter_mcp.text import parse_json, storable

if TYPE_CHECKING:
    import sqlite3

LEASE = 10.0
"""Seconds for which a process has a job after it last wrote it."""
LISTED = 20
FINAL = {Code.JOB_FAILED, Code.NOT_FOUND}
"""Failures of a job after which OpenRouter has nothing to give any more."""

COLUMNS = (
    "id",
    "tool",
    "title",
    "state",
    "created",
    "updated",
    "owner",
    "text",
    "result",
    "error",
    "upstream_id",
    "details",
    "receipt",
)
SELECT = f"SELECT {', '.join(COLUMNS)} FROM jobs WHERE expires >= ?"  # noqa: S608 - no value in it
SAVE = """
INSERT INTO jobs (id, tool, title, state, created, updated, expires, owner, lease,
                  text, result, error, upstream_id, details, receipt)
VALUES (:id, :tool, :title, :state, :created, :updated, :expires, :owner, :lease,
        :text, :result, :error, :upstream_id, :details,
        :receipt)
ON CONFLICT (id) DO UPDATE SET
    state = excluded.state, updated = excluded.updated, expires = excluded.expires,
    lease = excluded.lease, text = excluded.text, result = excluded.result,
    error = excluded.error, upstream_id = excluded.upstream_id, details = excluded.details,
    receipt = excluded.receipt
"""
# A lease that ends much later than one taken now is from before the clock was set back. A process
# that died while it was cancelling counts as one that did so.
TAKE = """
UPDATE jobs SET owner = :owner, lease = :until, updated = :now, state = 'running', result = NULL,
    error = NULL
WHERE id = :id AND owner = :former
    AND (state = :state OR (state = 'cancelling' AND :state = 'cancelled'))
    AND (state IN ('done', 'failed', 'cancelled') OR lease NOT BETWEEN :now AND :believable)
"""


class State(StrEnum):
    """Where a job stands, as `_meta["openrouter/job"]["state"]` tells it."""

    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    """Its server died. Never stored: it follows from a running job whose owner is dead."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self not in {State.RUNNING, State.CANCELLING}


@dataclass(frozen=True)
class JobRow:
    """One job. Times are unix seconds; `owner` is the token of the process that runs it."""

    id: str
    tool: str
    title: str
    state: State
    created: float
    updated: float
    owner: str
    text: str = ""
    """What the work gave so far."""
    result: ToolResult | None = None
    error: OpenRouterError | None = None
    upstream_id: str = ""
    """The id under which OpenRouter goes on with it, whatever becomes of this server."""
    details: str = ""
    """What a process that goes on with it has to know beside the id."""
    receipt: Mapping[str, Any] = field(default_factory=dict)
    """What was paid for it by now: `line` and `meta`."""
    message: str = ""
    """The last progress message; known only to the process that runs the job."""

    @property
    def unfinished(self) -> bool:
        """Whether somebody may go on with it: it runs, or failed while OpenRouter has its work."""
        failed_for_now = self.state is State.FAILED and bool(self.upstream_id)
        return self.state is State.RUNNING or (failed_for_now and self._code not in FINAL)

    @property
    def _code(self) -> str:
        """Why it failed."""
        told = self.result.meta if self.result else None
        return self.error.code if self.error else (told or {}).get(ERROR_META, {}).get("code", "")

    @property
    def seconds(self) -> float:
        """How long it has run, as far as is known."""
        return max(0.0, self.updated - self.created)


class JobTable:
    """The jobs of all processes of the user; each method is one transaction."""

    def __init__(self, store: Store, clock: Callable[[], float], ttl: float) -> None:
        self._store = store
        self._clock = clock
        self._ttl = ttl

    async def save(self, job: JobRow) -> State | None:
        """Write a job of this process and renew its lease; delete what has expired.

        Returns the state that it has now: `cancelling` if another process asked for that. None
        means that the job is another process's by now, and nothing was written.
        """
        now = self._clock()
        fields = _fields(job) | {"expires": now + self._ttl, "lease": now + LEASE}

        def work(connection: sqlite3.Connection) -> State | None:
            connection.execute("DELETE FROM jobs WHERE expires < ?", (now,))
            query = "SELECT owner, state FROM jobs WHERE id = ?"
            owner, known = connection.execute(query, (job.id,)).fetchone() or (job.owner, "")
            if owner != job.owner:
                return None
            asked = known == State.CANCELLING and job.state is State.RUNNING
            state = State.CANCELLING if asked else job.state
            connection.execute(SAVE, fields | {"state": state})
            return state

        return await self._store.run(work)

    async def find(self, job_id: str) -> JobRow | None:
        """The job as it was last written, unless it has expired; also by OpenRouter's id for it."""
        upstream = "AND upstream_id = ? ORDER BY created DESC"
        rows = await self._select("AND id = ?", job_id) or await self._select(upstream, job_id)
        return rows[0] if rows else None

    async def recent(self) -> list[JobRow]:
        """The last jobs, newest first."""
        return await self._select("ORDER BY created DESC, rowid DESC LIMIT ?", LISTED)

    async def request_cancel(self, job_id: str) -> None:
        """Ask whichever process runs the job to stop it."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE jobs SET state = 'cancelling' WHERE id = ? AND state = 'running'", (job_id,)
            )

        await self._store.run(work)

    async def lease(self, job: JobRow) -> JobRow | None:
        """Take over a job that nobody runs any more; None if somebody does or was faster.

        One that had ended runs again, without what it ended with.
        """
        if job.state is State.RUNNING and await self._store.alive(job.owner):
            return None
        now, owner = self._clock(), self._store.owner
        fields = {
            "id": job.id,
            "former": job.owner,
            "state": job.state.value,
            "owner": owner,
            "now": now,
            "until": now + LEASE,
            "believable": now + 2 * LEASE,
        }

        def work(connection: sqlite3.Connection) -> bool:
            return connection.execute(TAKE, fields).rowcount == 1

        if not await self._store.run(work):
            return None
        running = replace(job, owner=owner, updated=now, state=State.RUNNING)
        return replace(running, result=None, error=None)

    async def _select(self, condition: str, value: Any) -> list[JobRow]:
        now = self._clock()

        def work(connection: sqlite3.Connection) -> list[JobRow]:
            rows = connection.execute(f"{SELECT} {condition}", (now, value))
            return [_row(values) for values in rows]

        return await self._store.read(work)


def _fields(job: JobRow) -> dict[str, Any]:
    return {
        **{name: getattr(job, name) for name in JobRow.__dataclass_fields__},
        # Half a surrogate pair, as a stream may end in, is nothing that SQLite could keep.
        "text": storable(job.text),
        "receipt": json.dumps(job.receipt),
        "result": job.result and _result_json(job.result),
        "error": job.error and json.dumps({"message": job.error.message, **job.error.meta()}),
    }


def _row(values: tuple[Any, ...]) -> JobRow:
    fields = dict(zip(COLUMNS, values, strict=True))
    result, error = fields["result"], fields["error"]
    try:
        fields["state"] = State(fields["state"])
        fields["result"] = result and ToolResult.from_mcp_result(
            CallToolResult.model_validate(parse_json(result))
        )
        fields["error"] = error and _error(parse_json(error))
    except (ValueError, TypeError, KeyError, AttributeError):
        damage = OpenRouterError(
            Code.JOB_FAILED, "The record of this job is damaged. See get_usage for what it cost."
        )
        fields |= {"state": State.FAILED, "result": None, "error": damage}
    fields["details"] = fields["details"] or ""
    fields["receipt"] = json.loads(fields["receipt"] or "{}")
    return JobRow(**fields)


def _result_json(result: ToolResult) -> str:
    """The result as it goes over the wire, which is all that a client ever sees of it."""
    return CallToolResult.model_validate(
        {
            "content": result.content,
            "structuredContent": result.structured_content,
            "isError": result.is_error,
            "_meta": result.meta,
        }
    ).model_dump_json(by_alias=True)


def _error(fields: dict[str, Any]) -> OpenRouterError:
    return OpenRouterError(Code(fields.pop("code")), fields.pop("message"), **fields)
