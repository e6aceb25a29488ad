"""What a caller asked, as the body and headers of `POST /chat/completions`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from openrouter_mcp.completions.json_output import response_format
from openrouter_mcp.completions.options import (
    checked,
    doubts,
    headers,
    mapping,
    output_limit,
    provider,
)
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import parts
from openrouter_mcp.models.catalogue import Resolution
from openrouter_mcp.settings import Settings

ROLES = {"system", "developer", "user", "assistant", "tool"}
CHAT = "/chat/completions"
COMPLETIONS = "/completions"
SEARCH_TOOL = "openrouter:web_search"
SEARCH = {"max_results": 5, "max_uses": 3}


@dataclass(frozen=True)
class Ask:
    """The arguments of one chat, as the caller gave them."""

    prompt: str = ""
    messages: Sequence[Mapping[str, Any]] = ()
    system: str = ""
    effort: str = ""
    max_tokens: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    schema: Mapping[str, Any] = field(default_factory=dict)
    web: bool = False
    attachments: Sequence[Mapping[str, Any]] = ()
    """Content parts that stand before the question."""
    history: Sequence[Mapping[str, Any]] = ()
    """Earlier messages of the thread that goes on."""
    notes: Sequence[str] = ()


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
    ask: Ask, model: Resolution, fallbacks: Sequence[Resolution], settings: Settings
) -> ChatRequest:
    """Build the request; raises `INVALID_INPUT` for what OpenRouter would refuse or ignore.

    The order of the keys is fixed, since OpenRouter's response cache compares bodies literally.
    """
    options = checked(ask.options)
    sent_headers = headers(options, settings)
    show_reasoning = bool(options.pop("include_reasoning", settings.include_reasoning))
    # It is for whoever reads the files.
    options.pop("image_detail", None)
    body: dict[str, Any] = {"model": model.id, "messages": _messages(ask)}
    options.pop("model", None)
    if fallbacks:
        body["models"] = [fallback.id for fallback in fallbacks]
        options.pop("models", None)
    body |= _limits(ask, options, settings)
    if reasoning := _reasoning(ask, options, model):
        body["reasoning"] = reasoning
    routing = provider(options, settings)
    if ask.schema:
        options["response_format"] = response_format(ask.schema)
        routing.setdefault("require_parameters", True)
    if ask.web:
        _add_search(options, model)
    if routing:
        body["provider"] = routing
    notes = (
        *ask.notes,
        *_parsing(ask, options, model),
        *_without_reasoning(ask, model),
        *doubts(options),
    )
    body |= sorted(options.items())
    body["stream"] = True
    return ChatRequest(
        body, sent_headers, model, tuple(fallbacks), dict(ask.schema), show_reasoning, notes
    )


def compose_text(
    prompt: str,
    model: Resolution,
    max_tokens: int,
    stop: Sequence[str],
    given: Mapping[str, Any],
    settings: Settings,
) -> ChatRequest:
    """The request for raw text that goes on where `prompt` ends, of `POST /completions`."""
    if not prompt:
        raise OpenRouterError(Code.INVALID_INPUT, "prompt is empty. Give the text to complete.")
    options = checked(given)
    sent_headers = headers(options, settings)
    options.pop("include_reasoning", None)
    body: dict[str, Any] = {"model": model.id, "prompt": prompt}
    options.pop("model", None)
    given_limit = output_limit(options)
    if limit := max_tokens or given_limit or settings.max_tokens:
        body["max_tokens"] = limit
    if stop:
        options["stop"] = list(stop)
    if routing := provider(options, settings):
        body["provider"] = routing
    notes = tuple(doubts(options))
    body |= sorted(options.items())
    body["stream"] = True
    return ChatRequest(
        body=body,
        headers=sent_headers,
        model=model,
        fallbacks=(),
        schema={},
        show_reasoning=False,
        notes=notes,
        path=COMPLETIONS,
    )


def _messages(ask: Ask) -> list[dict[str, Any]]:
    if bool(ask.prompt.strip()) == bool(ask.messages):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            "Give either prompt or messages, and not both. Put the question into prompt, or the "
            "whole conversation into messages.",
        )
    messages = [dict(message) for message in ask.messages]
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
    if ask.prompt.strip():
        messages = [{"role": "user", "content": ask.prompt}]
    if ask.attachments:
        messages[-1] = _attached(messages[-1], ask.attachments)
    earlier = [dict(message) for message in ask.history]
    if not ask.system:
        return [*earlier, *messages]
    earlier = [message for message in earlier if message["role"] != "system"]
    return [{"role": "system", "content": ask.system}, *earlier, *messages]


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


def _parsing(ask: Ask, options: Mapping[str, Any], model: Resolution) -> list[str]:
    """What turns PDFs into text for a model that does not read them itself, if that costs."""
    row = model.model
    chosen = any(plugin.get("id") == "file-parser" for plugin in options.get("plugins") or [])
    reads = row is None or row.is_router or "file" in row.input_modalities
    if chosen or reads or all(part["type"] != "file" for part in ask.attachments):
        return []
    return [
        f"{model.id} reads no PDF: OpenRouter parses it with mistral-ocr ($2 for 1,000 pages). "
        'Free: options.plugins=[{"id": "file-parser", "pdf": {"engine": "cloudflare-ai"}}].'
    ]


def _without_reasoning(ask: Ask, model: Resolution) -> list[str]:
    """That an effort changes nothing, with a model that does not reason."""
    row = model.model
    reasons = row is None or row.is_alias or row.is_router or not row.supported_parameters
    if reasons or ask.effort in {"", "none"} or "reasoning" in row.supported_parameters:
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


def _limits(ask: Ask, options: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The output limit under the name that is not deprecated; the argument wins, then options."""
    given = output_limit(options)
    limit = ask.max_tokens or given or settings.max_tokens
    return {"max_completion_tokens": limit} if limit else {}


def _reasoning(ask: Ask, options: dict[str, Any], model: Resolution) -> dict[str, Any]:
    reasoning = dict(mapping(options, "reasoning"))
    if not ask.effort:
        return reasoning
    options.pop("reasoning_effort", None)
    reasoning.pop("max_tokens", None)
    row = model.model
    # An alias remaps the effort to what its target supports.
    known = (row.reasoning if row and not row.is_alias else None) or {}
    supported = known.get("supported_efforts") or []
    if (
        supported
        and ask.effort not in supported
        and not (ask.effort == "none" and not known.get("mandatory"))
    ):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"{model.id} does not reason with effort {ask.effort}. Use one of "
            f"{', '.join(supported)}, or leave effort out.",
            suggestions=supported,
        )
    return {"effort": ask.effort, **{k: v for k, v in reasoning.items() if k != "effort"}}
