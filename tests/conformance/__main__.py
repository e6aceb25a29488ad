"""`make conformance`: the MCP conformance suite and the Inspector against this server.

Both come from the npm registry in the versions below. What they find must be what the tables in
`docs/clients.md` say, which `make conformance-tables` writes.
"""

import asyncio
import json
import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

from mcp import MCPDeprecationWarning

from openrouter_mcp.simulator.server import serve
from openrouter_mcp.simulator.state import INFERENCE_KEY, Simulator
from tests.conformance.server import serving
from tests.support import node

SUITE = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
INSPECTOR = "@modelcontextprotocol/inspector@2.12.0"
REVISIONS = ("2025-11-25", "2026-07-28")
"""The suite lists for each of them what a server must do."""
ERAS = ("legacy", "modern")
"""What the Inspector calls the protocols until 2025-11-25 and since 2026-07-28."""
REQUESTS = (
    "tools/list --strict",
    "tools/call --tool-name get_account",
    "prompts/list",
    "prompts/get --prompt-name pick_model --prompt-args task=proofreading",
    "resources/templates/list",
    "resources/read --uri openrouter://models/openai/gpt-5-mini",
)
"""What the Inspector asks for; `--strict` fails where a schema is not fit for every client."""
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "clients.md"
PROGRAMS = ROOT / ".venv" / "npm"
PATIENCE = 240
"""Seconds for one program."""
TABLES = re.compile(r"(?<=<!-- begin: make conformance-tables -->\n).*(?=<!-- end -->)", re.DOTALL)

Results = dict[str, dict[str, bool]]
"""Whether each scenario or request passed, by the columns of its table."""


async def run(program: str, *arguments: str) -> tuple[int, str]:
    """The exit code of one of the two programs, and what it said."""
    path = PROGRAMS / "node_modules" / ".bin" / program
    environment = os.environ | {"PATH": node.search_path()}
    return await node.run(path, *arguments, environment=environment, patience=PATIENCE)


async def conformance(environment: Mapping[str, str]) -> Results:
    """What the suite says of each scenario that a revision requires."""
    found: Results = {}
    async with serving(environment) as url:
        for revision in REVISIONS:
            folder = Path(environment["OPENROUTER_STATE_DIR"]).with_name(revision)
            asked = ["server", "--url", url, "--requirements", revision, "-o", str(folder)]
            code, said = await run("conformance", *asked)
            ran = dict(re.findall(r"^[✓✗] (\S+): (\d+ passed, \d+ failed)", said, re.MULTILINE))
            optional = re.findall(r"^  [✓✗] (\S+) \(", said, re.MULTILINE)
            passed = {
                name: re.match(r"[1-9]\d* passed, 0 ", ran[name]) is not None
                for name in ran
                if name not in optional
            }
            for name in passed:
                if not passed[name]:
                    sys.stdout.write(_complaint(folder, name))
            if code and all(passed.values()):
                sys.exit(f"conformance server {revision}: exit code {code}\n{said[-3000:]}")
            for name, result in passed.items():
                found.setdefault(name, {})[revision] = result
    return found


def _complaint(folder: Path, scenario: str) -> str:
    """What the suite has against the server, from the files that it wrote."""
    lines = [f"{scenario} ({folder.name})"]
    for path in folder.glob(f"server-{scenario}-2*/checks.json"):
        checks = json.loads(path.read_text("utf-8"))
        failed = [check for check in checks if check["status"] == "FAILURE"]
        lines += [f"  {check['id']}: {check.get('errorMessage')}" for check in failed]
    return "\n".join(lines) + "\n"


async def inspector(environment: Mapping[str, str]) -> Results:
    """Whether the Inspector is content with the server, as a process on stdio."""
    variables = [part for name, value in environment.items() for part in ("-e", f"{name}={value}")]
    served = [sys.executable, "-m", "openrouter_mcp"]
    found: Results = {}
    for request in REQUESTS:
        for era in ERAS:
            asked = ["--method", *request.split(), "--protocol-era", era, "--format", "json"]
            code, said = await run("mcp-inspector", "--cli", *served, *variables, *asked)
            found.setdefault(request, {})[era] = code == 0
            if code:
                sys.stdout.write(f"{request} ({era}): exit code {code}\n{said[-3000:]}\n")
    return found


def table(title: str, columns: tuple[str, ...], results: Results) -> str:
    """The results as a table; a dash where a column has no such row."""
    words = {True: "passed", False: "**failed**", None: "-"}
    lines = [f"| {' | '.join([title, *columns])} |", "|---" * (len(columns) + 1) + "|"]
    for name, result in sorted(results.items()):
        cells = [words[result.get(column)] for column in columns]
        lines.append(f"| {' | '.join([f'`{name}`', *cells])} |")
    return "\n".join(lines) + "\n"


async def main() -> int:
    """Run all, print the tables, compare them with the page; 1 where something failed."""
    await node.install(PROGRAMS, SUITE, INSPECTOR)
    with serve(Simulator()) as simulator, tempfile.TemporaryDirectory() as scratch:
        os.environ["HOME"] = scratch
        environment = {
            "OPENROUTER_API_KEY": INFERENCE_KEY,
            "OPENROUTER_BASE_URL": simulator.url,
            "OPENROUTER_STATE_DIR": f"{scratch}/state",
        }
        scenarios = await conformance(environment)
        requests = await inspector(environment)
    tables = "\n".join(
        (
            table(f"scenario of `{SUITE}`", REVISIONS, scenarios),
            table(f"request of `{INSPECTOR}`", ERAS, requests),
        )
    )
    results = [passed for row in (scenarios | requests).values() for passed in row.values()]
    page = PAGE.read_text("utf-8")
    written = TABLES.sub(lambda _: tables, page)
    if "--write" in sys.argv[1:]:
        PAGE.write_text(written, "utf-8", newline="\n")
    elif written != page:
        sys.stdout.write(f"{tables}\ndocs/clients.md says otherwise: make conformance-tables\n")
        return 1
    sys.stdout.write(f"{results.count(True)} passed, {results.count(False)} failed\n")
    return 0 if all(results) else 1


if __name__ == "__main__":
    # The suite asks for what the newest protocol deprecates too.
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    logging.basicConfig(level=logging.ERROR)
    sys.exit(asyncio.run(main()))
