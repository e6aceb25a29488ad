"""From whatever OpenRouter answered to an `OpenRouterError`: the one place that maps failures.

It goes by the stable codes, `error.availability.code`, then `error_type`, then the HTTP status, in
all eight envelopes and for HTML pages. Prose is quoted, never matched.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any

from openrouter_mcp.errors import NEXT_STEP, Code, OpenRouterError
from openrouter_mcp.text import clean, duration, parse_json

REASONS_LIMIT = 6
MOST_WRAPPINGS = 8
WORDS = (
    "message",
    "error",
    "detail",
    "details",
    "errors",
    "error_description",
    "msg",
    "reason",
    "title",
    "name",
    "code",
)
"""Where the words of an error stand, the best first."""
LISTS = ("errors", "details", "detail", "error")
"""Where each thing that is wrong has words of its own, in a list or under the names of fields."""
MILLISECONDS = 1e11
LONGEST_LIMIT = 86_400.0

BY_AVAILABILITY = {
    "model_not_found": Code.MODEL_NOT_FOUND,
    "wrong_endpoint": Code.INVALID_INPUT,
    "no_endpoints": Code.MODEL_UNAVAILABLE,
    "model_deprecated": Code.MODEL_UNAVAILABLE,
    "model_unavailable_upstream": Code.MODEL_UNAVAILABLE,
    "capacity_exhausted": Code.RATE_LIMITED,
    "temporarily_unavailable": Code.MODEL_UNAVAILABLE,
    "region_restricted": Code.PERMISSION,
    "privacy_restricted": Code.MODEL_UNAVAILABLE,
    "constraint_filtered": Code.MODEL_UNAVAILABLE,
    "free_variant_ended": Code.MODEL_UNAVAILABLE,
}

AVAILABILITY_STEP = {
    "wrong_endpoint": "Use the tool made for that kind of model.",
    "model_deprecated": "Choose another model (find_models).",
    "model_unavailable_upstream": "Choose another model (find_models).",
    "temporarily_unavailable": "Call again in a moment, or name another model.",
    "region_restricted": "Choose a model that is offered in your region.",
    "privacy_restricted": "Loosen the data policy at https://openrouter.ai/settings/privacy (or "
    "zdr and data_collection in options.provider), or choose another model.",
    "free_variant_ended": "Use the paid id, or find_models with free=true.",
}

BY_ERROR_TYPE = {
    "context_length_exceeded": Code.CONTEXT_TOO_LONG,
    "max_tokens_exceeded": Code.CONTEXT_TOO_LONG,
    "token_limit_exceeded": Code.CONTEXT_TOO_LONG,
    "string_too_long": Code.CONTEXT_TOO_LONG,
    "invalid_request": Code.INVALID_INPUT,
    "invalid_prompt": Code.INVALID_INPUT,
    "content_policy_violation": Code.REFUSED,
    "refusal": Code.REFUSED,
    "invalid_image": Code.UNSUPPORTED_FORMAT,
    "image_too_large": Code.TOO_LARGE,
    "image_too_small": Code.UNSUPPORTED_FORMAT,
    "unsupported_image_format": Code.UNSUPPORTED_FORMAT,
    "image_download_failed": Code.INVALID_INPUT,
    "image_not_found": Code.NOT_FOUND,
    "authentication": Code.AUTH,
    "payment_required": Code.NO_CREDITS,
    "permission_denied": Code.PERMISSION,
    "not_found": Code.NOT_FOUND,
    "precondition_failed": Code.INVALID_INPUT,
    "payload_too_large": Code.TOO_LARGE,
    "unprocessable": Code.INVALID_INPUT,
    "rate_limit_exceeded": Code.RATE_LIMITED,
    "server": Code.UPSTREAM_ERROR,
    "unmapped": Code.UPSTREAM_ERROR,
    "provider_unavailable": Code.UPSTREAM_ERROR,
    "provider_overloaded": Code.UPSTREAM_ERROR,
    "overloaded_error": Code.UPSTREAM_ERROR,
    "timeout": Code.UPSTREAM_TIMEOUT,
}

BY_STATUS = {
    401: Code.AUTH,
    402: Code.NO_CREDITS,
    403: Code.PERMISSION,
    404: Code.NOT_FOUND,
    408: Code.UPSTREAM_TIMEOUT,
    410: Code.NOT_FOUND,
    413: Code.TOO_LARGE,
    429: Code.RATE_LIMITED,
    499: Code.CANCELLED,
    504: Code.UPSTREAM_TIMEOUT,
    524: Code.UPSTREAM_TIMEOUT,
}

RETRYABLE = {
    Code.RATE_LIMITED,
    Code.UPSTREAM_TIMEOUT,
    Code.UPSTREAM_ERROR,
    Code.NETWORK,
}


def failure(
    status: int, body: object, headers: Mapping[str, str] | None = None, *, look_up: bool = False
) -> OpenRouterError:
    """Turn one failed reply of OpenRouter into an `OpenRouterError`.

    `body` is parsed JSON where it was JSON, else text. `look_up` says that the request looked
    something up, so that a 404 means the thing asked for and not the model.
    """
    error, top = _envelope(body)
    availability = _mapping(error.get("availability"))
    metadata = _mapping(error.get("metadata"))
    status = _status(status, error)
    code = _code(status, error, top, look_up=look_up)
    retry_after = _retry_after(availability, metadata, headers or {})
    retryable = bool(availability.get("retryable", code in RETRYABLE))
    fallbacks = [clean(model, 80) for model in _list(availability.get("fallback_models"))]
    step = AVAILABILITY_STEP.get(str(availability.get("code")), NEXT_STEP[code])
    if status == 404 and code is Code.UPSTREAM_ERROR:
        step = NEXT_STEP[Code.NETWORK]
    if "max_price" in _list(availability.get("excluded_by")):
        step = "Raise max_cost or provider.max_price, or name a cheaper model (find_models)."
    if retryable and retry_after:
        step = f"Call again in {duration(retry_after)}, or name another model."
    if fallbacks:
        step = f"OpenRouter suggests {', '.join(fallbacks[:3])} instead. {step}"
    return OpenRouterError(
        code,
        f"{_what(status, error, metadata, availability)} {step}",
        retryable=retryable,
        retry_after=retry_after,
        http_status=status,
        availability=availability or None,
        suggestions=fallbacks,
        reply=top,
    )


def _envelope(body: object) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The error object and the top level around it, whichever envelope came."""
    if isinstance(body, list) and len(body) == 1:
        return _envelope(body[0])
    top = _mapping(body)
    error = top.get("error")
    if isinstance(error, Mapping):
        return error, top
    # Proxies and providers put the words at the top, under names of their own.
    return {**top, "message": error if error else body}, top


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _status(status: int, error: Mapping[str, Any]) -> int:
    """The HTTP status, or for an error inside HTTP 200 the one that the error names."""
    if status >= 300:
        return status
    for candidate in (error.get("http_status"), error.get("code")):
        if re.fullmatch("[45][0-9]{2}", str(candidate)):
            return int(str(candidate))
    return 502


def _code(status: int, error: Mapping[str, Any], top: Mapping[str, Any], *, look_up: bool) -> Code:
    metadata = _mapping(error.get("metadata"))
    availability = _mapping(error.get("availability"))
    if known := BY_AVAILABILITY.get(str(availability.get("code"))):
        return known
    if metadata.get("reasons") or metadata.get("patterns"):
        return Code.REFUSED
    types = (metadata.get("error_type"), error.get("error_type"), top.get("error_type"))
    for error_type in (*types, error.get("type"), error.get("code")):
        if error_type == "not_found" and not look_up:
            return Code.MODEL_UNAVAILABLE
        if code := BY_ERROR_TYPE.get(str(error_type)):
            return code
    if status == 404 and not look_up:
        return Code.MODEL_UNAVAILABLE if top else Code.UPSTREAM_ERROR
    return BY_STATUS.get(status, Code.UPSTREAM_ERROR if status >= 500 else Code.INVALID_INPUT)


def _retry_after(
    availability: Mapping[str, Any], metadata: Mapping[str, Any], headers: Mapping[str, str]
) -> float | None:
    """Seconds to wait: OpenRouter's own word, then Retry-After, then its limit's reset (ms)."""
    lowered = {name.lower(): value for name, value in headers.items()}
    for name, value in _mapping(metadata.get("headers")).items():
        lowered.setdefault(str(name).lower(), str(value))
    for value in (availability.get("retry_after"), lowered.get("retry-after")):
        if (seconds := _seconds(value)) is not None:
            return min(max(0.0, seconds), LONGEST_LIMIT)
    if (reset := _number(lowered.get("x-ratelimit-reset"))) is not None:
        # Milliseconds, by what is known; seconds would lie far in the past.
        moment = reset / 1000 if reset > MILLISECONDS else reset
        return min(max(0.0, round(moment - time.time())), LONGEST_LIMIT)
    return None


def _seconds(value: object) -> float | None:
    """A wait that is given in seconds or, as HTTP has it, by the date of its end."""
    if (seconds := _number(value)) is not None:
        return seconds
    with suppress(ValueError, OverflowError):
        return round(parsedate_to_datetime(str(value)).timestamp() - time.time())
    return None


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if number == number and abs(number) != float("inf") else None


def _what(
    status: int,
    error: Mapping[str, Any],
    metadata: Mapping[str, Any],
    availability: Mapping[str, Any],
) -> str:
    """What happened, in one sentence of OpenRouter's own words where there are any."""
    said = clean(words(error))
    if not said:
        return f"OpenRouter answered HTTP {status} without saying why."
    provider = clean(metadata.get("provider_name") or "", 40)
    raw = clean(words(metadata.get("raw")))
    detail = f" ({': '.join(part for part in (provider, raw) if part)})" if provider or raw else ""
    constraint = _mapping(availability.get("constraint"))
    reasons = [
        *_list(metadata.get("reasons")),
        *_list(metadata.get("patterns")),
        *_list(availability.get("excluded_by")),
        *(constraint[name] for name in ("field", "detail") if constraint.get(name)),
    ]
    told = [name for name in map(clean, reasons) if name.rstrip(".") not in said]
    if told:
        each = [clean(name, 60) for name in dict.fromkeys(told)]
        detail += f" [{', '.join(each[:REASONS_LIMIT])}]"
    return f"OpenRouter: {said.rstrip('.')}{detail}."


def words(value: object, depth: int = 0) -> str:
    """The words of a foreign error, however it wraps them: JSON in a string, lists, objects."""
    if isinstance(value, str):
        if value.lstrip().startswith(("<!", "<html", "<HTML")):
            return ""
        return words(_decoded(value), depth + 1) or value
    if depth > MOST_WRAPPINGS:
        return ""
    if isinstance(value, list):
        said = (words(item, depth + 1) for item in value[:REASONS_LIMIT])
        return "; ".join(filter(None, said))
    fields = _mapping(value)
    told = {name: words(fields[name], depth + 1) for name in WORDS if fields.get(name)}
    for name in LISTS:
        if isinstance(fields.get(name), Mapping) and not told.get(name):
            told[name] = _by_field(fields[name], depth + 1)
    said = next(filter(None, told.values()), "")
    more = next((told[name] for name in LISTS if told.get(name)), "")
    if more and more not in said:
        said = f"{said.rstrip('.')}: {more}"
    place = fields.get("path") or fields.get("loc")
    path = ".".join(map(str, place)) if isinstance(place, list) else ""
    return f"{path}: {said}" if path and said else said


def _by_field(fields: Mapping[str, Any], depth: int) -> str:
    """What is wrong with each field, under its name."""
    said = {name: words(wrong, depth) for name, wrong in fields.items()}
    told = [f"{name}: {wrong}" for name, wrong in said.items() if wrong]
    return "; ".join(told[:REASONS_LIMIT])


def _decoded(text: str) -> object:
    """What a string holds as JSON; nothing if it is prose."""
    if text.lstrip().startswith(("[", "{")):
        with suppress(ValueError):
            return parse_json(text)
    return None
