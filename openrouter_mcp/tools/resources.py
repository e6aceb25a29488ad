"""What clients can read or insert beside the tools: resources, prompts, completion of model ids."""

import json
import time

from fastmcp.server.dependencies import get_context
from mcp.types import (
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)
from pydantic import Field

from openrouter_mcp.app import App
from openrouter_mcp.progress import Progress
from openrouter_mcp.tools.context import CurrentApp, CurrentProgress, prompt, resource

JSON = "application/json"
COMPLETIONS = 50
LONGEST_TYPED = 2000
"""Characters; every completion begins with what is typed already."""
MODEL_ARGUMENTS = {"model", "models", "id"}


@resource(
    "openrouter://models/{id*}", name="Model", title="Model by id", mime_type="application/json"
)
async def model(id: str, app: App = CurrentApp) -> str:
    """One model in full, as get_model tells it; {id} is its id or a loose name."""
    from openrouter_mcp.models import search

    snapshot = await app.catalogue.models()
    found = search.resolve(snapshot, id)
    card, _ = await search.model_card(app.catalogue, app.market, snapshot, found, time.time())
    return json.dumps(card, ensure_ascii=False)


@resource("openrouter://jobs/{id}", name="Job", title="Job by id", mime_type="text/plain")
async def job(id: str, app: App = CurrentApp, progress: Progress = CurrentProgress) -> str:
    """A job as it stands now, or its result; {id} is the job_id of a reply."""
    result = await app.jobs.get(id, 0, progress)
    return "\n".join(getattr(block, "text", "") for block in result.content)


@resource(
    "openrouter://threads/{id}",
    name="Conversation",
    title="Conversation by id",
    mime_type="application/json",
)
async def thread(id: str, app: App = CurrentApp) -> str:
    """A conversation's messages; {id} is its thread_id, as list_threads tells it."""
    _, messages = await app.threads.show(id)
    return json.dumps(list(messages), ensure_ascii=False)


@prompt(title="Second opinion")
def second_opinion(
    model: str = Field(
        "", title="Model", description="Id or loose name; empty = a strong one is chosen."
    ),
) -> str:
    """Ask another model about the work at hand and weigh what it says."""
    whom = f'model "{model}"' if model else "a strong model of another maker (recommend_model)"
    return (
        f"Get a second opinion with the chat tool from {whom}. Give it the question, the relevant "
        "files by path (files) and your own conclusion, and ask it to look for mistakes. Then tell "
        "me where you agree, where you do not and why, and what the call cost."
    )


@prompt(title="Compare models")
def compare(
    question: str = Field(title="Question", description="What each of them is asked."),
    models: str = Field(
        "", title="Models", description="Separated by commas; empty = a sensible spread."
    ),
) -> str:
    """Ask several models the same and judge the answers."""
    whom = f"these models: {models}" if models else "a sensible spread of models"
    return (
        f"Use compare_models to ask {whom} the following, with a judge of your choice: {question}\n"
        "Then summarise the differences that matter, and what each answer cost."
    )


@prompt(title="Pick a model")
def pick_model(
    task: str = Field(title="Task", description="What the model is to do, in words."),
) -> str:
    """Find the model that fits a task, on live data."""
    return (
        f"Which model should I use for this: {task}\n"
        "Use recommend_model with the needs and limits that follow from it, look at the finalists "
        "with get_model, and recommend one, with its price, its best provider and the date of the "
        "data. Name no model from memory."
    )


async def complete(
    reference: PromptReference | ResourceTemplateReference,
    argument: CompletionArgument,
    _context: CompletionContext | None,
) -> list[str] | None:
    """Ids of live models for what has been typed so far."""
    if argument.name not in MODEL_ARGUMENTS or len(argument.value) > LONGEST_TYPED:
        return None
    if isinstance(reference, ResourceTemplateReference) and "models" not in reference.uri:
        return None
    app: App = get_context().lifespan_context["app"]
    head, _, typed = argument.value.rpartition(",")
    typed = typed.strip().lower()
    snapshot = await app.catalogue.models()
    ids = [model.id for model in snapshot.models if typed in model.id.lower()]
    ids.sort(key=lambda model_id: (not model_id.lower().startswith(typed), model_id))
    return [f"{head},{model_id}" if head else model_id for model_id in ids[:COMPLETIONS]]
