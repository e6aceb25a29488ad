"""What a provider may send for one chat, to be scripted with `simulator.answer_raw`."""

from typing import Any

ID = "gen-1763700000-wire"
MODEL = "openai/gpt-5-mini"
USAGE = {"prompt_tokens": 9, "completion_tokens": 20, "total_tokens": 29, "cost": 0.0012}
DONE = "data: [DONE]\n\n"


def chunk(*, finish: str | None = None, index: int | None = 0, **delta: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {"id": ID, "model": MODEL, "provider": "OpenAI", "choices": [choice]}


def usage(**fields: Any) -> dict[str, Any]:
    return {"id": ID, "model": MODEL, "choices": [], "usage": {**USAGE, **fields}}


def message(*, finish: str | None = "stop", **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **fields}, "finish_reason": finish}
    return {"id": ID, "model": MODEL, "provider": "OpenAI", "choices": [choice], "usage": USAGE}


async def ask(client, **arguments: Any):
    asked = {"prompt": "Hello", "model": MODEL, **arguments}
    return await client.call_tool("chat", asked, raise_on_error=False)


def said(result) -> str:
    """The reply without its receipt."""
    return "\n\n".join(block.text for block in result.content).rpartition("\n\n-- ")[0]


def cost(result) -> Any:
    return result.meta["openrouter/receipt"]["cost"]
