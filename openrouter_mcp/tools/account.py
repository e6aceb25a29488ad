"""The account and what surrounds it: feedback, documentation. Nothing here is billed."""

from typing import Annotated, Any, Literal

from fastmcp.tools import ToolResult
from mcp.types import ToolAnnotations
from pydantic import Field

from openrouter_mcp.app import App
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.progress import Progress
from openrouter_mcp.tools.arguments import Text
from openrouter_mcp.tools.context import LOOK_UP, CurrentApp, CurrentProgress, tool

ACTS = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True
)

REFUSED = {
    401: (
        Code.AUTH,
        "OpenRouter does not know this key. Set OPENROUTER_MANAGEMENT_KEY (or OPENROUTER_API_KEY) "
        "to a valid one and restart this server.",
    ),
    403: (
        Code.PERMISSION,
        "OpenRouter takes feedback from management keys only. Create one at "
        "https://openrouter.ai/settings/management-keys, set OPENROUTER_MANAGEMENT_KEY and restart "
        "this server.",
    ),
    404: (
        Code.NOT_FOUND,
        "OpenRouter knows no such generation of this account. Take the gen-... id from a receipt; "
        "a new one can take some seconds to be known.",
    ),
}


@tool(
    title="Send feedback",
    tags={"account"},
    annotations=ACTS,
    hint="complain, rate, bad answer",
)
async def send_feedback(
    generation_id: Annotated[Text, Field(description="gen-... of a receipt.")],
    category: Literal[
        "latency",
        "incoherence",
        "incorrect_response",
        "formatting",
        "billing",
        "api_error",
        "other",
    ],
    comment: Annotated[Text, Field(max_length=1000)] = "",
    app: App = CurrentApp,
) -> dict[str, bool]:
    """Report a bad generation to OpenRouter. Ask the user first."""
    body = {"generation_id": generation_id, "category": category}
    if comment:
        body["comment"] = comment
    try:
        await app.client.post("/generation/feedback", body, management=True)
    except OpenRouterError as error:
        if error.http_status not in REFUSED:
            raise
        code, message = REFUSED[error.http_status]
        raise OpenRouterError(code, message, http_status=error.http_status) from None
    return {"sent": True}


@tool(
    title="Search docs",
    tags={"account"},
    annotations=LOOK_UP,
    output_schema=None,
    hint="documentation, manual, API reference, help, how to",
)
async def search_docs(
    page: Text = "",
    query: Text = "",
    app: App = CurrentApp,
) -> ToolResult:
    """Search OpenRouter's docs and skills, or read one page (path, URL or title)."""
    from openrouter_mcp.docs import replies
    from openrouter_mcp.docs.search import Docs

    docs = Docs(app.settings, app.cache)
    if bool(query.strip()) is bool(page.strip()):
        raise OpenRouterError(
            Code.INVALID_INPUT, "Give either query, to search, or page, to read one page."
        )
    if page.strip():
        return replies.read(await docs.read(page))
    return replies.found(await docs.search(query))


@tool(
    title="Get account",
    tags={"account"},
    annotations=LOOK_UP,
    hint="credits left, balance, API key, quota, billing, status",
)
async def get_account(app: App = CurrentApp) -> dict[str, Any]:
    """Is it working? Key, credits, limits, free quota, budgets, health. Never billed."""
    from openrouter_mcp.account.overview import overview

    return await overview(app)


@tool(
    title="Get usage",
    tags={"account"},
    annotations=LOOK_UP,
    hint="spend, spent, costs, bill, money, tokens used",
)
async def get_usage(
    days: Annotated[int, Field(ge=1, le=365)] = 7,
    by: Literal["model", "tool", "day"] = "model",
    limit: Annotated[int, Field(ge=1, le=1000)] = 50,
    app: App = CurrentApp,
) -> dict[str, Any]:
    """What was spent (USD): the local ledger; the whole account with a management key."""
    from openrouter_mcp.account.usage import usage

    return await usage(app, days, by, limit)


@tool(
    title="Get generation",
    tags={"account"},
    annotations=LOOK_UP,
    hint="trace, debug, which provider answered, cost of a call",
)
async def get_generation(
    generation_id: Annotated[Text, Field(description="gen-... of a receipt.")],
    content: Annotated[bool, Field(description="Prompt and answer too, where logged.")] = False,
    app: App = CurrentApp,
) -> dict[str, Any]:
    """What really ran: route, fallbacks, native tokens, cost, latency (ms)."""
    from openrouter_mcp.account.generation import generation

    return await generation(app, generation_id, content=content)


@tool(
    title="Get job",
    tags={"account"},
    annotations=ACTS,
    output_schema=None,
    hint="job status, wait, poll, result, background",
)
async def get_job(
    job_id: Annotated[Text, Field(description="Empty = list the jobs.")] = "",
    wait: Annotated[float, Field(ge=0, description="Seconds.")] = 45,
    cancel: Annotated[bool, Field(description="Stop it.")] = False,
    save_to: Annotated[Text, Field(description="File or folder for what it gave.")] = "",
    app: App = CurrentApp,
    progress: Progress = CurrentProgress,
) -> ToolResult:
    """Wait for, read, save again or cancel a call that became a job."""
    from openrouter_mcp.jobs import replies, save_again

    if save_to and (cancel or not job_id):
        raise OpenRouterError(
            Code.INVALID_INPUT, "save_to needs the job_id of a job, and goes without cancel."
        )
    if not job_id:
        return replies.listed(await app.jobs.list())
    if cancel:
        return await app.jobs.cancel(job_id)
    if save_to:
        return await save_again.save(app.settings, app.jobs, job_id, save_to, wait, progress)
    return await app.jobs.get(job_id, wait, progress)
