"""Asking the user through the client, in both protocol eras."""

from __future__ import annotations

import mcp.types as mt
from fastmcp.server.context import Context

MODERN = "2026-07-28"
"""From this version on a tool returns its question, and is called again with the answer."""
SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean", "title": "Proceed?", "default": False}},
    "required": ["ok"],
}


async def confirm(context: Context, key: str, message: str) -> bool | mt.InputRequiredResult | None:
    """The user's yes or no to `message`; None where the client cannot ask.

    An `InputRequiredResult` is to be returned from the tool, which runs again from its top with
    the answer: do nothing costly before. `key` names the question among those of one tool, so it
    has to change with what is asked.
    """
    capabilities = context.session.client_capabilities
    if not (capabilities and capabilities.elicitation):
        return None
    request = context.request_context
    if request is None or request.protocol_version < MODERN:
        reply = await context.elicit(message, bool)
        return reply.action == "accept" and bool(reply.data)
    answers = context.input_responses or {}
    if key not in answers:
        params = mt.ElicitRequestFormParams(message=message, requested_schema=SCHEMA)
        question = mt.ElicitRequest(method="elicitation/create", params=params)
        return mt.InputRequiredResult(result_type="input_required", input_requests={key: question})
    answer = answers[key]
    return (
        isinstance(answer, mt.ElicitResult)
        and answer.action == "accept"
        and bool((answer.content or {}).get("ok"))
    )
