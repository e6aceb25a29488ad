"""What users report about a generation."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from openrouter_mcp.simulator.call import Call
from openrouter_mcp.simulator.replies import Refused, failure, invalid

CATEGORIES = (
    *("latency", "incoherence", "incorrect_response", "formatting"),
    *("billing", "api_error", "other"),
)
LONGEST_COMMENT = 1000


async def submit(call: Call) -> Response:
    """`POST /generation/feedback`."""
    body = call.body if isinstance(call.body, dict) else {}
    issues = []
    if body.get("category") not in CATEGORIES:
        message = f"Invalid option: expected one of {'|'.join(CATEGORIES)}"
        issues.append({"code": "invalid_value", "path": ["category"], "message": message})
    if len(body.get("comment") or "") > LONGEST_COMMENT:
        message = f"Too big: expected string to have <={LONGEST_COMMENT} characters"
        issues.append({"code": "too_big", "path": ["comment"], "message": message})
    if issues:
        raise Refused(invalid(issues))
    if not str(body.get("generation_id") or "").startswith("gen-"):
        raise Refused(failure(404, "Generation not found"))
    return JSONResponse({"data": {"success": True}})
