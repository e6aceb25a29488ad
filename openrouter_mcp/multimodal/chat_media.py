"""Images and sound that a model is asked for in a chat. Source: `POST /chat/completions`."""

from __future__ import annotations

from openrouter_mcp.api.responses import cut_stream
from openrouter_mcp.completions.answer import Answer
from openrouter_mcp.completions.request import CHAT
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.spending.paid_request import PaidRequest, Purchase
from openrouter_mcp.text import clean


async def receive(purchase: Purchase, paid: PaidRequest) -> Answer:
    """Send a chat inside a paid request and read its answer, which has media.

    Raises `OpenRouterError`, also for an answer that broke off or that has no media.
    """
    answer = Answer()
    async with purchase.client.stream(
        CHAT, {**paid.body, "stream": True}, on_headers=paid.on_headers, report=purchase.report
    ) as stream:
        async for chunk in stream:
            answer.add(chunk)
            paid.read_answer(answer)
            if size := answer.media.sound_size:
                await purchase.report(f"{paid.model.id}: {size:,} bytes of sound")
        whole = stream.done
    if answer.media.images:
        # What broke off behind them takes nothing from them.
        return answer
    if answer.error:
        raise answer.error
    if not (whole or answer.finish_reason):
        raise cut_stream()
    if not answer.media:
        said = clean(answer.refusal or answer.text or answer.media.transcript)
        raise OpenRouterError(
            Code.REFUSED,
            f"The model answered in words only: {said or 'nothing at all'}. Rephrase the request "
            "or choose another model.",
        )
    return answer
