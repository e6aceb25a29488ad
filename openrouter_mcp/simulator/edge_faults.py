"""Faults that answer instead of the API: keys, money, limits, permissions, broken pages."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from openrouter_mcp.simulator.fault import Register, Stage
from openrouter_mcp.simulator.replies import failure, invalid, page

edge = Register(Stage.EDGE)


@edge
def missing_authentication() -> Response:
    """401, no header arrived."""
    return failure(401, "Missing Authentication header")


@edge
def no_credentials() -> Response:
    """401 in the older wording."""
    return failure(401, "No auth credentials found")


@edge
def unknown_user() -> Response:
    """401, the key is revoked or unknown."""
    return failure(401, "User not found.")


@edge
def invalid_credentials() -> Response:
    """401, the key is disabled."""
    return failure(401, "Invalid credentials", error_type="authentication")


@edge
def insufficient_credits() -> Response:
    """402, the account is empty."""
    return failure(402, "Insufficient credits. Add more using https://openrouter.ai/credits")


@edge
def cannot_afford(wanted: int = 65536, affordable: int = 1200) -> Response:
    """402, the balance does not cover `max_tokens`."""
    message = (
        f"This request requires more credits, or fewer max_tokens. You requested up to {wanted}"
        f" tokens, but can only afford {affordable}. To increase, visit"
        " https://openrouter.ai/credits and upgrade to a paid account"
    )
    return failure(402, message, error_type="payment_required")


@edge
def key_limit_exceeded() -> Response:
    """402, the key's own limit is used up."""
    message = "Key limit exceeded (monthly limit). Manage it using https://openrouter.ai/keys"
    return failure(402, message)


@edge
def management_key_required() -> Response:
    """403, an inference key asked for what only a management key may see."""
    return failure(403, "Only management keys can perform this operation")


@edge
def guardrail_blocked() -> Response:
    """403, a guardrail recognised prompt injection."""
    return failure(
        403,
        "Request blocked: prompt injection patterns detected",
        patterns=["ignore all previous instructions"],
    )


@edge
def moderation_flagged(slug: str = "openai/gpt-5-mini") -> Response:
    """403, moderation refused the input."""
    return failure(
        403,
        "Input was flagged",
        reasons=["violence"],
        flagged_input="how to … bomb",
        provider_name="OpenAI",
        model_slug=slug,
    )


@edge
def budget_exhausted() -> Response:
    """403, a budget of the organisation is used up."""
    return failure(403, "Budget exhausted for this API key", error_type="permission_denied")


@edge
def validation_failed() -> Response:
    """400 in the ZodError envelope."""
    return invalid([{"code": "invalid_type", "path": ["messages"], "message": "Required"}])


@edge
def not_found() -> Response:
    """404 in the standard envelope."""
    return failure(404, "Resource not found", error_type="not_found")


@edge
def payload_too_large() -> Response:
    """413, the body is too large."""
    return failure(413, "Request body too large", error_type="payload_too_large")


@edge
def http_error(status: int, message: str = "Something failed") -> Response:
    """Any status in the standard envelope, without metadata."""
    return failure(status, message)


@edge
def masked_server_error() -> Response:
    """500, the message masked, only `error_type` kept."""
    return failure(500, "Internal Server Error", error_type="server")


@edge
def empty_500() -> Response:
    """500 without a body."""
    return Response(status_code=500)


@edge
def empty_200() -> Response:
    """200 without a body."""
    return Response(status_code=200, media_type="application/json")


@edge
def html_502() -> Response:
    """502 as a page of the edge network."""
    return page(502, "502 Bad Gateway")


@edge
def html_524() -> Response:
    """524, the edge network gave up waiting."""
    return page(524, "524: A timeout occurred")


@edge
def html_200() -> Response:
    """200 as a page, as captive portals and proxies answer."""
    return page(200, "Please sign in")


@edge
def malformed_json() -> Response:
    """200 with JSON that ends too early."""
    return Response('{"id": "gen-x", "choices": [', media_type="application/json")


@edge
def platform_rate_limited(
    reset_ms: int = 1_900_000_000_000, limit: int = 50, period: str = "day"
) -> Response:
    """429 of OpenRouter itself for free models, with `X-RateLimit-*` headers."""
    headers = {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(reset_ms),
    }
    message = f"Rate limit exceeded: free-models-per-{period}."
    if period == "day":
        message += " Add 10 credits to unlock 1000 free model requests per day"
    error = {"code": 429, "message": message, "metadata": {"headers": headers}}
    return JSONResponse({"error": error}, 429, headers)


@edge
def redirected(location: str, status: int = 307) -> Response:
    """A redirect, to another host for instance."""
    return Response(status_code=status, headers={"Location": location})


@edge
def responses_error() -> Response:
    """400 in the envelope of the Responses skin."""
    body: dict[str, Any] = {
        "error": {"code": "invalid_prompt", "message": "The prompt was refused"},
        "error_type": "invalid_prompt",
    }
    return JSONResponse(body, 400)


@edge
def messages_error() -> Response:
    """529 in the envelope of the Messages skin."""
    error = {"type": "overloaded_error", "message": "Overloaded"}
    error["error_type"] = "provider_overloaded"
    return JSONResponse({"type": "error", "error": error, "request_id": "gen-x"}, 529)
