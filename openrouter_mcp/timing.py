"""How long the server waits: a value that is passed to whatever waits, so that tests need not."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Waiting that is no setting of the user's, all in seconds."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Waits before another attempt at what failed or was not there yet."""

    age: Callable[[str], float] = lambda _request_id: 0.0
    """How long ago a request came that had to wait for this server to start, by its id."""

    warm_up: float = 0.1
    """The warm-up begins this long after the server: what waited for that is answered first."""

    longest_retry_wait: float = 20.0
    """A request that OpenRouter lets wait longer fails instead: whether to wait is the caller's."""

    progress_interval: float = 0.5
    """Two notifications of progress are at least this far apart."""

    progress_pulse: float = 8.0
    """After this the last message is sent again; clients expect one within ten."""

    user_answer: float = 300.0
    """The user has this to answer a question; some clients never show one, nor say so."""

    look_up: float = 10.0
    """A look-up of a call that has more to tell is left out of its reply after this."""

    reservation: float = 10.0
    """A request waits this long for money that other requests hold."""

    statistics: tuple[float, ...] = (0.5, 1.0, 2.0, 3.0)
    """The waits for a generation whose statistics OpenRouter is still writing."""

    job_save: float = 2.0
    """The text of a job is stored this often while it grows."""

    job_look: float = 1.0
    """Who waits for a job of another process looks this often whether it is done."""

    job_cancel: float = 5.0
    """A job that is cancelled has this to end before its caller is answered."""

    jobs_alone: float = 0.0
    """The jobs of a client that has gone have this to end by themselves before they are stopped."""

    job_close: float = 0.7
    """The jobs of a server that closes have this to end together."""

    server_start: float = 30.0
    """Another MCP server has this to start and to list its tools; the first npx takes a while."""

    server_exit: float = 0.5
    """It has this to exit once its input is closed, and again once it is told to.

    Twice that is less than hosts give us to exit: what is left when we are killed goes on for ever.
    """

    document_lock: float = 30.0
    """Another process has this to fetch a document of the cache."""

    store_lock: float = 10.0
    """Other processes have this to finish with the file of the store."""
