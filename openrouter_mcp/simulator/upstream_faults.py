"""Faults of the providers behind one model, and unpleasant answers of the model itself."""

from __future__ import annotations

import functools
from typing import Any

from starlette.responses import JSONResponse, Response

from openrouter_mcp.simulator.fault import Register, Stage
from openrouter_mcp.simulator.replies import failure, unavailable
from openrouter_mcp.simulator.scripts import Script

upstream = Register(Stage.UPSTREAM)
answering = Register(Stage.ANSWER)

ERROR_TYPES = {
    400: (
        "context_length_exceeded max_tokens_exceeded token_limit_exceeded string_too_long"
        " invalid_request invalid_prompt content_policy_violation refusal invalid_image"
        " image_too_large image_too_small unsupported_image_format image_download_failed"
    ),
    401: "authentication",
    402: "payment_required",
    403: "permission_denied",
    404: "not_found image_not_found",
    412: "precondition_failed",
    413: "payload_too_large",
    422: "unprocessable",
    429: "rate_limit_exceeded",
    500: "server unmapped",
    502: "provider_unavailable",
    503: "provider_overloaded",
    504: "timeout",
}
STATUS = {name: status for status, names in ERROR_TYPES.items() for name in names.split()}
"""The documented `error_type` values and the status that each comes with."""

AVAILABILITY = {
    "model_not_found": (400, "invalid_request", False, "{model} is not a valid model ID"),
    "wrong_endpoint": (400, "invalid_request", False, "{model} is not served on this endpoint"),
    "no_endpoints": (404, "not_found", False, "No endpoints found for {model}"),
    "model_deprecated": (404, "not_found", False, "{model} has been deprecated"),
    "model_unavailable_upstream": (404, "not_found", False, "{model} is gone upstream"),
    "capacity_exhausted": (
        429,
        "rate_limit_exceeded",
        True,
        "All providers for {model} are at capacity",
    ),
    "temporarily_unavailable": (
        503,
        "provider_overloaded",
        True,
        "{model} is temporarily unavailable",
    ),
    "region_restricted": (
        403,
        "permission_denied",
        False,
        "{model} is not available in your region",
    ),
    "privacy_restricted": (
        404,
        "not_found",
        False,
        "No endpoints for {model} match your data policy (zero data retention)."
        " Adjust at https://openrouter.ai/settings/privacy.",
    ),
    "constraint_filtered": (
        404,
        "not_found",
        False,
        "No endpoint of {model} meets the constraints",
    ),
    "free_variant_ended": (404, "not_found", False, "The free period of {model} has ended"),
}


def availability(
    code: str,
    requested: str = "acme-labs/anvil-2",
    retry_after: int | None = None,
    fallbacks: list[str] | None = None,
    **details: Any,
) -> Response:
    """The availability envelope with this code, about the model `requested`."""
    status, error_type, retryable, message = AVAILABILITY[code]
    if fallbacks is not None:
        details["fallback_models"] = fallbacks
    return unavailable(
        status,
        code,
        message.format(model=requested),
        error_type,
        models=[requested],
        retryable=retryable,
        retry_after=retry_after,
        **details,
    )


for _code, (_status_code, _, _, _words) in AVAILABILITY.items():
    upstream.enter(
        _code,
        functools.partial(availability, _code),
        f"{_status_code} in the availability envelope: {_words}.",
    )


@upstream
def typed_error(error_type: str) -> Response:
    """Any documented `error_type`, with the status that belongs to it."""
    message = f"Provider returned error: {error_type}"
    return failure(STATUS[error_type], message, error_type=error_type, provider_name="OpenAI")


@upstream
def rate_limited(retry_after: int | None = None) -> Response:
    """429 because all providers are limited, with `Retry-After` (seconds) if given."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    message = "Provider returned error"
    raw = "The model is temporarily rate-limited upstream"
    metadata = {"provider_name": "Google", "raw": raw, "error_type": "rate_limit_exceeded"}
    return failure(429, message, headers=headers, **metadata)


@upstream
def provider_error() -> Response:
    """502 with the provider's own words in `metadata.raw`."""
    return failure(
        502,
        "Provider returned error",
        provider_name="Google",
        raw="upstream 503",
        error_type="provider_unavailable",
    )


@upstream
def context_too_long(limit: int = 128_000, wanted: int = 200_000) -> Response:
    """400, the input does not fit."""
    message = (
        f"This endpoint's maximum context length is {limit} tokens. However, you requested about"
        f" {wanted} tokens."
    )
    return failure(400, message, error_type="context_length_exceeded")


def _status(name: str, status: int, message: str, error_type: str = "") -> None:
    def make(retry_after: int | None = None) -> Response:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        metadata = {"error_type": error_type} if error_type else {}
        return failure(status, message, headers=headers, **metadata)

    upstream.enter(name, make, f"{status} in the standard envelope, with `Retry-After` if given.")


_status("bad_request", 400, "Provider returned error", "invalid_request")
_status("request_timeout", 408, "Request timed out")
_status("conflict", 409, "Conflict")
_status("gone", 410, "Gone")
_status("precondition_failed", 412, "Precondition failed", "precondition_failed")
_status("unprocessable", 422, "Unprocessable", "unprocessable")
_status("client_closed_request", 499, "Client closed request")
_status("server_error", 500, "Internal Server Error", "server")
_status("provider_unavailable", 502, "Provider unavailable", "provider_unavailable")
_status("overloaded", 503, "No provider meets the requirements", "provider_overloaded")
_status("gateway_timeout", 504, "Provider timed out", "timeout")
_status("edge_timeout", 524, "Edge network timeout")
_status("provider_overloaded", 529, "Provider overloaded", "provider_overloaded")


@upstream
def error_in_ok() -> Response:
    """HTTP 200 with an error at the top level."""
    metadata = {"provider_name": "Google", "raw": "upstream 503"}
    error = {"code": 502, "message": "Provider returned error", "metadata": metadata}
    return JSONResponse({"error": error})


@upstream
def choice_error(text: str = "partial output...") -> Response:
    """HTTP 200 with the error in `choices[0]`, beside a partial text."""
    error = {
        "code": 502,
        "message": "Provider disconnected mid-stream",
        "metadata": {"error_type": "provider_unavailable"},
    }
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "error", "message": message, "error": error}
    return JSONResponse({"id": "gen-x", "model": "openai/gpt-5.4", "choices": [choice]})


@answering
def reasoning_only(tokens: int = 200) -> Script:
    """Reasoning ate the budget: empty content, finish `length`."""
    return Script(text="", reasoning="hmm " * tokens, finish_reason="length")


@answering
def null_content() -> Script:
    """Content null although the model finished with `stop`."""
    return Script(text=None, finish_reason="stop")


@answering
def empty_content() -> Script:
    """Content "" although the model finished with `stop`."""
    return Script(text="", finish_reason="stop")


@answering
def blank_finish() -> Script:
    """No token and no finish reason, which costs nothing."""
    return Script(text="", finish_reason=None)


@answering
def refusal(text: str = "I cannot help with that.") -> Script:
    """The model refuses."""
    return Script(text=None, refusal=text, finish_reason="stop")


@answering
def content_filtered(text: str = "The beginning of") -> Script:
    """The provider's filter cut the answer."""
    return Script(text=text, finish_reason="content_filter")
