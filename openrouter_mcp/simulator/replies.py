"""The envelopes that OpenRouter answers with, and the failure that carries one."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse, Response

DOCS = "https://openrouter.ai/docs/errors"


class Refused(Exception):  # noqa: N818 it is a reply, not a defect
    """Raised by an endpoint to answer with a failure."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def failure(
    status: int,
    message: str,
    *,
    headers: dict[str, str] | None = None,
    **metadata: object,
) -> Response:
    """The standard envelope: `{"error": {"code", "message", "metadata"}}`."""
    error: dict[str, Any] = {"code": status, "message": message}
    if metadata:
        error["metadata"] = metadata
    return JSONResponse({"error": error}, status, headers)


def unavailable(
    status: int,
    code: str,
    message: str,
    error_type: str,
    *,
    models: list[str],
    retryable: bool = False,
    retry_after: int | None = None,
    **details: object,
) -> Response:
    """The availability envelope: no `error.code`, but `http_status` and `availability`."""
    availability: dict[str, Any] = {
        "code": code,
        "retryable": retryable,
        "retry_after": retry_after,
        "requested_models": models,
        "docs_url": f"{DOCS}#{code}",
    } | details
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    error = {
        "message": message,
        "error_type": error_type,
        "http_status": status,
        "availability": availability,
    }
    return JSONResponse({"error": error}, status, headers)


def invalid(issues: list[dict[str, Any]]) -> Response:
    """The validation envelope: a ZodError whose message is a JSON list of issues."""
    error = {"name": "ZodError", "message": json.dumps(issues)}
    return JSONResponse({"success": False, "error": error}, 400)


def page(status: int, text: str) -> Response:
    """A page of the edge network instead of JSON."""
    html = f"<html><head><title>{text}</title></head><body><h1>{text}</h1></body></html>"
    return Response(html, status, media_type="text/html")
