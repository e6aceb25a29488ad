"""A program that gives hostile input to all that reads foreign text, and names what takes long.

Seconds are those of the processor, so that a busy machine changes nothing: what takes time in
proportion to its input needs a hundredth of the limit, what does not needs many times as much.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.queues import SimpleQueue

from tests.support import hostile_files, patterns

LIMIT = 0.4
"""Seconds of one input."""
SHORT, LONG = 2_000, 60_000
"""Characters of a string that tells whether a pattern is worth the long one, and of that."""
SUSPICIOUS = 0.0015
"""Seconds that the short one may take."""


class Late(BaseException):
    """A `BaseException`, so that nothing which is tested takes it for a failure of its own."""


@contextmanager
def deadline(late: list[str], name: str) -> Iterator[None]:
    """Name what is not done in time."""
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
    try:
        yield
    except Late:
        late.append(name)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _end(*_: object) -> None:
    raise Late


def _seconds(work: Callable[[int], None]) -> float:
    begun = time.perf_counter()
    work(SHORT)
    return time.perf_counter() - begun


def find(found: SimpleQueue[list[str]]) -> None:
    """Put the name of each pattern and each reader that took too long."""
    found.put(_late())


def _late() -> list[str]:
    signal.signal(signal.SIGVTALRM, _end)
    late: list[str] = []
    for use in patterns.uses():
        for head, unit in patterns.hostile(use.pattern):
            work = partial(patterns.apply, use, head, unit)
            name = f"{use.name} with {head[:20]!r} and {unit[:20]!r} again and again"
            with deadline(late, name):
                if _seconds(work) > SUSPICIOUS:
                    work(LONG)
            if name in late:
                break
    for name, (_, values) in hostile_files.READERS.items():
        for value in values:
            with deadline(late, f"{name}: {str(value)[:40]!r}"):
                hostile_files.read(name, value)
    return late


if __name__ == "__main__":
    sys.stdout.write("\n".join(_late()))
