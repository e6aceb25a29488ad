"""The simulator as an ASGI application: the table of endpoints, the log, faults, disconnects."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from openrouter_mcp.simulator import (
    account,
    benchmarks,
    chat,
    completions,
    control,
    documentation,
    embeddings,
    feedback,
    generations,
    images,
    market,
    media_discovery,
    models,
    rerank,
    speech,
    transcription,
    videos,
    wire_faults,
)
from openrouter_mcp.simulator.call import Call, Endpoint, Handler, authenticate, authorize
from openrouter_mcp.simulator.fault import Stage
from openrouter_mcp.simulator.replies import Refused, failure
from openrouter_mcp.simulator.state import Recorded, Simulator

BASE = "/api/v1"
ENDPOINTS = [
    Endpoint("GET", "/models", models.list_models),
    Endpoint("GET", "/models/count", models.count_models),
    Endpoint("GET", "/models/user", media_discovery.list_own_models, "any key"),
    Endpoint("GET", "/model/{author}/{slug}", models.get_model),
    Endpoint("GET", "/models/{author}/{slug}/endpoints", models.list_endpoints),
    Endpoint("GET", "/providers", models.list_providers),
    Endpoint("GET", "/endpoints/zdr", models.list_zdr_endpoints),
    Endpoint("GET", "/images/models", media_discovery.list_image_models),
    Endpoint(
        "GET",
        "/images/models/{author}/{slug}/endpoints",
        media_discovery.list_image_endpoints,
    ),
    Endpoint("GET", "/videos/models", media_discovery.list_video_models),
    Endpoint("GET", "/embeddings/models", media_discovery.list_embedding_models),
    Endpoint("GET", "/benchmarks", benchmarks.list_results, "any key"),
    Endpoint("GET", "/datasets/rankings-daily", market.daily_rankings, "any key"),
    Endpoint("GET", "/datasets/app-rankings", market.app_rankings, "any key"),
    Endpoint("GET", "/datasets/session-cost", market.session_costs, "any key"),
    Endpoint("GET", "/classifications/task", market.tasks, "any key"),
    Endpoint("GET", "/key", account.key, "any key"),
    Endpoint("GET", "/auth/key", account.key, "any key"),
    Endpoint("GET", "/credits", account.credits_, "management"),
    Endpoint("POST", "/generation/feedback", feedback.submit, "management"),
    Endpoint("GET", "/generation", generations.get, "any key"),
    Endpoint("POST", "/chat/completions", chat.complete, "inference"),
    Endpoint("POST", "/completions", completions.complete, "inference"),
    Endpoint("POST", "/embeddings", embeddings.embed, "inference"),
    Endpoint("POST", "/images", images.draw, "inference"),
    Endpoint("POST", "/audio/speech", speech.speak, "inference"),
    Endpoint("POST", "/audio/transcriptions", transcription.transcribe, "inference"),
    Endpoint("POST", "/rerank", rerank.order, "inference"),
    Endpoint("POST", "/videos", videos.order, "inference"),
    Endpoint("GET", "/videos/{id}", videos.status, "inference"),
    Endpoint("GET", "/videos/{id}/content", videos.content, "inference"),
]
WEBSITE = [
    Endpoint("GET", "/docs/{path:path}", documentation.docs),
    Endpoint("GET", "/skills", documentation.skills),
    Endpoint("GET", "/skills/{name}", documentation.skill),
]
CONTROLS = [
    Endpoint("POST", "/simulator/fail", control.fail),
    Endpoint("POST", "/simulator/answer", control.answer),
    Endpoint("GET", "/simulator/requests", control.requests),
    Endpoint("GET", "/simulator/faults", control.faults),
    Endpoint("POST", "/simulator/reset", control.reset),
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
        key, kind = authenticate(simulator, recorded.headers)
        path = recorded.path.removeprefix(BASE)
        call = Call(simulator, recorded, path, dict(request.path_params), key, kind)
        try:
            authorize(call, endpoint.access)
            return await handler(call)
        except Refused as refused:
            return refused.response

    return receive


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
        return wire_faults.damaged(response, damage.make()) if damage else response

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
        except wire_faults.Cut:
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
