"""The simulator as an ASGI application: the table of endpoints, the log, faults, disconnects.

Beside the API, `/simulator/...` tells the simulator over HTTP what to do.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from dataclasses import dataclass
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from openrouter_mcp.simulator import (
    account,
    chat,
    documentation,
    embeddings,
    market,
    media,
    models,
)
from openrouter_mcp.simulator.answers import Script
from openrouter_mcp.simulator.faults import (
    Cut,
    Refused,
    Stage,
    bad_request,
    damaged,
    failure,
    refused,
)
from openrouter_mcp.simulator.state import Call, Handler, Recorded, Simulator

BASE = "/api/v1"
DONE = {"ok": True}
Access = Literal["public", "any key", "inference", "management"]


@dataclass(frozen=True)
class Endpoint:
    """One row of the API: where, what answers, who may ask."""

    method: str
    path: str
    handler: Handler
    access: Access = "public"


async def fail(call: Call) -> Response:
    """`POST /simulator/fail`: the arguments of `Simulator.fail` as JSON."""
    try:
        call.simulator.fail(**call.body)
    except (TypeError, ValueError) as error:
        raise bad_request(str(error)) from error
    return JSONResponse(DONE)


async def answer(call: Call) -> Response:
    """`POST /simulator/answer`: the fields of `Script`.

    Beside them `times`, and `when_model` and `when_prompt` to narrow it.
    """
    script: dict[str, Any] = dict(call.body)
    times = script.pop("times", 1)
    model, prompt = script.pop("when_model", ""), script.pop("when_prompt", "")
    try:
        call.simulator.answer(Script(**script), times=times, model=model, prompt=prompt)
    except TypeError as error:
        raise bad_request(str(error)) from error
    return JSONResponse(DONE)


async def requests(call: Call) -> Response:
    """`GET /simulator/requests`: the log, with no more of a key than its last four characters."""
    return JSONResponse({"data": [shown(recorded) for recorded in call.simulator.requests]})


async def reset(call: Call) -> Response:
    """`POST /simulator/reset`: forget the log, the instructions and what was spent."""
    call.simulator.reset()
    return JSONResponse(DONE)


def shown(recorded: Recorded) -> dict[str, Any]:
    """A log entry as JSON, its key hidden."""
    headers = dict(recorded.headers)
    if "authorization" in headers:
        headers["authorization"] = f"...{headers['authorization'][-4:]}"
    return {
        "method": recorded.method,
        "path": recorded.path,
        "query": recorded.query,
        "headers": headers,
        "body": recorded.body,
        "received_at": recorded.received_at,
        "closed_at": recorded.closed_at,
        "disconnected": recorded.disconnected,
    }


ENDPOINTS = [
    Endpoint("GET", "/models", models.list_models),
    Endpoint("GET", "/models/count", models.count_models),
    Endpoint("GET", "/models/{author}/{slug}/endpoints", models.list_endpoints),
    Endpoint("GET", "/providers", models.list_providers),
    Endpoint("GET", "/endpoints/zdr", models.list_zdr_endpoints),
    Endpoint("GET", "/images/models", models.list_image_models),
    Endpoint("GET", "/images/models/{author}/{slug}/endpoints", models.list_image_endpoints),
    Endpoint("GET", "/videos/models", models.list_video_models),
    Endpoint("GET", "/benchmarks", market.benchmarks, "any key"),
    Endpoint("GET", "/datasets/rankings-daily", market.daily_rankings, "any key"),
    Endpoint("GET", "/datasets/app-rankings", market.app_rankings, "any key"),
    Endpoint("GET", "/datasets/session-cost", market.session_costs, "any key"),
    Endpoint("GET", "/classifications/task", market.tasks, "any key"),
    Endpoint("GET", "/key", account.key, "any key"),
    Endpoint("GET", "/auth/key", account.key, "any key"),
    Endpoint("POST", "/auth/keys", account.exchange_code),
    Endpoint("GET", "/credits", account.credits_, "management"),
    Endpoint("POST", "/generation/feedback", account.feedback, "management"),
    Endpoint("GET", "/generation", account.generation, "any key"),
    Endpoint("POST", "/chat/completions", chat.complete, "inference"),
    Endpoint("POST", "/completions", chat.complete_text, "inference"),
    Endpoint("POST", "/embeddings", embeddings.embed, "inference"),
    Endpoint("POST", "/images", media.draw, "inference"),
    Endpoint("POST", "/audio/speech", media.speak, "inference"),
    Endpoint("POST", "/audio/transcriptions", media.transcribe, "inference"),
    Endpoint("POST", "/rerank", embeddings.rerank, "inference"),
    Endpoint("POST", "/videos", media.order_video, "inference"),
    Endpoint("GET", "/videos/{id}", media.video_status, "inference"),
    Endpoint("GET", "/videos/{id}/content", media.video_content, "inference"),
]
WEBSITE = [
    Endpoint("GET", "/auth", account.log_in),
    Endpoint("GET", "/docs/{path:path}", documentation.docs),
    Endpoint("GET", "/skills", documentation.skills),
    Endpoint("GET", "/skills/{name}", documentation.skill),
]
CONTROLS = [
    Endpoint("POST", "/simulator/fail", fail),
    Endpoint("POST", "/simulator/answer", answer),
    Endpoint("GET", "/simulator/requests", requests),
    Endpoint("POST", "/simulator/reset", reset),
]


def build(simulator: Simulator) -> ASGIApp:
    """The application that plays OpenRouter for `simulator`."""
    return Logged(simulator, Router(routes(simulator)))


def routes(simulator: Simulator) -> list[BaseRoute]:
    """Every endpoint, what steers the simulator, and a JSON 404 for the rest."""
    steering = [
        Route(row.path, receiver(simulator, row, row.handler), methods=[row.method])
        for row in CONTROLS
    ]
    answering = [
        Route(base + row.path, receiver(simulator, row, faulty(row.handler)), methods=[row.method])
        for base, rows in ((BASE, ENDPOINTS), ("", WEBSITE))
        for row in rows
    ]
    nowhere = Endpoint("", "/{path:path}", nothing_here)
    anything = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return [
        *steering,
        *answering,
        Route(nowhere.path, receiver(simulator, nowhere, faulty(nothing_here)), methods=anything),
    ]


async def nothing_here(_: Call) -> Response:
    """Answer a path that is no endpoint."""
    raise Refused(failure(404, "Not Found"))


def receiver(simulator: Simulator, endpoint: Endpoint, handler: Handler) -> Any:
    """The Starlette endpoint around a handler: who asks, what they ask, may they."""

    async def receive(request: Request) -> Response:
        recorded: Recorded = request.scope["simulator.recorded"]
        scheme, _, key = recorded.headers.get("authorization", "").partition(" ")
        key = key.strip() if scheme.lower() == "bearer" else ""
        call = Call(simulator, recorded, dict(request.path_params), key, simulator.keys.get(key))
        try:
            authorize(call, endpoint.access)
            return await handler(call)
        except Refused as error:
            return error.response

    return receive


def authorize(call: Call, access: Access) -> None:
    """Raise `Refused` unless the call's key may use an endpoint with this access."""
    if access == "public":
        return
    if not call.key:
        raise refused("missing_authentication")
    if call.kind is None:
        raise refused("unknown_user")
    if access == "management" and call.kind != "management":
        raise refused("management_key_required")
    if access == "inference" and call.kind != "inference":
        raise Refused(failure(403, "Management keys cannot be used for inference"))


def faulty(handler: Handler) -> Handler:
    """The handler behind the queued faults that strike before and after it."""

    async def handle(call: Call) -> Response:
        simulator, path = call.simulator, call.path
        model = call.body.get("model") or "" if isinstance(call.body, dict) else ""
        if fault := simulator.take_fault(Stage.EDGE, path, model):
            made = fault.make()
            return await made if inspect.isawaitable(made) else made
        # A chat asks for these itself, for each candidate.
        if handler is not chat.complete and (
            fault := simulator.take_fault(Stage.UPSTREAM, path, model)
        ):
            return fault.make()
        damage = simulator.take_fault(Stage.WIRE, path, model)
        response = await handler(call)
        return damaged(response, damage.make()) if damage else response

    return handle


class Logged:
    """Reads and records each request, then answers it unless the client goes away first."""

    def __init__(self, simulator: Simulator, app: ASGIApp) -> None:
        self.simulator = simulator
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        recorded = await self.record(scope, receive)
        # 2.4 tells Starlette that somebody else (we, below) watches for the disconnect.
        asgi = scope["asgi"] | {"spec_version": "2.4"}
        scope = {**scope, "simulator.recorded": recorded, "asgi": asgi}
        answering = asyncio.ensure_future(self.answer(scope, send))
        leaving = asyncio.ensure_future(disconnect(receive))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            recorded.disconnected = not answering.done()
            if answering.done():
                await answering
        finally:
            answering.cancel()
            leaving.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)
            recorded.closed_at = self.simulator.clock()
            recorded.ended.set()

    async def answer(self, scope: Scope, send: Send) -> None:
        """Let the endpoint answer; a fault may order the connection to be cut."""

        async def unread() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        try:
            await self.app(scope, unread, send)
        except Cut:
            scope["extensions"]["simulator.cut"]()
            await asyncio.Event().wait()

    async def record(self, scope: Scope, receive: Receive) -> Recorded:
        """Read the body and enter the request into the log, unless it only steers us."""
        pieces = []
        more = True
        while more:
            message = await receive()
            pieces.append(message.get("body", b""))
            more = message.get("more_body", False)
        raw = b"".join(pieces)
        request = Request(scope)
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = None
        recorded = Recorded(
            method=request.method,
            path=scope["path"].removeprefix(BASE),
            query=dict(request.query_params),
            headers=dict(request.headers),
            raw=raw,
            body=body,
            received_at=self.simulator.clock(),
        )
        if not recorded.path.startswith("/simulator/"):
            self.simulator.requests.append(recorded)
        return recorded


async def disconnect(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
