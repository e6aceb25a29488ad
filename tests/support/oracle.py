"""Does a body have exactly the shape that OpenRouter's official SDK knows?

The SDK's models ignore unknown fields and accept unknown enum values, so a body is read into the
model and written out again: what is lost on the way, or was not recognised, is a finding. What
the documentation has and the SDK has not is listed here by hand.
"""

from __future__ import annotations

import re
import warnings
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

NONE: set[str] = set()
REQUESTS: dict[str, tuple[type[BaseModel], set[str]]] = {
    "/chat/completions": (components.ChatRequest, CHAT_REQUEST_EXTRAS),
    "/generation/feedback": (components.SubmitGenerationFeedbackRequest, NONE),
    "/rerank": (operations.CreateRerankRequestBody, NONE),
    "/videos": (components.VideoGenerationRequest, NONE),
    "/audio/transcriptions": (components.STTRequest, NONE),
    "/audio/speech": (components.SpeechRequest, NONE),
    "/images": (components.ImageGenerationRequest, NONE),
    "/embeddings": (operations.CreateEmbeddingsRequestBody, NONE),
}
RESPONSES: dict[str, tuple[type[BaseModel], set[str]]] = {
    "/models": (components.ModelsListResponse, NONE),
    "/models/count": (components.ModelsCountResponse, NONE),
    "/model/*/*": (components.ModelResponse, NONE),
    "/models/*/*/endpoints": (operations.ListEndpointsResponse, NONE),
    "/providers": (operations.ListProvidersResponse, NONE),
    "/endpoints/zdr": (operations.ListEndpointsZdrResponse, NONE),
    "/models/user": (components.ModelsListResponse, NONE),
    "/embeddings/models": (components.ModelsListResponse, NONE),
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
    return check(*REQUESTS[path], body)


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
    # The SDK warns about documented fields that OpenRouter itself calls deprecated.
    with warnings.catch_warnings(category=DeprecationWarning, action="ignore"):
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


def _pattern(path: str) -> str:
    if path in RESPONSES:
        return path
    return next(
        pattern
        for pattern in RESPONSES
        if "*" in pattern and re.fullmatch(pattern.replace("*", "[^/]+"), path)
    )


def _lost(sent: Any, kept: Any, path: str) -> list[str]:
    """The paths of fields that `kept` no longer has."""
    findings = []
    if isinstance(sent, dict) and isinstance(kept, dict):
        for key, value in sent.items():
            here = f"{path}.{key}" if path else key
            findings += _lost(value, kept[key], here) if key in kept else [here]
    elif isinstance(sent, list) and isinstance(kept, list):
        for index, (one, other) in enumerate(zip(sent, kept, strict=True)):
            findings += _lost(one, other, f"{path}.{index}")
    return findings


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
