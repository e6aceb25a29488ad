"""`POST /chat/completions` and `POST /completions`, whole and as a stream of events."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse

from openrouter_mcp.simulator import billing, media
from openrouter_mcp.simulator.account import billed, remember
from openrouter_mcp.simulator.answers import (
    CACHEABLE,
    Answer,
    Counted,
    Script,
    cached_tokens,
    citation,
    compose,
    cost,
    deltas,
    effective,
    effort_of,
    last_user_text,
    message,
    prompt_text,
    prompt_tokens,
    usage,
)
from openrouter_mcp.simulator.billing import Work
from openrouter_mcp.simulator.faults import (
    KEEP_ALIVE,
    Refused,
    Stage,
    bad_request,
    event,
    failure,
    invalid,
    refused,
)
from openrouter_mcp.simulator.routing import Choice, choices, serves
from openrouter_mcp.simulator.state import Call

Json = dict[str, Any]

OPTIONAL = (
    "model models provider plugins preset stream max_completion_tokens max_tokens temperature top_p"
    " top_k min_p top_a frequency_penalty presence_penalty repetition_penalty seed stop logit_bias"
    " logprobs top_logprobs response_format structured_outputs tools deferred_tools tool_choice"
    " parallel_tool_calls max_tool_calls stop_server_tools_when reasoning reasoning_effort"
    " include_reasoning verbosity prediction modalities image_config audio web_search_options"
    " cache_control prompt_cache_key prompt_cache_options session_id service_tier user metadata"
    " trace debug route transforms usage stream_options"
)
"""Every documented field beside the messages."""
BILLS_ON = {"Amazon Bedrock", "Google", "Google AI Studio", "Groq", "Mistral", "Alibaba"}
"""Providers that go on, and charge, when the caller of a stream leaves."""
LONGEST_GREEDY = 20_000
"""Tokens that a greedy model writes at most."""
UNBOUNDED = 65_536
"""The output limit of a model whose row states none."""
DEFAULT_TTL = 300
LONGEST_TTL = 86_400


@dataclass
class Generation:
    """One answer with everything that the reply says about it."""

    id: str
    model: str
    provider: str
    service_tier: str
    created: int
    answer: Answer
    usage: Json
    metadata: Json | None
    script: Script
    cost: Decimal
    fresh: bool = True
    """False for a reply that comes from the cache."""

    @property
    def head(self) -> Json:
        """What every chunk and the whole reply begin with."""
        return {
            "id": self.id,
            "created": self.created,
            "model": self.model,
            "provider": self.provider,
        }

    @property
    def tail(self) -> Json:
        """What the last chunk and the whole reply end with."""
        told = {"openrouter_metadata": self.metadata} if self.metadata else {}
        return {"service_tier": self.service_tier, "usage": self.usage} | told


async def complete(call: Call) -> Response:
    """Answer a chat: from the response cache, else by the first model that can."""
    request = with_preset(call, call.fields("messages", OPTIONAL))
    if not {"image", "audio"}.isdisjoint(request.get("modalities", [])):
        return media.chat(call, request)
    stored = look_up(call)
    if stored:
        generation, latency = stored.again(call.simulator.generation_id()), 0.0
    else:
        generation = generate(call, request)
        latency = thinks(call, generation)
    headers = {"X-Generation-Id": generation.id} | cache_headers(call, stored)
    streamed = request.get("stream", False)
    stoppable = streamed and generation.provider not in BILLS_ON
    if not stoppable:
        call.simulator.charge(generation.cost)
    if streamed:
        events = stream(generation, latency, partial(finished, call, generation, stoppable))
        return StreamingResponse(events, headers=headers, media_type="text/event-stream")
    await asyncio.sleep(latency)
    store(call, generation)
    return JSONResponse(whole(generation), headers=headers)


async def complete_text(call: Call) -> Response:
    """`POST /completions`: continue the prompt as a chat with one message would answer it."""
    request = call.fields("prompt", f"{OPTIONAL} n best_of echo suffix")
    if not isinstance(request["prompt"], str):
        raise Refused(invalid("invalid_type", ["prompt"], "Required"))
    request["messages"] = [{"role": "user", "content": request.pop("prompt")}]
    generation = generate(call, request)
    headers = {"X-Generation-Id": generation.id}
    if not request.get("stream"):
        call.simulator.charge(generation.cost)
        return JSONResponse(_as_text(whole(generation)), headers=headers)
    done = partial(finished, call, generation, True)
    events = _as_texts(stream(generation, thinks(call, generation), done))
    return StreamingResponse(events, headers=headers, media_type="text/event-stream")


async def _as_texts(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in events:
        if piece.startswith(b"data: {"):
            yield event(_as_text(json.loads(piece.removeprefix(b"data: "))))
        else:
            yield piece


def _as_text(reply: Json) -> Json:
    """A chat's reply or chunk with plain text in the place of its messages."""
    choices = [
        {
            "index": choice["index"],
            "text": (choice.get("message") or choice.get("delta") or {}).get("content") or "",
            "logprobs": None,
            "finish_reason": choice["finish_reason"],
            "native_finish_reason": choice.get("native_finish_reason"),
        }
        for choice in reply["choices"]
    ]
    return {**reply, "object": "text_completion", "choices": choices}


def thinks(call: Call, generation: Generation) -> float:
    """The seconds before the first token."""
    latency = generation.script.latency
    return call.simulator.latency if latency is None else latency


def finished(call: Call, generation: Generation, stoppable: bool) -> None:
    """A stream came to its end: charge what a cancelled one would not have cost, keep the reply."""
    if stoppable:
        call.simulator.charge(generation.cost)
    store(call, generation)


def with_preset(call: Call, body: Json) -> Json:
    """The body with `@preset/slug` or `preset` resolved: what the request says itself wins."""
    model, _, slug = body.get("model", "").partition("@preset/")
    slug = slug or body.get("preset", "")
    if not slug:
        return body
    if slug not in call.simulator.presets:
        raise Refused(failure(404, f"Preset {slug} not found", error_type="not_found"))
    preset = dict(call.simulator.presets[slug])
    system = preset.pop("system_prompt", "")
    own = {key: value for key, value in body.items() if key not in ("model", "preset")}
    own |= {"model": model} if model else {}
    tools = [*preset.get("tools", []), *own.get("tools", [])]
    merged = preset | own | ({"tools": tools} if tools else {})
    if system and all(sent["role"] != "system" for sent in merged["messages"]):
        merged["messages"] = [{"role": "system", "content": system}, *merged["messages"]]
    return merged


def generate(call: Call, request: Json) -> Generation:
    """Find the model and endpoint that answer, and let it answer. Raises `Refused`."""
    simulator = call.simulator
    messages = request["messages"]
    prompt = prompt_text(messages)
    choice, endpoint, attempts = reach(call, choices(simulator, request, prompt_tokens(messages)))
    model = choice.model
    if simulator.balance < 0 or (simulator.balance == 0 and ":free" not in model["id"]):
        raise refused("insufficient_credits")
    refuse_impossible_effort(choice, request)
    script = scripted(call, model["id"], prompt)
    limit = request.get("max_completion_tokens") or request.get("max_tokens")
    limit = limit or endpoint["max_completion_tokens"] or UNBOUNDED
    if simulator.greedy and script == Script():
        script = Script(text="word" * min(limit, LONGEST_GREEDY))
    answer = compose(model, request, script, limit)
    used = billing.work_of(request, model, greedy=simulator.greedy, suffix_searches=choice.web)
    counted = count(call, request, choice, answer, prompt)
    counted.searches = used.searches
    if counted.searches:
        answer.annotations = [citation(last_user_text(messages))]
    costs = costs_of(endpoint["pricing"], counted, used, simulator.clock())
    if not answer.completion_tokens and answer.finish_reason is None:
        costs = Decimal(0), Decimal(0)
    simulator.free_requests += ":free" in model["id"]
    id_, total = simulator.generation_id(), sum(costs, start=Decimal(0))
    provider = endpoint["provider_name"]
    known = remember(simulator, id_, model, provider, "completions", total, streamed=True)
    used = usage(counted, *costs)
    if simulator.byok:
        used |= billed(known)
    return Generation(
        id_,
        script.model or model["id"],
        provider,
        endpoint["service_tier"] or "default",
        int(simulator.clock()),
        answer,
        used,
        metadata(call, request, choice, endpoint, attempts),
        script,
        simulator.charged(total),
    )


def costs_of(pricing: Json, counted: Counted, used: Work, now: float) -> tuple[Decimal, Decimal]:
    """What prompt and completion cost over all turns and copies; fees go to the prompt."""
    prompt, completion = cost(pricing, counted, now)
    price = Decimal(effective(pricing, counted.prompt, now)["prompt"])
    further = used.turns - 1
    read = used.read * max(1, further) + counted.prompt * further
    read += counted.completion * used.turns * further // 2
    prompt = used.copies * (prompt + read * price + used.fees)
    return prompt, used.copies * used.turns * completion


def reach(call: Call, possible: list[Choice]) -> tuple[Choice, Json, list[Json]]:
    """The first candidate whose provider is not told to fail, and the record of the attempts.

    Raises `Refused` with the last failure.
    """
    attempts: list[Json] = []
    failed: Response | None = None
    for choice in possible:
        for endpoint in choice.endpoints:
            model, provider = choice.model["id"], endpoint["provider_name"]
            slug = serves(endpoint).slug
            fault = call.simulator.take_fault(Stage.UPSTREAM, call.path, model, slug)
            failed = fault.make(requested=model) if fault else None
            status = failed.status_code if failed else 200
            attempts.append({"provider": provider, "model": model, "status": status})
            if failed is None:
                return choice, endpoint, attempts
            if fault and not fault.provider:
                break
    raise Refused(failed or failure(404, "No endpoints found"))


def refuse_impossible_effort(choice: Choice, request: Json) -> None:
    """A model that must think refuses `none`; an alias maps it to what its target can do."""
    mandatory = choice.model.get("reasoning", {}).get("mandatory")
    if effort_of(request) == "none" and mandatory and choice.strategy != "latest":
        message = f"Reasoning is mandatory for {choice.model['id']} and cannot be disabled."
        raise bad_request(message)


def scripted(call: Call, model: str, prompt: str) -> Script:
    """A queued unpleasant answer, else the queued script."""
    fault = call.simulator.take_fault(Stage.ANSWER, call.path, model)
    return fault.make() if fault else call.simulator.take_script(model, prompt)


def count(call: Call, request: Json, choice: Choice, answer: Answer, prompt: str) -> Counted:
    """What the generation used, and remember the prompt for the provider's cache."""
    total = prompt_tokens(request["messages"])
    earlier = call.simulator.prompt_cache.setdefault(choice.model["id"], [])
    pricing = choice.model["pricing"]
    cached = cached_tokens(earlier, prompt) if "input_cache_read" in pricing else 0
    if total >= CACHEABLE:
        earlier.append(prompt)
    marked = b'"cache_control"' in call.recorded.raw
    writes = marked and "input_cache_write" in pricing and total - cached >= CACHEABLE
    return Counted(
        prompt=total,
        completion=answer.completion_tokens,
        cached=min(cached, total),
        cache_written=total - cached if writes else 0,
        reasoning=-(-len(answer.reasoning) // 4),
    )


def metadata(
    call: Call, request: Json, choice: Choice, endpoint: Json, attempts: list[Json]
) -> Json | None:
    """`openrouter_metadata`, None unless its header asks for it."""
    legacy = call.headers.get("x-openrouter-experimental-metadata", "")
    if call.headers.get("x-openrouter-metadata", legacy) != "enabled":
        return None
    model = choice.model["id"]
    names = dict.fromkeys(row["provider_name"] for row in choice.endpoints)
    first = attempts[0]["model"] == model
    available = [
        {"provider": name, "model": model, "selected": name == endpoint["provider_name"]}
        for name in names
    ]
    asked = [request.get("model"), *request.get("models", []), "openrouter/auto"]
    report: Json = {
        "requested": next(filter(None, asked)),
        "strategy": choice.strategy if first else "fallback",
        "region": "iad",
        "summary": f"available={len(names)}, selected={endpoint['provider_name']}",
        "attempt": len(attempts),
        "is_byok": False,
        "endpoints": {"total": len(names), "available": available},
        "attempts": attempts,
        "generation_time": int(call.simulator.latency * 1000),
    }
    return report | ({"pipeline": choice.pipeline} if choice.pipeline else {})


def whole(generation: Generation) -> Json:
    """The reply as one JSON object."""
    answer = generation.answer
    choice = {
        "index": 0,
        "finish_reason": answer.finish_reason,
        "native_finish_reason": answer.native_finish_reason,
        "logprobs": None,
        "message": message(answer),
    }
    reply = {"object": "chat.completion", "system_fingerprint": None, "choices": [choice]}
    return generation.head | reply | generation.tail


async def stream(
    generation: Generation, latency: float, done: Callable[[], None]
) -> AsyncIterator[bytes]:
    """The reply as events: comments, the role, the answer, the finish, usage, `[DONE]`.

    `done` is called when the answer is complete.
    """
    yield KEEP_ALIVE * 2
    await asyncio.sleep(latency)
    answer = generation.answer
    head = generation.head | {"object": "chat.completion.chunk"}
    finish = (answer.finish_reason, answer.native_finish_reason)
    parts = [(part, (None, None)) for part in deltas(answer)] + [({"content": ""}, finish)]
    for number, (delta, (reason, native)) in enumerate(parts):
        if number and generation.script.chunk_delay:
            await asyncio.sleep(generation.script.chunk_delay)
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        yield event(head | {"choices": [choice | {"native_finish_reason": native}]})
    done()
    yield event(head | {"choices": []} | generation.tail)
    yield b"data: [DONE]\n\n"


# The cache of whole replies, which callers switch on by header.


@dataclass
class Stored:
    """A reply kept for identical requests; times in Unix seconds."""

    reply: Generation
    stored_at: float
    ttl: int

    def again(self, new_id: str) -> Generation:
        """The same answer under a new id, free and without metadata."""
        nothing = usage(Counted(0, 0), Decimal(0), Decimal(0))
        changes: Json = {"usage": nothing, "metadata": None, "script": Script()}
        return replace(self.reply, id=new_id, cost=Decimal(0), **changes)


def caches(call: Call) -> bool:
    """Whether the request switches the cache on."""
    return call.headers.get("x-openrouter-cache", "").lower() == "true"


def ttl(call: Call) -> int:
    """The time to live asked for, in seconds: the leading digits, clamped."""
    digits = re.match(r"\d+", call.headers.get("x-openrouter-cache-ttl", ""))
    return min(max(int(digits[0]), 1), LONGEST_TTL) if digits else DEFAULT_TTL


def cache_key(call: Call) -> tuple[str, ...]:
    """What must be the same for a hit: key, endpoint, and the body byte for byte."""
    return call.key, call.path, hashlib.sha256(call.recorded.raw).hexdigest()


def look_up(call: Call) -> Stored | None:
    """The stored reply to this request, unless it is too old or to be replaced."""
    if not caches(call) or call.headers.get("x-openrouter-cache-clear", "").lower() == "true":
        return None
    stored = call.simulator.response_cache.get(cache_key(call))
    if stored and call.simulator.clock() < stored.stored_at + stored.ttl:
        return stored
    return None


def store(call: Call, generation: Generation) -> None:
    """Keep a fresh, complete reply."""
    if caches(call) and generation.fresh:
        stored = Stored(replace(generation, fresh=False), call.simulator.clock(), ttl(call))
        call.simulator.response_cache[cache_key(call)] = stored


def cache_headers(call: Call, stored: Stored | None) -> dict[str, str]:
    """The four cache headers of a hit, two of a miss, none without the cache."""
    if not caches(call):
        return {}
    name = "X-OpenRouter-Cache-"
    if stored is None:
        return {f"{name}Status": "MISS", f"{name}TTL": str(ttl(call))}
    age = int(call.simulator.clock() - stored.stored_at)
    return {
        f"{name}Status": "HIT",
        f"{name}Age": str(age),
        f"{name}TTL": str(stored.ttl - age),
        f"{name}Source-Id": stored.reply.id,
    }
