"""What a chat costs beside one prompt and one answer: copies, server tools, plugins, parsing.

A modest model searches once. A greedy one (`Simulator.greedy`) calls every tool as often as the
request lets it, which is what a caller has to reckon with.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from openrouter_mcp.simulator.catalogue import Row

Json = dict[str, Any]

SEARCHES = re.compile(r"(?:openrouter:)?web_search.*")
LOOP = 30
"""Tool calls at which OpenRouter stops by itself."""
UNLIMITED = 40
"""Calls of a greedy model where no highest number is sent that the engine keeps to."""
RESULT_TOKENS = 800
PAGE_TOKENS = 8_000
EXA = Decimal("0.007")
MODES = {"deep-lite": "0.012", "deep": "0.012", "deep-reasoning": "0.015"}
FLAT = {"parallel": Decimal("0.005"), "perplexity": Decimal("0.005")}
FETCHED = {"openrouter": Decimal(0), "native": Decimal(0)}
PAGE_FEE = Decimal("0.001")
DEAR = {
    "openrouter:image_generation": Decimal("0.25"),
    "openrouter:fusion": Decimal("0.90"),
    "openrouter:subagent": Decimal("0.40"),
    "openrouter:advisor": Decimal("0.40"),
    "openrouter:bash": Decimal("0.05"),
    "openrouter:files": Decimal("0.05"),
    "fusion": Decimal("0.90"),
    "switchyard-router": Decimal("0.10"),
    "alignment": Decimal("0.30"),
    "armor": Decimal("0.10"),
}
"""USD for one use of tools and plugins that run models or machines of their own."""
OCR_PAGE = Decimal("0.002")
PAGE = re.compile(rb"/Type\s*/Page\b")


@dataclass
class Work:
    """What is used beside one prompt and one answer."""

    fees: Decimal = Decimal(0)
    searches: int = 0
    turns: int = 1
    """How often the model was asked."""
    read: int = 0
    """Tokens of what was found, read in each turn after the first."""
    copies: int = 1


def work_of(request: Json, model: Row, *, greedy: bool, suffix_searches: bool) -> Work:
    """What this request uses, answered by this model."""
    used = Work(copies=max(int(request.get(name) or 1) for name in ("n", "best_of")))
    used.fees += OCR_PAGE * scanned_pages(request, model)
    plugins = [each for each in request.get("plugins") or [] if each.get("enabled", True)]
    web = [each for each in plugins if each["id"] == "web"]
    if suffix_searches and not web:
        web = [{}]
    tools = request.get("tools") or []
    if not greedy:
        searching = any(SEARCHES.fullmatch(tool["type"]) for tool in tools)
        native = "web_search_options" in model["supported_parameters"]
        used.searches = int(bool(web) or searching or native)
        return used
    for known in web:
        search(used, known, model, once=True)
    for tool in tools:
        beside = {key: value for key, value in tool.items() if key not in ("type", "function")}
        known = beside | (tool.get("parameters") or {})
        if SEARCHES.fullmatch(tool["type"]):
            search(used, known, model, once=False)
        elif tool["type"] == "openrouter:web_fetch":
            fetch(used, known)
        elif tool["type"] in DEAR:
            used.fees += UNLIMITED * DEAR[tool["type"]]
    for plugin in plugins:
        if plugin["id"] == "web-fetch":
            fetch(used, plugin)
        used.fees += DEAR.get(plugin["id"], Decimal(0))
    runs = any(tool["type"] != "function" for tool in tools)
    if runs or any(plugin["id"] == "web-fetch" for plugin in plugins):
        used.turns = steps(request) + 1
    if "web_search_options" in model["supported_parameters"]:
        used.searches += 1
    return used


def search(used: Work, known: Json, model: Row, *, once: bool) -> None:
    """Search as often as it is allowed."""
    engine = known.get("engine") or "auto"
    native = engine == "native" or (engine == "auto" and "web_search" in model["pricing"])
    keeps = not native or model["id"].startswith("anthropic/")
    unlimited = 1 if once and not native else UNLIMITED
    uses = (number(known.get("max_uses")) or unlimited) if keeps else UNLIMITED
    results = min(number(known.get("max_results")) or 5, 25)
    if native:
        used.searches += uses
    elif engine in FLAT:
        used.fees += uses * FLAT[engine]
    else:
        each = Decimal(MODES.get(known.get("mode", ""), str(EXA)))
        used.fees += uses * (each + Decimal("0.001") * max(0, results - 10))
    used.read += uses * results * RESULT_TOKENS


def fetch(used: Work, known: Json) -> None:
    """Fetch as many pages as it is allowed."""
    uses = number(known.get("max_uses")) or UNLIMITED
    used.fees += uses * FETCHED.get(known.get("engine", ""), PAGE_FEE)
    used.read += uses * (number(known.get("max_content_tokens")) or PAGE_TOKENS * 4)


def steps(request: Json) -> int:
    """The turns that run tools: conditions override `max_tool_calls`."""
    conditions = request.get("stop_server_tools_when")
    if conditions:
        counts = [each["step_count"] for each in conditions if each["type"] == "step_count_is"]
        return min(counts, default=LOOP)
    return min(number(request.get("max_tool_calls")) or LOOP, LOOP)


def number(value: Any) -> int:
    """A count that is one; 0 for what OpenRouter takes for no limit."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def scanned_pages(request: Json, model: Row) -> int:
    """The pages that mistral-ocr reads: where it is asked for, or the model reads no files."""
    plugins = request.get("plugins") or []
    engines = [(each.get("pdf") or {}).get("engine") for each in plugins]
    engine = next(filter(None, engines), "")
    if engine not in ("", "mistral-ocr"):
        return 0
    if not engine and "file" in model["architecture"]["input_modalities"]:
        return 0
    contents = [sent.get("content") for sent in request["messages"]]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return sum(pages(part["file"]) for part in parts if part["type"] == "file")


def pages(file: Json) -> int:
    """How many pages a PDF has; a thousand where it is not at hand."""
    head, _, data = str(file.get("file_data") or "").partition("base64,")
    if not head.startswith("data:"):
        return 1000
    return max(1, len(PAGE.findall(base64.b64decode(data))))
