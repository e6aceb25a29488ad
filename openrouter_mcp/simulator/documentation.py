"""The website beside the API: documentation as Markdown, in one file and in pages, and skills.

`documentation.md` is what the site serves as `llms-full.txt`: short pages of our own with the
structure of the real ones.
"""

from __future__ import annotations

import hashlib
import json
import re
from importlib import resources

from starlette.responses import RedirectResponse, Response

from openrouter_mcp.simulator.faults import HTML, body
from openrouter_mcp.simulator.state import Call

SITE = "https://openrouter.ai"
FILES = resources.files("openrouter_mcp.simulator")
WHOLE = FILES.joinpath("documentation.md").read_text("utf-8").strip()
PAGE = re.compile(rf"# (?P<title>.+)\nSource: {SITE}/docs/(?P<path>.+)\n\n(?P<about>.+)\n\n")
INDEX_NOTE = f"""\
> ## Documentation Index
> Fetch the complete documentation index at: {SITE}/docs/llms.txt
> Use this file to discover all available pages before exploring further.

"""
DATA = json.loads(FILES.joinpath("documentation.json").read_text("utf-8"))
MOVED: dict[str, str] = DATA["moved"]
"""Where former paths lead."""
SKILLS: dict[str, tuple[str, str]] = DATA["skills"]
"""Description and text of each skill, by its name."""


def _pages() -> dict[str, tuple[str, str, str]]:
    """Title, description and text of each page, by its path."""
    heads = [*PAGE.finditer(WHOLE)]
    ends = [head.start() for head in heads[1:]] + [len(WHOLE)]
    return {
        head["path"]: (head["title"], head["about"], WHOLE[head.end() : end].strip() + "\n")
        for head, end in zip(heads, ends, strict=True)
    }


PAGES = _pages()


async def docs(call: Call) -> Response:
    """`GET /docs/...`: everything, the list of pages, or one page; former paths redirect."""
    path = call.path_parameters["path"]
    if path == "llms-full.txt":
        return _document(call, WHOLE)
    if path == "llms.txt":
        return _document(call, "\n".join(["# OpenRouter", "", "## Docs", "", *map(_row, PAGES)]))
    name = path.removesuffix(".md")
    if name in MOVED:
        return RedirectResponse(f"/docs/{MOVED[name]}{path.removeprefix(name)}", 308)
    if name not in PAGES:
        return body(404, HTML.format("Page not found"))
    title, about, text = PAGES[name]
    if name == path:
        return body(200, HTML.format(title))
    return _document(call, f"{INDEX_NOTE}# {title}\n\n> {about}\n\n{text}")


async def skills(_call: Call) -> Response:
    """`GET /skills`: the list of all skills, for people."""
    rows = (f'<li><a href="/skills/{name}">{name}</a> {SKILLS[name][0]}</li>' for name in SKILLS)
    return Response(f"<!doctype html><ul>{''.join(rows)}</ul>", media_type="text/html")


async def skill(call: Call) -> Response:
    """`GET /skills/{name}`: the instructions of a skill."""
    name = call.path_parameters["name"]
    if name not in SKILLS:
        return body(404, HTML.format("Skill not found"))
    about, text = SKILLS[name]
    front = f"---\nname: {name}\ndescription: {about}\n---\n"
    return _document(call, f"{front}\n# {name}\n\n{text}\n")


def _document(call: Call, text: str) -> Response:
    """The text with its ETag, or 304 for who has it."""
    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
    headers = {"ETag": tag, "Cache-Control": "public, max-age=0, must-revalidate"}
    if call.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(text, headers=headers, media_type="text/markdown")


def _row(name: str) -> str:
    title, about, _ = PAGES[name]
    return f"- [{title}]({SITE}/docs/{name}.md): {about}"
