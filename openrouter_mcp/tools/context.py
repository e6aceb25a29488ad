"""What every tool gets from the server that runs it: the app, progress, annotations."""

from fastmcp.dependencies import CurrentContext, Depends
from fastmcp.server.context import Context
from mcp.types import ToolAnnotations

from openrouter_mcp.app import App
from openrouter_mcp.progress import Progress

PAID = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True
)
LOOK_UP = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True
)


def _app(context: Context = CurrentContext()) -> App:
    return context.lifespan_context["app"]


def _progress(context: Context = CurrentContext()) -> Progress:
    async def send(seconds: float, message: str) -> None:
        await context.report_progress(seconds, message=message)

    return Progress(send)


CurrentApp = Depends(_app)
CurrentProgress = Depends(_progress)
