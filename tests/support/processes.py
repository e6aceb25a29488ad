"""Processes that a test starts, forked from one that has imported what they need."""

import multiprocessing

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [f"tests.test_{name}" for name in ("budget", "cache", "docs", "presence", "store")]
    + ["filelock", "sqlite3"]
)
