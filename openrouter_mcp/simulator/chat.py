"""`POST /chat/completions`, as JSON and as a stream of events."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from functools import partial
from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse

from openrouter_mcp.simulator import chat_media, generations, response_cache
from openrouter_mcp.simulator.answers import Answer, citation, compose, last_user_text
from openrouter_mcp.simulator.call import Call
from openrouter_mcp.simulator.chat_request import ChatRequest, check
from openrouter_mcp.simulator.endpoint_choice import serves
from openrouter_mcp.simulator.fault import Stage
from openrouter_mcp.simulator.generation import Generation, stream, whole
from openrouter_mcp.simulator.replies import Refused, failure
from openrouter_mcp.simulator.routing import Choice, choices
from openrouter_mcp.simulator.scripts import Script
from openrouter_mcp.simulator.usage import (
    CACHEABLE,
    Counted,
    cached_tokens,
    cost,
    prompt_text,
    prompt_tokens,
    usage,
)

Json = dict[str, Any]
BILLS_ON = {"Amazon Bedrock", "Google", "Google AI Studio", "Groq", "Mistral", "Alibaba"}
"""Providers that go on, and charge, when the caller of a stream leaves."""
UNBOUNDED = 65_536
"""The output limit of a model whose row states none."""


async def complete(call: Call) -> Response:
    """Answer a chat: from the response cache, else by the first model that can."""
    request, messages = prepared(call)
    if chat_media.wanted(request):
        return await chat_media.complete(call, request, messages)
    stored = response_cache.look_up(call)
    generation = (
        stored.again(call.simulator.generation_id())
        if stored
        else generate(call, request, messages)
    )
    headers = {"X-Generation-Id": generation.id} | response_cache.headers(call, stored)
    latency = generation.script.latency
    latency = call.simulator.latency if latency is None else latency
    latency = 0 if stored else latency
    stoppable = request.stream and generation.provider not in BILLS_ON
    if not stoppable:
        call.simulator.charge(generation.cost)
    if request.stream:
        events = stream(generation, latency, partial(finished, call, generation, stoppable))
        return StreamingResponse(events, headers=headers, media_type="text/event-stream")
    await asyncio.sleep(latency)
    response_cache.store(call, generation)
    return JSONResponse(whole(generation), headers=headers)


def finished(call: Call, generation: Generation, stoppable: bool) -> None:
    """A stream came to its end: charge what a cancelled one would not have cost, keep the reply."""
    if stoppable:
        call.simulator.charge(generation.cost)
    response_cache.store(call, generation)


def prepared(call: Call) -> tuple[ChatRequest, list[Json]]:
    """The checked request and its messages, with the preset's settings below its own."""
    if not isinstance(call.body, dict):
        raise Refused(failure(400, "Invalid JSON body", error_type="invalid_request"))
    body = {key: value for key, value in call.body.items() if value is not None}
    check(body)
    body = with_preset(call, body)
    return check(body), body["messages"]


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


def generate(call: Call, request: ChatRequest, messages: list[Json]) -> Generation:
    """Find the model and endpoint that answer, and let it answer. Raises `Refused`."""
    simulator = call.simulator
    prompt, counted_prompt = prompt_text(messages), prompt_tokens(messages)
    possible = choices(simulator, request, last_user_text(messages), counted_prompt)
    choice, endpoint, attempts = reach(call, possible)
    model = choice.model
    if simulator.balance < 0 or (simulator.balance == 0 and ":free" not in model["id"]):
        message = "Insufficient credits. Add more using https://openrouter.ai/credits"
        raise Refused(failure(402, message))
    refuse_impossible_effort(choice, request)
    script = scripted(call, model["id"], prompt)
    limit = request.max_completion_tokens or request.max_tokens
    limit = limit or endpoint["max_completion_tokens"] or UNBOUNDED
    answer = compose(model, request, messages, script, limit)
    counted = count(call, request, choice, answer, prompt, counted_prompt)
    if counted.searches:
        answer.annotations = [citation(last_user_text(messages))]
    costs = cost(endpoint["pricing"], counted, simulator.clock())
    if not answer.completion_tokens and answer.finish_reason is None:
        costs = Decimal(0), Decimal(0)
    simulator.free_requests += ":free" in model["id"]
    id_, total = simulator.generation_id(), sum(costs, start=Decimal(0))
    provider = endpoint["provider_name"]
    generations.remember(simulator, id_, model, provider, "completions", total, streamed=True)
    return Generation(
        id_,
        script.model or model["id"],
        provider,
        endpoint["service_tier"] or "default",
        int(simulator.clock()),
        answer,
        usage(counted, *costs),
        metadata(call, request, choice, endpoint, attempts),
        script,
        total,
    )


def reach(call: Call, possible: list[Choice]) -> tuple[Choice, Json, list[Json]]:
    """The first candidate whose provider is not told to fail, and the record of the attempts.

    Raises `Refused` with the last failure.
    """
    attempts: list[Json] = []
    failed: Response | None = None
    for choice in possible:
        for endpoint in choice.endpoints:
            model, provider = choice.model["id"], endpoint["provider_name"]
            fault = call.simulator.take_fault(
                Stage.UPSTREAM, call.path, model, serves(endpoint).slug
            )
            failed = fault.make(requested=model) if fault else None
            status = failed.status_code if failed else 200
            attempts.append({"provider": provider, "model": model, "status": status})
            if failed is None:
                return choice, endpoint, attempts
            if fault and not fault.provider:
                break
    raise Refused(failed or failure(404, "No endpoints found"))


def refuse_impossible_effort(choice: Choice, request: ChatRequest) -> None:
    """A model that must think refuses `none`; an alias maps it to what its target can do."""
    abilities = choice.model.get("reasoning") or {"mandatory": False}
    effort = (request.reasoning and request.reasoning.effort) or request.reasoning_effort
    if effort == "none" and abilities["mandatory"] and choice.strategy != "latest":
        message = f"Reasoning is mandatory for {choice.model['id']} and cannot be disabled."
        raise Refused(failure(400, message, error_type="invalid_request"))


def scripted(call: Call, model: str, prompt: str) -> Script:
    """A queued unpleasant answer, else the queued script."""
    fault = call.simulator.take_fault(Stage.ANSWER, call.path, model)
    return fault.make() if fault else call.simulator.take_script(model, prompt)


def count(
    call: Call, request: ChatRequest, choice: Choice, answer: Answer, prompt: str, total: int
) -> Counted:
    """What the generation used, and remember the prompt for the provider's cache."""
    earlier = call.simulator.prompt_cache.setdefault(choice.model["id"], [])
    pricing = choice.model["pricing"]
    cached = cached_tokens(earlier, prompt) if "input_cache_read" in pricing else 0
    if total >= CACHEABLE:
        earlier.append(prompt)
    marked = request.cache_control or b'"cache_control"' in call.recorded.raw
    writes = bool(marked) and "input_cache_write" in pricing and total - cached >= CACHEABLE
    tools = [tool.type for tool in request.tools or []]
    plugins = [plugin.id for plugin in request.plugins or [] if plugin.enabled is not False]
    searches = choice.web or "web" in plugins or "openrouter:web_search" in tools
    searches = searches or "web_search_options" in choice.model["supported_parameters"]
    return Counted(
        prompt=total,
        completion=answer.completion_tokens,
        cached=min(cached, total),
        cache_written=total - cached if writes else 0,
        reasoning=-(-len(answer.reasoning) // 4),
        searches=int(searches),
    )


def metadata(
    call: Call, request: ChatRequest, choice: Choice, endpoint: Json, attempts: list[Json]
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
    report: Json = {
        "requested": request.model or (request.models or ["openrouter/auto"])[0],
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
