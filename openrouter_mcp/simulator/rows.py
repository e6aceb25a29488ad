"""How a catalogue row is made: prices per million in, OpenRouter's `Model` shape out."""

from __future__ import annotations

import copy
from datetime import datetime
from decimal import Decimal
from typing import Any

SAMPLING = ["temperature", "top_p", "max_tokens", "stop", "seed"]
TOOLS = ["tools", "tool_choice", "response_format", "structured_outputs"]
REASONING = ["reasoning", "include_reasoning", "reasoning_effort"]
MODALITY_ORDER = ("text", "image", "file", "audio", "video")
MILLION = Decimal(1_000_000)


def per_token(dollars_per_million: str) -> str:
    """USD per million tokens as OpenRouter's decimal string, USD per token."""
    return f"{(Decimal(dollars_per_million) / MILLION).normalize():f}"


def prices(prompt: str, completion: str, **other: str) -> dict[str, Any]:
    """A `pricing` object from USD per million; `web_search`, `request`, `image` are per unit."""
    unit = ("web_search", "request", "image")
    return {"prompt": per_token(prompt), "completion": per_token(completion)} | {
        key: value if key in unit else per_token(value) for key, value in other.items()
    }


def thinking(
    default: str, *efforts: str, mandatory: bool = False, enabled: bool = True
) -> dict[str, Any]:
    """The `reasoning` object of a model that can think."""
    return {
        "mandatory": mandatory,
        "default_enabled": enabled,
        "default_effort": default,
        "supported_efforts": list(efforts),
        "supports_max_tokens": False,
    }


def scores(intelligence: float, coding: float, agentic: float, elo: int) -> dict[str, Any]:
    """The inline `benchmarks` of a model."""
    return {
        "artificial_analysis": {
            "intelligence_index": intelligence,
            "coding_index": coding,
            "agentic_index": agentic,
        },
        "design_arena": [
            {
                "arena": "models",
                "category": "website",
                "elo": elo,
                "rank": max(1, (1450 - elo) // 10),
                "win_rate": round(elo / 20, 1),
            }
        ],
    }


def architecture(inputs: list[str], outputs: list[str], tokenizer: str) -> dict[str, Any]:
    """The `architecture` object."""
    return {
        "modality": f"{'+'.join(inputs)}->{'+'.join(outputs)}",
        "input_modalities": inputs,
        "output_modalities": outputs,
        "tokenizer": tokenizer,
        "instruct_type": None,
    }


def top_provider(context: int, max_output: int | None, moderated: bool) -> dict[str, Any]:
    """The `top_provider` object."""
    return {
        "context_length": context,
        "max_completion_tokens": max_output,
        "is_moderated": moderated,
    }


def row(
    model_id: str,
    name: str,
    day: str,
    pricing: dict[str, Any],
    *,
    context: int = 128_000,
    max_output: int | None = 16_384,
    inputs: str = "text",
    outputs: str = "text",
    tokenizer: str = "Other",
    parameters: list[str] | None = None,
    reasoning: dict[str, Any] | None = None,
    benchmarks: dict[str, Any] | None = None,
    voices: list[str] | None = None,
    moderated: bool = False,
) -> dict[str, Any]:
    """One model; `day` (YYYY-MM-DD) is its release, which also dates its canonical slug."""
    canonical = f"{model_id.partition(':')[0]}-{day.replace('-', '')}"
    usual = SAMPLING + TOOLS + (REASONING if reasoning else [])
    model: dict[str, Any] = {
        "id": model_id,
        "canonical_slug": canonical,
        "name": name,
        "created": int(datetime.fromisoformat(f"{day}T00:00Z").timestamp()),
        "description": f"{name}, as the simulator plays it.",
        "context_length": context,
        "hugging_face_id": None,
        "knowledge_cutoff": None,
        "expiration_date": None,
        "architecture": architecture(inputs.split(), outputs.split(), tokenizer),
        "pricing": pricing,
        "top_provider": top_provider(context, max_output, moderated),
        "per_request_limits": None,
        "supported_parameters": sorted(usual if parameters is None else parameters),
        "default_parameters": {"temperature": None, "top_p": None},
        "supported_voices": voices,
        "links": {"details": f"/api/v1/models/{canonical}/endpoints"},
    }
    abilities = {"reasoning": reasoning} if reasoning else {}
    return model | abilities | ({"benchmarks": benchmarks} if benchmarks else {})


def free(model: dict[str, Any]) -> dict[str, Any]:
    """The `:free` row of a model: all prices zero, no other difference."""
    return _variant(model, "free", {"prompt": "0", "completion": "0"})


def batch(model: dict[str, Any]) -> dict[str, Any]:
    """The `:batch` row of a model: half the price."""
    halved = {key: f"{Decimal(model['pricing'][key]) / 2:f}" for key in ("prompt", "completion")}
    return _variant(model, "batch", halved)


def _variant(model: dict[str, Any], suffix: str, pricing: dict[str, Any]) -> dict[str, Any]:
    variant = copy.deepcopy(model)
    variant["id"] += f":{suffix}"
    variant["name"] += f" ({suffix})"
    variant["pricing"] = pricing
    return variant


def alias(alias_id: str, name: str, target: dict[str, Any]) -> dict[str, Any]:
    """A `~author/family-latest` row: its target's price and abilities under a standing name."""
    return copy.deepcopy(target) | {
        "id": alias_id,
        "canonical_slug": alias_id,
        "name": name,
        "description": f"This model always redirects to the latest model: {target['name']}.",
        "architecture": target["architecture"] | {"tokenizer": "Router"},
        "alias_target": {"slug": target["id"], "name": target["name"]},
        "links": {"details": f"/api/v1/models/{alias_id}/endpoints"},
    }


def router(model_id: str, name: str, day: str, description: str) -> dict[str, Any]:
    """A router: its price is "-1" because it depends on the model that it picks."""
    model = row(
        model_id,
        name,
        day,
        {"prompt": "-1", "completion": "-1"},
        context=2_000_000,
        max_output=None,
        inputs=" ".join(MODALITY_ORDER),
        outputs="text image",
        tokenizer="Router",
        parameters=SAMPLING + TOOLS + REASONING,
    )
    model["top_provider"]["context_length"] = None
    return model | {"canonical_slug": model_id, "description": description}
