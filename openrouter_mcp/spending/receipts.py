"""What a paid call cost and who answered: one line under the answer, the whole in `_meta`. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from openrouter_mcp.api import responses
from openrouter_mcp.api.responses import PERHAPS_BILLED
from openrouter_mcp.completions.answer import Answer
from openrouter_mcp.completions.request import ChatRequest
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.money import dollars
from openrouter_mcp.spending import cost as costs
from openrouter_mcp.text import clean, duration

MOST_COUNTED = 2**53
"""The highest number that JSON carries exactly; the ledger can add up many of them."""
PAID = "This call was paid all the same. You pay for another one, too."


@dataclass(frozen=True)
class Receipt:
    """Costs are USD, None where OpenRouter has not told; counts are tokens."""

    model: str
    requested_model: str
    provider: str
    why: str
    """Why another model or provider than the requested one answered; empty if none did."""
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost: Decimal | None
    """All that the user pays."""
    upstream_cost: Decimal | None
    """The part of it that a provider bills to the user's own key; None without one."""
    web_searches: int
    seconds: float
    finish_reason: str
    service_tier: str
    from_cache: bool
    cache_age: float | None
    generation_id: str
    budget: str = ""
    """What is spent and left, as `today $0.41 of $5.00`."""
    requests: int = 1
    """How many requests the reply took: continued and mended answers take more than one."""
    quantity: str = ""
    """What was bought where tokens are not all of it, as `2 images`."""
    cost_pending: bool = False
    """Whether the cost is None because OpenRouter tells it only later."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, str):
                # Names that OpenRouter sends stand in one line, whatever is in them.
                object.__setattr__(self, name, clean(value))

    def line(self) -> str:
        """The last line of a reply: `-- model via provider | tokens | dollars | seconds | id`."""
        via = f" via {self.provider}" if self.provider else ""
        why = f" ({self.why})" if self.why else ""
        parts = [
            f"-- {self.model}{via}{why}",
            self.quantity,
            self._tokens(),
            self._cost(),
            f"{self.seconds:.1f} s",
        ]
        if self.requests > 1:
            parts.append(f"{self.requests} requests")
        if self.service_tier not in {"", "default"}:
            parts.append(f"{self.service_tier} tier")
        parts += [self.budget, self.generation_id]
        return " | ".join(part for part in parts if part)

    def meta(self) -> dict[str, Any]:
        """Every field under its name, `fee` for OpenRouter's part; costs as decimal strings."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        if self.upstream_cost is not None:
            fields["fee"] = self._fee
        exact = {k: f"{v:f}" if isinstance(v, Decimal) else v for k, v in fields.items()}
        exact["seconds"] = round(self.seconds, 3)
        return {name: value for name, value in exact.items() if value not in (None, "")}

    def _tokens(self) -> str:
        if not (self.input_tokens or self.output_tokens):
            return ""
        cached = f" ({self.cached_tokens:,} cached)" if self.cached_tokens else ""
        thought = f" ({self.reasoning_tokens:,} reasoning)" if self.reasoning_tokens else ""
        return f"{self.input_tokens:,} in{cached} + {self.output_tokens:,} out{thought}"

    @property
    def _fee(self) -> Decimal | None:
        """What OpenRouter takes of the cost."""
        return None if self.cost is None else self.cost - (self.upstream_cost or Decimal(0))

    def _cost(self) -> str:
        if self.from_cache:
            age = f", {duration(self.cache_age)} old" if self.cache_age is not None else ""
            return f"$0 (from cache{age})"
        if self._fee is None:
            return "cost pending" if self.cost_pending else "cost not reported"
        plural = "es" if self.web_searches > 1 else ""
        searches = f" ({self.web_searches} web search{plural})" if self.web_searches else ""
        own = f" + {dollars(self.upstream_cost)} on your own key" if self.upstream_cost else ""
        return f"{dollars(self._fee)}{own}{searches}"


def told(receipt: Receipt | None) -> dict[str, Any]:
    """The receipt as a job keeps it: its `line` and its `meta`; empty if there is none."""
    return {"line": receipt.line(), "meta": receipt.meta()} if receipt else {}


def after_paying(
    error: OpenRouterError, receipt: Receipt, *, nothing_came: bool = False
) -> OpenRouterError:
    """The failure beside its receipt: what was paid is not to be called again unasked.

    OpenRouter bills nothing for an error of its own that comes without a cost, if `nothing_came`
    before it.
    """
    free = nothing_came and error.http_status is not None
    if not receipt.cost and (receipt.cost is not None or free):
        return error
    if not error.retryable:
        return error.once_paid
    told = PAID if receipt.cost else PERHAPS_BILLED
    return OpenRouterError(error.code, f"{error.once_paid.message} {told}")


def of_chat(request: ChatRequest, answer: Answer) -> Receipt:
    """The receipt of one chat, from the answer alone; it needs no second request."""
    usage = answer.usage
    prompt = responses.mapping(usage, "prompt_tokens_details")
    completion = responses.mapping(usage, "completion_tokens_details")
    age = answer.headers.get("x-openrouter-cache-age", "")
    cost, upstream = costs.of_usage(usage)
    if cost is None and answer.from_cache:
        cost = Decimal(0)
    return Receipt(
        model=answer.model or request.model.id,
        requested_model=request.model.id,
        provider=answer.provider or _selected_provider(answer.metadata),
        why=_why(request, answer),
        input_tokens=_count(usage, "prompt_tokens"),
        cached_tokens=_count(prompt, "cached_tokens"),
        output_tokens=_count(usage, "completion_tokens"),
        reasoning_tokens=_count(completion, "reasoning_tokens"),
        cost=cost,
        upstream_cost=upstream,
        web_searches=_web_searches(usage),
        seconds=answer.seconds,
        finish_reason=answer.finish_reason,
        service_tier=answer.service_tier,
        from_cache=answer.from_cache,
        cache_age=float(age) if age.isdecimal() else None,
        generation_id=answer.generation_id,
        cost_pending=cost is None and bool(answer.generation_id) and not answer.from_cache,
    )


def of_usage(
    model: Resolution,
    usage: Mapping[str, Any],
    *,
    answered: str = "",
    provider: str = "",
    generation_id: str = "",
    seconds: float = 0.0,
) -> Receipt:
    """The receipt of one request that is no chat, from its `usage` under whichever of its names."""
    names = ("prompt_tokens", "input_tokens", "total_tokens")
    cost, upstream = costs.of_usage(usage)
    reasons = [model.how] if model.how else []
    other = bool(answered) and not _same(model, answered)
    if other:
        reasons.append(f"served for {model.id}")
    return Receipt(
        model=answered if other else model.id,
        requested_model=model.id,
        provider=provider,
        why="; ".join(reasons),
        input_tokens=next((count for name in names if (count := _count(usage, name))), 0),
        cached_tokens=0,
        output_tokens=_count(usage, "completion_tokens") or _count(usage, "output_tokens"),
        reasoning_tokens=0,
        cost=cost,
        upstream_cost=upstream,
        web_searches=0,
        seconds=seconds,
        finish_reason="",
        service_tier="",
        from_cache=False,
        cache_age=None,
        generation_id=generation_id,
        cost_pending=cost is None and bool(generation_id),
    )


def together(receipts: Sequence[Receipt]) -> Receipt:
    """One receipt for the requests behind one reply: sums, and of the rest what the last one says.

    The cost is None as long as that of any of them is not known.
    """
    costs = [receipt.cost for receipt in receipts]
    upstream = [receipt.upstream_cost for receipt in receipts if receipt.upstream_cost]
    return replace(
        receipts[-1],
        why=receipts[0].why,
        input_tokens=sum(receipt.input_tokens for receipt in receipts),
        cached_tokens=sum(receipt.cached_tokens for receipt in receipts),
        output_tokens=sum(receipt.output_tokens for receipt in receipts),
        reasoning_tokens=sum(receipt.reasoning_tokens for receipt in receipts),
        cost=None if None in costs else sum((cost for cost in costs if cost), Decimal(0)),
        upstream_cost=sum(upstream, Decimal(0)) if upstream else None,
        web_searches=sum(receipt.web_searches for receipt in receipts),
        seconds=sum(receipt.seconds for receipt in receipts),
        from_cache=all(receipt.from_cache for receipt in receipts),
        cost_pending=any(receipt.cost_pending for receipt in receipts),
        requests=len(receipts),
    )


def _why(request: ChatRequest, answer: Answer) -> str:
    """Why the one that answered is not the one that the caller named."""
    reasons = [request.model.how] if request.model.how else []
    metadata = answer.metadata
    failed = [
        f"{attempt.get('provider')} {attempt.get('status')}"
        for attempt in responses.mappings(metadata, "attempts")
        if isinstance(attempt.get("status"), int) and attempt["status"] >= 400
    ]
    if not answer.model or _same(request.model, answer.model):
        if failed:
            reasons.append(f"after {', '.join(failed)}")
        return "; ".join(reasons)
    asked = request.model.id
    if any(_same(fallback, answer.model) for fallback in request.fallbacks):
        reasons.append(f"fallback from {asked}{': ' + ', '.join(failed) if failed else ''}")
    elif asked.startswith("openrouter/"):
        task = _task_type(metadata)
        reasons.append(f"chosen by {asked}{' for ' + task if task else ''}")
    else:
        reasons.append(f"served for {asked}")
    return "; ".join(reasons)


def _same(asked: Resolution, answered: str) -> bool:
    """Whether a model answered under its id or under its canonical slug, which has a date."""
    slug = asked.model.canonical_slug if asked.model else ""
    return _base(answered) in {_base(asked.id), _base(slug)}


def _base(model_id: str) -> str:
    """A model id without its `:variant` and `@preset`."""
    return model_id.split("@preset/")[0].split(":")[0]


def _task_type(metadata: Mapping[str, Any]) -> str:
    for stage in responses.mappings(metadata, "pipeline"):
        if task := responses.mapping(stage, "data").get("task_type"):
            return str(task)
    return ""


def _selected_provider(metadata: Mapping[str, Any]) -> str:
    for endpoint in responses.mappings(responses.mapping(metadata, "endpoints"), "available"):
        if endpoint.get("selected"):
            return str(endpoint.get("provider") or "")
    return ""


def _web_searches(usage: Mapping[str, Any]) -> int:
    """Searches stand under one of two names, or under both: never added up."""
    names = ("server_tool_use_details", "server_tool_use")
    return max(_count(responses.mapping(usage, name), "web_search_requests") for name in names)


def _count(mapping: Mapping[str, Any], name: str) -> int:
    value = mapping.get(name)
    known = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return int(max(0, min(value, MOST_COUNTED))) if known else 0
