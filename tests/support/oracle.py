"""Does a body have exactly the shape that OpenRouter's official SDK knows?

The SDK's models ignore unknown fields and accept unknown enum values, so a body is read into the
model and written out again: what is lost on the way, or was not recognised, is a finding. What
the documentation has and the SDK has not is listed here by hand: fields, and limits of values.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from math import inf
from typing import Any

from openrouter import components, errors, operations
from openrouter.types import UnrecognizedInt, UnrecognizedStr
from pydantic import BaseModel, ValidationError

Json = dict[str, Any]

# Stated in the guides of OpenRouter's documentation, absent from the schema.
CHAT_REQUEST_EXTRAS = {
    "preset",
    "structured_outputs",
    "max_tool_calls",
    "include_reasoning",
    "verbosity",
    "audio",
    "web_search_options",
    "reasoning.max_tokens",
    "reasoning.exclude",
    "reasoning.enabled",
    "reasoning.context",
    "reasoning.mode",
    # Accepted without effect or superseded.
    "usage",
    "transforms",
    "route",
    # An assistant message is handed back with all that it came with (5.3).
    "messages.*.annotations",
    "messages.*.tool_calls.*.index",
}
# In the documentation's examples, absent from the schema.
CHAT_RESULT_EXTRAS = {
    "provider",
    "choices.*.native_finish_reason",
    "choices.*.error",
    "choices.*.message.annotations",
    "choices.*.message.tool_calls.*.index",
    "usage.completion_tokens_details.image_tokens",
}
CHAT_CHUNK_EXTRAS = {
    "provider",
    "choices.*.native_finish_reason",
    "choices.*.delta.annotations",
    "choices.*.delta.images",
    "usage.completion_tokens_details.image_tokens",
}

# The limits of a request's fields, by name: of a number, or of the length of a text or a list.
LIMITS: dict[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "top_k": (0, inf),
    "min_p": (0, 1),
    "top_a": (0, 1),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
    "repetition_penalty": (0, 2),
    "top_logprobs": (0, 20),
    "max_tokens": (1, inf),
    "max_completion_tokens": (1, inf),
    "max_tool_calls": (1, 30),
    "messages": (1, inf),
    "stop": (1, 4),
    "metadata": (0, 16),
    "session_id": (0, 256),
    # Images, embeddings, rerank.
    "n": (1, 10),
    "output_compression": (0, 100),
    "input_references": (0, 16),
    "dimensions": (1, inf),
    "documents": (1, inf),
    "query": (1, inf),
    "top_n": (1, inf),
}
# What a text must be, by the path of its field.
TEXTS = {
    r"tools\.\d+\.function\.name|response_format\.json_schema\.name": r"[A-Za-z0-9_-]{1,64}",
    r"(.+\.)?input_audio\.data": r"[A-Za-z0-9+/]+={0,2}",
    r"(.+\.)?(image|audio|video)_url\.url": r"https?://.+|data:[a-z]+/[a-z0-9.+-]+;base64,.+",
    "verbosity": "low|medium|high|xhigh|max",
}

NONE: set[str] = set()
REQUESTS: dict[str, tuple[type[BaseModel], set[str]]] = {
    "/chat/completions": (components.ChatRequest, CHAT_REQUEST_EXTRAS),
    "/auth/keys": (operations.ExchangeAuthCodeForAPIKeyRequestBody, NONE),
    "/generation/feedback": (components.SubmitGenerationFeedbackRequest, NONE),
    "/rerank": (operations.CreateRerankRequestBody, NONE),
    "/videos": (components.VideoGenerationRequest, NONE),
    "/audio/transcriptions": (components.STTRequest, NONE),
    "/audio/speech": (components.SpeechRequest, NONE),
    "/images": (components.ImageGenerationRequest, NONE),
    "/embeddings": (operations.CreateEmbeddingsRequestBody, NONE),
}
RESPONSES: dict[str, tuple[type[BaseModel], set[str]]] = {
    "/auth/keys": (operations.ExchangeAuthCodeForAPIKeyResponse, NONE),
    "/models": (components.ModelsListResponse, NONE),
    "/models/count": (components.ModelsCountResponse, NONE),
    "/models/*/*/endpoints": (operations.ListEndpointsResponse, NONE),
    "/providers": (operations.ListProvidersResponse, NONE),
    "/endpoints/zdr": (operations.ListEndpointsZdrResponse, NONE),
    "/images/models": (components.ImageModelsListResponse, NONE),
    "/images/models/*/*/endpoints": (components.ImageModelEndpointsResponse, NONE),
    "/videos/models": (components.VideoModelsListResponse, NONE),
    "/benchmarks": (components.UnifiedBenchmarksResponse, NONE),
    "/datasets/rankings-daily": (components.RankingsDailyResponse, NONE),
    "/datasets/app-rankings": (components.AppRankingsResponse, NONE),
    "/datasets/session-cost": (components.SessionCostResponse, NONE),
    "/classifications/task": (components.TaskClassificationResponse, NONE),
    "/generation/feedback": (components.SubmitGenerationFeedbackResponse, NONE),
    "/key": (operations.GetCurrentKeyResponse, NONE),
    "/credits": (operations.GetCreditsResponse, NONE),
    "/chat/completions": (components.ChatResult, CHAT_RESULT_EXTRAS),
    "/generation": (components.GenerationResponse, NONE),
    "/rerank": (operations.CreateRerankResponseBody, NONE),
    "/videos": (components.VideoGenerationResponse, NONE),
    "/videos/*": (components.VideoGenerationResponse, NONE),
    "/audio/transcriptions": (components.STTResponse, NONE),
    "/images": (components.ImageGenerationResponse, NONE),
    "/embeddings": (operations.CreateEmbeddingsResponseBody, NONE),
}
# The standard envelope by status. Statuses without a model in the SDK (412) are not here.
ERRORS: dict[int, type[BaseModel]] = {
    400: errors.BadRequestResponseErrorData,
    401: errors.UnauthorizedResponseErrorData,
    402: errors.PaymentRequiredResponseErrorData,
    403: errors.ForbiddenResponseErrorData,
    404: errors.NotFoundResponseErrorData,
    408: errors.RequestTimeoutResponseErrorData,
    409: errors.ConflictResponseErrorData,
    410: errors.GoneResponseErrorData,
    413: errors.PayloadTooLargeResponseErrorData,
    422: errors.UnprocessableEntityResponseErrorData,
    429: errors.TooManyRequestsResponseErrorData,
    499: errors.ClientClosedRequestResponseErrorData,
    500: errors.InternalServerResponseErrorData,
    502: errors.BadGatewayResponseErrorData,
    503: errors.ServiceUnavailableResponseErrorData,
    504: errors.GatewayTimeoutResponseErrorData,
    524: errors.EdgeNetworkTimeoutResponseErrorData,
    529: errors.ProviderOverloadedResponseErrorData,
}


def check_request(path: str, body: Json) -> list[str]:
    """What is wrong with a request body for this path; an empty list is a pass."""
    # Null means that a field is not set.
    body = {name: value for name, value in body.items() if value is not None}
    if path == "/completions":
        # The SDK knows nothing of raw text completions: chats with a prompt for their messages.
        path = "/chat/completions"
        body["messages"] = [{"role": "user", "content": body.pop("prompt")}]
        for name in ("n", "best_of", "echo", "suffix"):
            body.pop(name, None)
    if prices := body.get("provider", {}).get("max_price"):
        # The schema says strings, the guide shows numbers.
        strings = {name: str(price) for name, price in prices.items()}
        body["provider"] = body["provider"] | {"max_price": strings}
    return [*check(*REQUESTS[path], body), *_beyond_limits(body)]


def check_response(path: str, body: Json) -> list[str]:
    """What is wrong with the body of a successful reply from this path."""
    return check(*RESPONSES[_pattern(path)], body)


def check_chunk(body: Json) -> list[str]:
    """What is wrong with one event of a chat's stream."""
    return check(components.ChatStreamChunk, CHAT_CHUNK_EXTRAS, body)


def check_error(status: int, body: Json) -> list[str]:
    """What is wrong with a failure in the standard envelope."""
    return check(ERRORS[status], NONE, body)


def check(model: type[BaseModel], extras: set[str], payload: Json) -> list[str]:
    """The findings of a round trip through `model`, fields in `extras` apart."""
    # The SDK warns about documented fields that OpenRouter calls deprecated, and pydantic about
    # enum values that are unknown.
    with warnings.catch_warnings(action="ignore"):
        try:
            read = model.model_validate(payload)
        except ValidationError as error:
            return [f"invalid {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        written = read.model_dump(mode="json", by_alias=True, exclude_unset=True)
        findings = _unrecognized(read, "")
    lost = _lost(payload, written, "")
    documented = [re.compile(re.escape(extra).replace(r"\*", r"\d+")) for extra in extras]
    unknown = [path for path in lost if not any(known.fullmatch(path) for known in documented)]
    return [f"unknown {path}" for path in unknown] + findings


def _beyond_limits(body: Json) -> Iterator[str]:
    """The fields of a request whose values the documentation does not allow."""
    for name in body.keys() & LIMITS.keys():
        low, high = LIMITS[name]
        value = body[name]
        size = value if isinstance(value, int | float) else len(value)
        if not low <= size <= high and not (name == "stop" and isinstance(value, str)):
            yield f"limit {name}={value!s:.40}"
    for path, value in _texts(body, ""):
        for field, wanted in TEXTS.items():
            if re.fullmatch(field, path) and not re.fullmatch(wanted, value):
                yield f"text {path}={value:.40}"
    effort = body.get("reasoning", {}).get("effort")
    if effort and body.get("reasoning_effort", effort) != effort:
        yield "reasoning_effort conflicts with reasoning.effort"


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every text in a body with its path."""
    if isinstance(value, str):
        yield path.removeprefix("."), value
    elif isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _texts(item, f"{path}.{key}")


def _pattern(path: str) -> str:
    if path in RESPONSES:
        return path
    return next(
        pattern
        for pattern in RESPONSES
        if "*" in pattern and re.fullmatch(pattern.replace("*", "[^/]+"), path)
    )


def _lost(sent: Any, kept: Any, path: str) -> list[str]:
    """The paths of fields that `kept` no longer has, or has as another type."""
    findings = []
    if isinstance(sent, dict) and isinstance(kept, dict):
        for key, value in sent.items():
            here = f"{path}.{key}" if path else key
            findings += _lost(value, kept[key], here) if key in kept else [here]
    elif isinstance(sent, list) and isinstance(kept, list):
        for index, (one, other) in enumerate(zip(sent, kept, strict=True)):
            findings += _lost(one, other, f"{path}.{index}")
    elif type(sent) is not type(kept) and not (_is_number(sent) and _is_number(kept)):
        findings.append(path)
    return findings


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unrecognized(value: Any, path: str) -> list[str]:
    """The paths of enum values that the SDK does not list."""
    if isinstance(value, UnrecognizedStr | UnrecognizedInt):
        return [f"enum {path}={value!s}"]
    if isinstance(value, BaseModel):
        items = [(name, getattr(value, name)) for name in value.model_fields_set]
    elif isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list | tuple):
        items = list(enumerate(value))
    else:
        return []
    return [finding for key, item in items for finding in _unrecognized(item, f"{path}.{key}")]
