"""`python -m tests.clients [NAME ...]`: real MCP clients against this server and the simulator.

README.md beside this file says more.
"""

import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openrouter_mcp.simulator.answers import Script
from openrouter_mcp.simulator.server import serve
from openrouter_mcp.simulator.state import INFERENCE_KEY, Simulator
from tests.clients.agents import AGENTS, Setup
from tests.clients.model import Model, serve_model
from tests.support import node

Json = dict[str, Any]
Told = dict[str, Json]
"""What a client got to see of each step."""

DRIVERS = Path(__file__).parent / "drivers"
SERVER = [sys.executable, "-m", "openrouter_mcp"]
SLOW, ENDLESS, DEAR = "Answer slowly", "Never answer", "Answer at any length"
SCRIPTS = {SLOW: 6, ENDLESS: 600}
"""Seconds that a model thinks about these prompts."""
WAIT_SECONDS = "3"
"""It fits clients with five seconds of patience, and makes the slow answer a job."""
CONFIRM_ABOVE = "0.2"
"""USD; what has no bound of its own can cost more."""
STEPS: list[Json] = [
    {"step": "chat", "tool": "chat", "args": {"model": "sonnet", "prompt": "Say hello."}},
    {"step": "image", "tool": "generate_image", "args": {"prompt": "A lighthouse at dusk"}},
    {"step": "error", "tool": "chat", "args": {"model": "clod sonnit 99", "prompt": "Hello"}},
    {"step": "job", "tool": "chat", "args": {"model": "sonnet", "prompt": SLOW}},
    {
        "step": "question",
        "tool": "chat",
        "args": {"model": "opus", "max_tokens": 20_000, "prompt": DEAR},
    },
    {"step": "cancellation", "tool": "chat", "args": {"model": "sonnet", "prompt": ENDLESS}},
]
GIVE_UP_AFTER = 2
"""Seconds after which a driver gives the last step up; it comes before the wait is over."""
GIVE_UP_LATE = 15
"""The same for who has to start the server first, or an agent with it."""
COLUMNS = ["connect", "list", *(step["step"] for step in STEPS)]
PATIENCE = 400
"""Seconds for one run of a client."""


@dataclass(frozen=True)
class Client:
    """A library with a client in it, and the driver that uses it."""

    driver: str
    packages: tuple[str, ...]
    """What npm or pip installs."""
    server_per_call: bool = False
    """Whether it ends the server after each call, so that no job can go on."""


LIBRARIES = {
    "TypeScript SDK 1.11": Client("typescript_sdk.mjs", ("@modelcontextprotocol/sdk@1.11.0",)),
    "TypeScript SDK 1.32": Client("typescript_sdk.mjs", ("@modelcontextprotocol/sdk@1.32.2",)),
    "TypeScript SDK 2.3": Client("typescript_client.mjs", ("@modelcontextprotocol/client@2.3.1",)),
    "AI SDK": Client("ai_sdk.mjs", ("@ai-sdk/mcp@2.0.99", "ai@7.0.173")),
    "Inspector": Client("inspector.mjs", ("@modelcontextprotocol/inspector@2.12.0",), True),
    "Python SDK 1.9": Client("python_mcp_1.py", ("mcp==1.9.4", "pydantic==2.11.10")),
    "Python SDK 1.30": Client("python_mcp_1.py", ("mcp==1.30.0",)),
    "Python SDK 2.3": Client("python_mcp_2.py", ("mcp==2.3.0",)),
    "LangChain": Client("langchain.py", ("langchain-mcp-adapters==0.3.2",), True),
    "OpenAI Agents": Client("openai_agents.py", ("openai-agents==0.24.0",)),
    "Pydantic AI": Client("pydantic_ai_toolset.py", ("pydantic-ai-slim[mcp]==2.68.0",)),
}


@dataclass(frozen=True)
class Desk:
    """Where one client works: its programs, its home, and the simulator that it ends up at."""

    programs: Path
    home: Path
    simulator: Simulator
    api: str

    def variables(self, **others: str) -> dict[str, str]:
        """The environment of the server."""
        return {
            "OPENROUTER_API_KEY": INFERENCE_KEY,
            "OPENROUTER_BASE_URL": self.api,
            "OPENROUTER_STATE_DIR": str(self.home / "state"),
            "OPENROUTER_OUTPUT_DIR": str(self.home / "output"),
            "OPENROUTER_WAIT_SECONDS": WAIT_SECONDS,
            "OPENROUTER_CONFIRM_ABOVE": CONFIRM_ABOVE,
            **others,
        }

    async def run(self, *command: str | Path, environment: Mapping[str, str]) -> str:
        """Run a client at home; what it said."""
        folders = {
            f"XDG_{name}_HOME": str(self.home / ".local" / name.lower())
            for name in ("DATA", "STATE", "CACHE")
        }
        own = {"PATH": node.search_path(), "HOME": str(self.home)} | folders
        work = self.home / "work"
        work.mkdir(exist_ok=True)
        _, said = await node.run(
            *command, environment=own | environment, patience=PATIENCE, folder=work
        )
        return said


async def drive(client: Client, desk: Desk) -> Told:
    """What the driver of a library reports, one line for each step."""
    program: list[str | Path]
    if client.driver.endswith(".mjs"):
        await node.install(desk.programs, *client.packages)
        # Node.js looks for packages beside the module that imports them.
        for driver in DRIVERS.glob("*.mjs"):
            shutil.copy(driver, desk.programs)
        program = ["node", desk.programs / client.driver]
    else:
        await _pip(desk.programs, client.packages)
        program = [desk.programs / "bin" / "python", DRIVERS / client.driver]
    patience = GIVE_UP_LATE if client.server_per_call else GIVE_UP_AFTER
    steps = [*STEPS[:-1], STEPS[-1] | {"abortAfter": patience}]
    others = {"OPENROUTER_WAIT_SECONDS": "0"} if client.server_per_call else {}
    server = {"command": SERVER, "env": {"PATH": os.environ["PATH"]} | desk.variables(**others)}
    given = json.dumps({"server": server, "steps": steps, "programs": str(desk.programs)})
    said = await desk.run(*program, given, environment={})
    (desk.home / "said").write_text(said, "utf-8")
    lines = [json.loads(line) for line in said.splitlines() if line.startswith('{"step"')]
    return {line["step"]: line for line in lines}


async def _pip(folder: Path, packages: tuple[str, ...]) -> None:
    if (folder / "bin" / "python").exists():
        return
    own = {**os.environ}
    await node.run(sys.executable, "-m", "venv", folder, environment=own, patience=60)
    pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    code, said = await node.run(*pip, *packages, environment=own, patience=240)
    if code:
        sys.exit(f"pip cannot install {' and '.join(packages)}.\n{said[-3000:]}")


async def instruct(name: str, desk: Desk) -> Told:
    """What an agent shows its model, in one run for most steps and another to lose patience."""
    package, set_up = AGENTS[name]
    await node.install(desk.programs, package, scripts=True)
    told: Told = {}
    for steps, timeout, others in (
        (STEPS[:-1], 0, {}),
        (STEPS[-1:], GIVE_UP_LATE, {"OPENROUTER_WAIT_SECONDS": "0"}),
    ):
        model = Model(steps)
        backend = serve_model(model)
        address = f"http://127.0.0.1:{backend.server_port}"
        setup = Setup(desk.home, address, SERVER, desk.variables(**others), timeout)
        start = set_up(setup)
        program = desk.programs / "node_modules" / ".bin" / start.program
        said = await desk.run(program, *start.arguments, environment=start.environment)
        (desk.home / f"said-{timeout}").write_text(said, "utf-8")
        backend.shutdown()
        names = [re.sub(r".*openrouter_+", "", tool) for tool in model.tools]
        told |= {"connect": {"text": ""}, "list": {"tools": names}} if "chat" in names else {}
        told |= {step: {"text": text} for step, text in model.told().items()}
    return told


def judged(step: str, told: Told, simulator: Simulator) -> str:
    """ "ok" or what is wrong, with a word on how it went."""
    seen = told.get(step, {})
    text = seen.get("text", "")
    asked = [each for each in simulator.requests if _prompt(each.body) == _PROMPTS.get(step, "")]
    if step == "cancellation":
        left = [each for each in asked if each.closed_at is None]
        return "LEFT RUNNING" if left else "ok" if asked else "NOT TRIED: given up too soon"
    if not seen:
        return "NOTHING"
    if seen.get("raised"):
        return f"RAISED {seen['raised'][:60]}"
    match step:
        case "list":
            return "ok" if {"chat", "generate_image", "get_job"} <= {*seen["tools"]} else "LACKING"
        case "chat" | "job":
            return "ok" if "Simulated answer" in text and "| $0.0" in text else "NO ANSWER"
        case "image":
            path = re.search(r"(/\S+\.(?:jpg|png|webp))", text)
            if not (path and Path(path[1]).is_file() and "| $0.0" in text):
                return "NO FILE"
            return "ok" if "image" in seen.get("blocks", []) or "[image]" in text else "ok, path"
        case "error":
            return "ok" if "find_models" in text else "NO NEXT STEP"
        case "question":
            if asked:
                return "ok" if "| $0.0" in text else "PAID WITHOUT REPLY"
            return _refused(text)
    return "ok"


def _refused(text: str) -> str:
    """Why nothing was paid, if the reply says so."""
    reasons = {"no way to ask": "cannot ask", "said no": "declined", "closed the": "closed"}
    found = [short for words, short in reasons.items() if words in text]
    return f"ok, {found[0]}" if found and "nothing was paid" in text else "NO REASON"


def _prompt(body: Any) -> str:
    messages = body.get("messages") if isinstance(body, dict) else None
    return str(messages[-1].get("content")) if messages else ""


_PROMPTS = {step["step"]: step["args"]["prompt"] for step in STEPS}


async def main(names: list[str]) -> int:
    """Run these clients, or all, and print the table; 1 where something is wrong."""
    unknown = {*names} - {*LIBRARIES, *AGENTS}
    if unknown:
        sys.exit(f"No client is named {', '.join(unknown)}.\n{', '.join([*LIBRARIES, *AGENTS])}")
    programs = Path(tempfile.gettempdir()) / "openrouter-mcp-clients"
    rows = [["client", *COLUMNS, "seconds"], ["---"] * (len(COLUMNS) + 2)]
    for name in names or [*LIBRARIES, *AGENTS]:
        sys.stderr.write(f"{name} ...\n")
        with serve(Simulator()) as server, tempfile.TemporaryDirectory() as home:
            for prompt, seconds in SCRIPTS.items():
                script = Script(latency=seconds)
                server.simulator.answer(script, prompt=prompt, times=None)
            folder = programs / re.sub(r"\W+", "-", name).lower()
            folder.mkdir(parents=True, exist_ok=True)
            desk = Desk(folder, Path(home), server.simulator, server.url)
            begun = time.monotonic()
            library = LIBRARIES.get(name)
            told = await (drive(library, desk) if library else instruct(name, desk))
            took = f"{time.monotonic() - begun:.0f}"
            await _until_quiet(server.simulator)
            cells = [judged(step, told, server.simulator) for step in COLUMNS]
            rows.append([name, *cells, took])
            if not all(cell.startswith("ok") for cell in cells):
                for said in Path(home).glob("said*"):
                    sys.stderr.write(f"{said.read_text('utf-8')[-3000:]}\n")
                sys.stderr.write(f"{json.dumps(told, indent=1)[:6000]}\n")
    sys.stdout.write("".join(f"| {' | '.join(row)} |\n" for row in rows))
    return 0 if all(cell.startswith("ok") for row in rows[2:] for cell in row[1:-1]) else 1


async def _until_quiet(simulator: Simulator) -> None:
    """Wait until no request is at work, but not for ever."""
    for _ in range(50):
        if not simulator.in_flight:
            return
        await asyncio.sleep(0.2)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
