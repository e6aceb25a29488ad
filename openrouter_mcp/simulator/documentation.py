"""The website beside the API: documentation as Markdown, in one file and in pages, and skills."""

from __future__ import annotations

import hashlib

from starlette.responses import RedirectResponse, Response

from openrouter_mcp.simulator.call import Call
from openrouter_mcp.simulator.documentation_pages import MOVED, PAGES, SKILLS
from openrouter_mcp.simulator.replies import page

SITE = "https://openrouter.ai"
INDEX_NOTE = """\
> ## Documentation Index
> Fetch the complete documentation index at: https://openrouter.ai/docs/llms.txt
> Use this file to discover all available pages before exploring further.

"""


async def docs(call: Call) -> Response:
    """`GET /docs/...`: everything, the list of pages, or one page; former paths redirect."""
    path = call.path_parameters["path"]
    if path == "llms-full.txt":
        return _document(call, "\n\n\n".join(_whole(name) for name in PAGES))
    if path == "llms.txt":
        return _document(call, "\n".join(["# OpenRouter", "", "## Docs", "", *map(_row, PAGES)]))
    name = path.removesuffix(".md")
    if name in MOVED:
        return RedirectResponse(f"/docs/{MOVED[name]}{path.removeprefix(name)}", 308)
    if name not in PAGES:
        return page(404, "Page not found")
    title, description, text = PAGES[name]
    if name == path:
        return page(200, title)
    return _document(call, f"{INDEX_NOTE}# {title}\n\n> {description}\n\n{text}")


async def skills(_call: Call) -> Response:
    """`GET /skills`: the list of all skills, for people."""
    rows = (f'<li><a href="/skills/{name}">{name}</a> {SKILLS[name][0]}</li>' for name in SKILLS)
    return Response(f"<!doctype html><ul>{''.join(rows)}</ul>", media_type="text/html")


async def skill(call: Call) -> Response:
    """`GET /skills/{name}`: the instructions of a skill."""
    name = call.path_parameters["name"]
    if name not in SKILLS:
        return page(404, "Skill not found")
    description, text = SKILLS[name]
    front = f"---\nname: {name}\ndescription: {description}\n---\n"
    return _document(call, f"{front}\n# {name}\n\n{text}\n")


def _document(call: Call, text: str) -> Response:
    """The text with its ETag, or 304 for who has it."""
    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
    headers = {"ETag": tag, "Cache-Control": "public, max-age=0, must-revalidate"}
    if call.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(text, headers=headers, media_type="text/markdown")


def _whole(name: str) -> str:
    title, description, text = PAGES[name]
    return f"# {title}\nSource: {SITE}/docs/{name}\n\n{description}\n\n{text.strip()}"


def _row(name: str) -> str:
    title, description, _ = PAGES[name]
    return f"- [{title}]({SITE}/docs/{name}.md): {description}"
