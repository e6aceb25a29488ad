"""The MCP server: its tools, its instructions, its parts."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from fastmcp import FastMCP
from fastmcp.server.lifespan import lifespan
from fastmcp.tools import ToolResult
from fastmcp.tools.function_tool import FunctionTool
from mcp.types import Icon

from openrouter_mcp import WEBSITE, __version__
from openrouter_mcp.app import App
from openrouter_mcp.handshake import is_offered, wanted_of
from openrouter_mcp.middleware import Boundary, in_its_version
from openrouter_mcp.settings import NAME, Settings
from openrouter_mcp.text import did_you_mean, nearest, showable_json
from openrouter_mcp.timing import Timing
from openrouter_mcp.tools import account, chat, models, multimodal, resources
from openrouter_mcp.warm_up import warming_up

if TYPE_CHECKING:
    from fastmcp.tools import ToolResult

    from openrouter_mcp.jobs.jobs import Handle

log = logging.getLogger(__name__)

TOOLS: list[Callable[..., Any]] = [
    chat.chat,
    chat.complete_text,
    chat.compare_models,
    chat.run_agent,
    chat.list_threads,
    models.find_models,
    models.get_model,
    models.recommend_model,
    models.get_rankings,
    models.list_providers,
    multimodal.analyze_media,
    multimodal.generate_image,
    multimodal.generate_audio,
    multimodal.generate_video,
    multimodal.transcribe_audio,
    multimodal.embed_texts,
    multimodal.rerank_documents,
    account.get_account,
    account.get_usage,
    account.get_generation,
    account.get_job,
    account.send_feedback,
    account.search_docs,
]


async def _resume_video(app: App, handle: Handle, job_id: str) -> ToolResult:
    from openrouter_mcp.multimodal import video_job

    return await video_job.resume(app, handle, job_id)


RESUMERS = {"generate_video": _resume_video}
"""Who goes on with the jobs of a tool when their server died while OpenRouter was at work."""

INSTRUCTIONS = """\
Ask: chat (files, web, schema, thread_id), compare_models; run_agent works with other MCP servers, \
or changes code in a copy of a folder and hands you a patch.
Media, as file paths: analyze_media, transcribe_audio, generate_image, generate_audio, \
generate_video; embed_texts, rerank_documents.
Which model: recommend_model, find_models, get_model. Never name one from memory: a loose name \
(opus, gemini flash) will do.
Paid replies end with a receipt; slow calls return a job_id for get_job, so never repeat one.
Is it working: get_account. Spending: get_usage. Manual of OpenRouter: search_docs."""


TITLE = "OpenRouter"
ICON = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAACAAAAAgAQMAAABJtOi3AAAABlBMVEUeKTv///93/s7jAAAAWElEQVR42m3N"
    "sQGCMAAEwONTQEc2kE3MKI6im2UUSkvoqMDGTm+B478WLEHF/QjNwLUzbI/ItjJ2MXXcMJ8EYoD5ibGjrC3O"
    "usQ11UJ5hS6sR2F/l2/04wOtOROacfIb3QAAAABJRU5ErkJggg=="
)
"""A way that forks, 32 x 32: every reply of 2026-07-28 holds it, so it is as small as can be."""


def build(
    settings: Settings,
    timing: Timing = Timing(),
    opened: Callable[[App], object] | None = None,
) -> FastMCP:
    """The server for these settings. Building it opens nothing.

    `opened` gets the app of a server that begins to serve.
    """
    tools, unknown = offered(settings.tools)
    problems = [*settings.problems, *unknown]
    for problem in problems:
        log.error(problem)
    notices = [*settings.flaws.values(), *settings.unknown.values()]
    for notice in notices:
        log.warning(notice)

    @lifespan
    async def share(_server: FastMCP) -> AsyncIterator[dict[str, Any]]:
        app = App(settings, timing, RESUMERS, [*problems, *notices])
        if opened:
            opened(app)
        try:
            async with warming_up(app, timing.warm_up):
                yield {"app": app}
            await app.finish()
        finally:
            await app.aclose()

    server = FastMCP(
        NAME,
        version=__version__,
        website_url=WEBSITE,
        icons=[Icon(src=ICON, mime_type="image/png", sizes=["32x32"])],
        instructions=INSTRUCTIONS,
        lifespan=share,
        tools=[*tools],
        middleware=[Boundary(tools, problems, settings.own_keys, settings.unknown_limits)],
        on_duplicate="error",
        mask_error_details=True,
    )
    for template in (resources.model, resources.job, resources.thread):
        server.add_resource(template)
    for prompt in (resources.second_opinion, resources.compare, resources.pick_model):
        server.add_prompt(prompt)
    server.add_completion_handler(resources.complete)
    # FastMCP takes no title, and its own middleware sees no result as it is sent.
    core = server._mcp_server  # noqa: SLF001
    core.title = TITLE
    core.middleware.append(in_its_version)
    return server


class _Tool(FunctionTool):
    """A tool whose data every client can be sent, whatever foreign text is in it."""

    def convert_result(self, raw_value: Any) -> ToolResult:
        data = isinstance(raw_value, dict)
        return super().convert_result(showable_json(raw_value) if data else raw_value)


@cache
def _tools() -> list[FunctionTool]:
    """All of them; their schemas are made once."""
    tools = [_Tool.from_function(function) for function in TOOLS]
    for tool in tools:
        for field in tool.parameters["properties"].values():
            _drop_empty_value(field)
    return tools


def _drop_empty_value(field: dict[str, Any]) -> None:
    """Take the empty value from the schema of a choice, which takes it all the same.

    Some clients refuse the whole list of tools for it (Gemini), others a default that is no value.
    """
    if "" in field.get("enum", ()):
        field["enum"].remove("")
        field.pop("default", None)


def offered(names: Sequence[str]) -> tuple[list[FunctionTool], list[str]]:
    """The tools that OPENROUTER_TOOLS asks for (all if empty), and what is wrong in it."""
    tools = _tools()
    modules = sorted({tag for tool in tools for tag in tool.tags})
    known = [*modules, *(tool.name for tool in tools)]
    wanted = wanted_of(names, {*known})
    chosen = [tool for tool in tools if is_offered(tool.name, tool.tags, wanted)]
    wrong = sorted({name.strip().lower() for name in names} - {*known})
    if not wrong:
        return chosen, []
    near = [name for each in wrong for name in nearest(each, known)[:1]]
    guess = f"{did_you_mean(near, '')} " if near else ""
    there_are = (
        f"The modules are {', '.join(modules)}; the tools {', '.join(known[len(modules) :])}."
    )
    named = f"OPENROUTER_TOOLS: no module or tool is named {', '.join(wrong)}."
    return chosen, [f"{named} {guess}{there_are}"]
