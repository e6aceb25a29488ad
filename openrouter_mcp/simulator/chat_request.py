"""The body of `POST /chat/completions`, checked as strictly as the contract is written."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from openrouter_mcp.simulator.chat_messages import Json, Message, Strict
from openrouter_mcp.simulator.replies import Refused, invalid

Effort = Literal["max", "xhigh", "high", "medium", "low", "minimal", "none"]


class MaxPrice(Strict):
    """USD per million tokens; the schema says strings, the guide shows numbers."""

    prompt: str | float | None = None
    completion: str | float | None = None
    request: str | float | None = None
    image: str | float | None = None
    audio: str | float | None = None


class SortBy(Strict):
    """A sort order with its partition."""

    by: Literal["price", "throughput", "latency", "exacto"]
    partition: Literal["model", "none"] | None = None


class ProviderPreferences(Strict):
    """The `provider` object."""

    order: list[str] | None = None
    only: list[str] | None = None
    ignore: list[str] | None = None
    allow_fallbacks: bool | None = None
    require_parameters: bool | None = None
    data_collection: Literal["allow", "deny"] | None = None
    zdr: bool | None = None
    enforce_distillable_text: bool | None = None
    quantizations: (
        list[
            Literal[
                "int4", "int8", "fp4", "mxfp4", "nvfp4", "fp6", "fp8", "mxfp8", "fp16", "bf16",
                "fp32", "unknown",
            ]
        ]
        | None
    ) = None  # fmt: skip
    sort: Literal["price", "throughput", "latency", "exacto"] | SortBy | None = None
    max_price: MaxPrice | None = None
    preferred_max_latency: float | dict[str, float] | None = None
    preferred_min_throughput: float | dict[str, float] | None = None
    options: dict[str, Json] | None = None


class Reasoning(Strict):
    """The `reasoning` object."""

    effort: Effort | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    exclude: bool | None = None
    enabled: bool | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    context: Literal["auto", "all_turns", "current_turn"] | None = None
    mode: Literal["standard", "pro"] | None = None


class JsonSchema(BaseModel):
    """A named schema; its own `schema` field is called `schema_` here."""

    model_config = ConfigDict(strict=True, extra="forbid")
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: str | None = None
    strict: bool | None = None
    schema_: Json | None = Field(None, alias="schema")


class ResponseFormat(Strict):
    """What the answer must look like."""

    type: Literal["text", "json_object", "json_schema", "grammar", "python"]
    json_schema: JsonSchema | None = None
    grammar: str | None = None


class Plugin(BaseModel):
    """A plugin; what else it takes depends on its id."""

    model_config = ConfigDict(strict=True, extra="allow")
    id: Literal[
        "web", "web-fetch", "file-parser", "response-healing", "context-compression",
        "auto-router", "auto-beta-router", "pareto-router", "fusion", "moderation",
        "jev-router", "switchyard-router", "alignment", "armor",
    ]  # fmt: skip
    enabled: bool | None = None


class Function(Strict):
    """A function that the model may call."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: Json | None = None
    strict: bool | None = None


class FunctionTool(Strict):
    """A function tool."""

    type: Literal["function"]
    function: Function
    cache_control: Json | None = None
    defer_loading: bool | None = None


class ServerTool(Strict):
    """A tool that OpenRouter runs itself."""

    type: Annotated[str, StringConstraints(pattern=r"^openrouter:[a-z_]+$")]
    parameters: Json | None = None


class ChatRequest(Strict):
    """Every documented top-level field."""

    messages: Annotated[list[Message], Field(min_length=1)]
    model: str | None = None
    models: list[str] | None = None
    provider: ProviderPreferences | None = None
    plugins: list[Plugin] | None = None
    preset: str | None = None
    stream: bool = False
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_a: Annotated[float, Field(ge=0, le=1)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0, le=2)] | None = None
    seed: int | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    structured_outputs: bool | None = None
    tools: list[FunctionTool | ServerTool] | None = None
    deferred_tools: Json | None = None
    tool_choice: Literal["none", "auto", "required"] | Json | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: Annotated[int, Field(ge=1, le=30)] | None = None
    stop_server_tools_when: list[Json] | None = None
    reasoning: Reasoning | None = None
    reasoning_effort: Effort | None = None
    include_reasoning: bool | None = None
    verbosity: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    prediction: Json | None = None
    modalities: list[Literal["text", "image", "audio"]] | None = None
    image_config: Json | None = None
    audio: Json | None = None
    web_search_options: Json | None = None
    cache_control: Json | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Json | None = None
    session_id: Annotated[str, Field(max_length=256)] | None = None
    service_tier: (
        Literal["auto", "default", "flex", "priority", "fast", "scale", "ultrafast"] | None
    ) = None
    user: str | None = None
    metadata: Annotated[dict[str, str], Field(max_length=16)] | None = None
    trace: Json | None = None
    debug: Json | None = None
    route: Literal["fallback"] | None = None
    transforms: list[str] | None = None
    usage: Json | None = None
    stream_options: Json | None = None


def check(body: Any) -> ChatRequest:
    """The body, checked. Raises `Refused` with the validation envelope."""
    try:
        request = ChatRequest.model_validate(body)
    except ValidationError as error:
        raise Refused(invalid([issue(dict(each)) for each in error.errors()])) from error
    effort = request.reasoning and request.reasoning.effort
    if effort and request.reasoning_effort and effort != request.reasoning_effort:
        message = "reasoning_effort conflicts with reasoning.effort"
        raise Refused(invalid([{"code": "custom", "path": ["reasoning"], "message": message}]))
    return request


def issue(error: Json) -> Json:
    """One finding of pydantic as an issue of the validation envelope."""
    path = list(error["loc"])
    match error["type"]:
        case "missing":
            return {"code": "invalid_type", "path": path, "message": "Required"}
        case "extra_forbidden":
            *parent, key = path
            message = f"Unrecognized key(s) in object: '{key}'"
            return {"code": "unrecognized_keys", "keys": [key], "path": parent, "message": message}
        case "literal_error":
            return {"code": "invalid_enum_value", "path": path, "message": error["msg"]}
        case _:
            return {"code": "invalid_type", "path": path, "message": error["msg"]}
