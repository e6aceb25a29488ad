"""The catalogue and the tool list: milliseconds and tokens."""

import json
from functools import partial
from pathlib import Path

from tests.bench.processes import ONE_TOOL, call, environment, python, server, upstream
from tests.bench.samples import CATALOGUE, medians
from tests.bench.table import Row, Table

CALLS = 40


async def find(state: Path) -> Table:
    """`find_models` once the catalogue is loaded, what its page weighs, what the tools weigh."""
    async with (
        upstream(models=CATALOGUE) as url,
        server(environment(url, state)) as process,
        python(ONE_TOOL) as one_tool,
    ):
        await one_tool.initialize()
        add = partial(call, one_tool, "add", a=1, b=2)
        page, floor = await medians(CALLS, partial(call, process, "find_models"), add)
        search, _ = await medians(CALLS, partial(call, process, "find_models", query="opus"), add)
        [result] = await call(process, "find_models")
        listed = (await process.request("tools/list"))["result"]["tools"]
    tools = {tool["name"]: tokens(definition(tool)) for tool in listed}
    text = result["content"][0]["text"]
    return Table(
        f"Models and tool list, ms (median of {CALLS}) and tokens (bytes / 4)",
        "`add` of the one-tool server",
        [
            Row("find_models, default page, ms", page, floor, "figure", at_most=5),
            Row("find_models query=opus, ms", search, floor, "figure", at_most=5),
            Row("default page, tokens", tokens(text), judged="figure", at_most=1200),
            Row(
                f"all {len(tools)} tools, tokens", sum(tools.values()), None, "figure", at_most=4500
            ),
            Row("per tool, tokens", sum(tools.values()) / len(tools), judged="figure"),
            *(Row(f"   {name}", size, judged="figure") for name, size in tools.items()),
        ],
        note=f"over stdio, catalogue of {CATALOGUE} rows, already loaded",
    )


def definition(tool: dict) -> str:
    """What a host shows the model of a tool, as compact JSON."""
    shown = {name: tool[name] for name in ("name", "description", "inputSchema")}
    return json.dumps(shown, separators=(",", ":"), ensure_ascii=False)


def tokens(text: str) -> float:
    """A quarter of the bytes."""
    return len(text.encode()) / 4
