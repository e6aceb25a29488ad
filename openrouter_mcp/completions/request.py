"""What a caller of a tool asks, and the request to OpenRouter that it means. Pure.

Source: `POST /chat/completions`, `POST /completions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from openrouter_mcp.api.responses import texts
from openrouter_mcp.completions.json_output import response_format, unwrapped
from openrouter_mcp.completions.options import (
    checked,
    doubts,
    headers,
    mapping,
    output_limit,
    provider,
)
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import fetch, parts
from openrouter_mcp.files.attach import Attachments
from openrouter_mcp.models.catalogue import Resolution
from openrouter_mcp.settings import Settings

ROLES = {"system", "developer", "user", "assistant", "tool"}
CHAT = "/chat/completions"
COMPLETIONS = "/completions"
SEARCH_TOOL = "openrouter:web_search"
SEARCH = {"max_results": 5, "max_uses": 3}


NO_FILES = Attachments([], [], [])


@dataclass(frozen=True)
class CallerRequest:
    """What the caller of a tool asks a model, as its arguments say. `max_cost` is USD, 0 = none."""

    prompt: str = ""
    messages: Sequence[Mapping[str, Any]] = ()
    system: str = ""
    effort: str = ""
    max_tokens: int = 0
    tool: str = "chat"
    options: Mapping[str, Any] = field(default_factory=dict)
    schema: Mapping[str, Any] = field(default_factory=dict)
    web: bool = False
    stop: Sequence[str] = ()
    model: str = ""
    fallbacks: Sequence[str] = ()
    max_cost: float = 0
    thread_id: str = ""
    attached: Attachments = NO_FILES
    """The files that go with the question."""
    history: Sequence[Mapping[str, Any]] = ()
    """Earlier messages of the thread that goes on."""
    history_notes: Sequence[str] = ()
    how: str = ""
    """How the model was chosen where the caller named none."""

    @property
    def limit(self) -> Decimal | None:
        """USD that the caller allows it to cost; None if no limit was given."""
        return Decimal(str(self.max_cost)) if self.max_cost else None

    @property
    def named_model(self) -> str:
        """The model that the arguments name, by the argument or the option."""
        return self.model or str(self.options.get("model") or "")


@dataclass(frozen=True)
class ChatRequest:
    """One request, ready to send. `model` and `fallbacks` are as the catalogue resolved them."""

    body: dict[str, Any]
    headers: dict[str, str]
    model: Resolution
    fallbacks: tuple[Resolution, ...]
    schema: dict[str, Any]
    """The JSON schema that the answer has to fit; empty for prose."""
    show_reasoning: bool
    notes: tuple[str, ...]
    """Sentences that belong under the answer: what was assumed or may have no effect."""
    path: str = CHAT
    is_limited: bool = False
    """Whether the caller gave the output limit, which then bounds all requests of the call."""

    @property
    def limit_name(self) -> str:
        """Where the body says how many tokens may come out."""
        return "max_completion_tokens" if self.path == CHAT else "max_tokens"

    @property
    def output_limit(self) -> int:
        """Tokens that may come out, reasoning included; 0 when nothing is said."""
        return int(self.body.get(self.limit_name) or 0)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What is said to the model."""
        return self.body.get("messages") or [{"role": "user", "content": self.body["prompt"]}]

    def preview(self) -> str:
        """The text of the last message, for the audit line."""
        content = self.messages[-1].get("content")
        if isinstance(content, list):
            texts = [part.get("text") for part in content if isinstance(part, Mapping)]
            return " ".join(text for text in texts if isinstance(text, str))
        return content if isinstance(content, str) else ""


def compose(
    asked: CallerRequest, model: Resolution, fallbacks: Sequence[Resolution], settings: Settings
) -> ChatRequest:
    """Build the request.

    Raises `INVALID_INPUT` for what OpenRouter would refuse or ignore, and `UNSAFE_URL` for
    addresses in the messages that lead into a private network. The order of the keys is fixed,
    since OpenRouter's response cache compares bodies literally.
    """
    options = checked(asked.options)
    sent_headers = headers(options, settings)
    show_reasoning = bool(options.pop("include_reasoning", settings.include_reasoning))
    # This option is for reading the files; OpenRouter does not know it.
    options.pop("image_detail", None)
    body: dict[str, Any] = {"model": model.id, "messages": _messages(asked)}
    options.pop("model", None)
    if fallbacks:
        body["models"] = [fallback.id for fallback in fallbacks]
        options.pop("models", None)
    given_limit = output_limit(options)
    given_limit = asked.max_tokens or given_limit
    if limit := given_limit or settings.max_tokens:
        # The other name is deprecated.
        body["max_completion_tokens"] = limit
    if reasoning := _reasoning(asked, options, model):
        body["reasoning"] = reasoning
    routing = provider(options, settings)
    schema = unwrapped(asked.schema)
    if asked.schema:
        options["response_format"] = response_format(schema)
        routing.setdefault("require_parameters", True)
    if asked.web:
        _add_search(options, model)
    if routing:
        body["provider"] = routing
    notes = (
        *asked.attached.notes,
        *asked.history_notes,
        *_parsing(asked, options, model),
        *_without_reasoning(asked, model),
        *doubts(options),
    )
    body |= sorted(options.items())
    body["stream"] = True
    fetch.check_parts(body, private=settings.allow_private_urls)
    return ChatRequest(
        body=body,
        headers=sent_headers,
        model=model,
        fallbacks=tuple(fallbacks),
        schema=schema,
        show_reasoning=show_reasoning,
        notes=notes,
        is_limited=bool(given_limit),
    )


def compose_text(
    asked: CallerRequest, model: Resolution, fallbacks: Sequence[Resolution], settings: Settings
) -> ChatRequest:
    """The request for raw text that goes on where the prompt ends, of `POST /completions`."""
    if not asked.prompt:
        raise OpenRouterError(Code.INVALID_INPUT, "prompt is empty. Give the text to complete.")
    options = checked(asked.options)
    sent_headers = headers(options, settings)
    options.pop("include_reasoning", None)
    body: dict[str, Any] = {"model": model.id, "prompt": asked.prompt}
    options.pop("model", None)
    if fallbacks:
        body["models"] = [fallback.id for fallback in fallbacks]
        options.pop("models", None)
    given_limit = output_limit(options)
    given_limit = asked.max_tokens or given_limit
    if limit := given_limit or settings.max_tokens:
        body["max_tokens"] = limit
    if asked.stop:
        options["stop"] = list(asked.stop)
    if routing := provider(options, settings):
        body["provider"] = routing
    notes = tuple(doubts(options))
    body |= sorted(options.items())
    body["stream"] = True
    return ChatRequest(
        body=body,
        headers=sent_headers,
        model=model,
        fallbacks=tuple(fallbacks),
        schema={},
        show_reasoning=False,
        notes=notes,
        path=COMPLETIONS,
        is_limited=bool(given_limit),
    )


def _messages(asked: CallerRequest) -> list[dict[str, Any]]:
    if bool(asked.prompt.strip()) == bool(asked.messages):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            "Give either prompt or messages, and not both. Put the question into prompt, or the "
            "whole conversation into messages.",
        )
    messages = [dict(message) for message in asked.messages]
    for position, message in enumerate(messages):
        if str(message.get("role")) not in ROLES:
            raise OpenRouterError(
                Code.INVALID_INPUT,
                f"messages[{position}].role is missing or unknown. Use one of "
                f"{', '.join(sorted(ROLES))}.",
            )
        for name, kind in (("content", "text or a list of parts"), ("tool_calls", "a list")):
            value = message.get(name) or []
            if not (_are_objects(value) or (name == "content" and isinstance(value, str))):
                raise OpenRouterError(
                    Code.INVALID_INPUT,
                    f"messages[{position}].{name} takes {kind}, each an object with a type. "
                    "Correct that and call again.",
                )
    if asked.prompt.strip():
        messages = [{"role": "user", "content": asked.prompt}]
    if asked.attached.parts:
        messages[-1] = _attached(messages[-1], asked.attached.parts)
    earlier = [dict(message) for message in asked.history]
    if not asked.system:
        return [*earlier, *messages]
    earlier = [message for message in earlier if message["role"] != "system"]
    return [{"role": "system", "content": asked.system}, *earlier, *messages]


def _are_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)


def _attached(message: dict[str, Any], attachments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The message with texts before its own words, which read best last, and media after them."""
    content = message.get("content") or []
    own = [{"type": "text", "text": content}] if isinstance(content, str) else content
    texts = [part for part in attachments if part["type"] == "text"]
    media = [part for part in attachments if part["type"] != "text"]
    if len(media) > 1:
        labels = ({"type": "text", "text": f"File: {parts.name(part)}"} for part in media)
        media = [part for pair in zip(labels, media, strict=True) for part in pair]
    return {**message, "content": [*texts, *own, *media]}


def _parsing(asked: CallerRequest, options: Mapping[str, Any], model: Resolution) -> list[str]:
    """What turns PDFs into text for a model that does not read them itself, if that costs."""
    row = model.model
    chosen = any(plugin.get("id") == "file-parser" for plugin in options.get("plugins") or [])
    reads = row is None or row.is_router or "file" in row.input_modalities
    if chosen or reads or all(part["type"] != "file" for part in asked.attached.parts):
        return []
    return [
        f"{model.id} reads no PDF: OpenRouter parses it with mistral-ocr ($2 for 1,000 pages), or "
        "for free with cloudflare-ai, which it does wherever spending is limited. Choose by "
        'options.plugins=[{"id": "file-parser", "pdf": {"engine": "cloudflare-ai"}}].'
    ]


def _without_reasoning(asked: CallerRequest, model: Resolution) -> list[str]:
    """That an effort changes nothing, with a model that does not reason."""
    row = model.model
    reasons = row is None or row.is_alias or row.is_router or not row.supported_parameters
    if reasons or asked.effort in {"", "none"} or "reasoning" in row.supported_parameters:
        return []
    return [f"{model.id} does not reason: effort changes nothing."]


def _add_search(options: dict[str, Any], model: Resolution) -> None:
    """Let the model search the web; for one that cannot call tools OpenRouter searches first."""
    if (
        model.model
        and not model.model.is_router
        and "tools" not in model.model.supported_parameters
    ):
        plugins = list(options.get("plugins") or [])
        if not any(plugin.get("id") == "web" for plugin in plugins):
            plugins.append({"id": "web"})
        options["plugins"] = plugins
        return
    tools = list(options.get("tools") or [])
    if not any(tool.get("type") == SEARCH_TOOL for tool in tools):
        tools.append({"type": SEARCH_TOOL, "parameters": SEARCH})
    options["tools"] = tools


def _reasoning(asked: CallerRequest, options: dict[str, Any], model: Resolution) -> dict[str, Any]:
    reasoning = dict(mapping(options, "reasoning"))
    if not asked.effort:
        return reasoning
    options.pop("reasoning_effort", None)
    reasoning.pop("max_tokens", None)
    row = model.model
    # An alias remaps the effort to what its target supports.
    known = (row.reasoning if row and not row.is_alias else None) or {}
    supported = texts(known, "supported_efforts")
    if (
        supported
        and asked.effort not in supported
        and not (asked.effort == "none" and not known.get("mandatory"))
    ):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"{model.id} does not reason with effort {asked.effort}. Use one of "
            f"{', '.join(supported)}, or leave effort out.",
            suggestions=supported,
        )
    return {"effort": asked.effort, **{k: v for k, v in reasoning.items() if k != "effort"}}
