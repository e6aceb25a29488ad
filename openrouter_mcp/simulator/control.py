"""Telling the simulator over HTTP what to do: `/simulator/...`, outside the API."""

from __future__ import annotations

import inspect
from typing import Any

from starlette.responses import JSONResponse, Response

from openrouter_mcp.simulator.call import Call
from openrouter_mcp.simulator.faults import FAULTS
from openrouter_mcp.simulator.replies import Refused, failure
from openrouter_mcp.simulator.scripts import Script
from openrouter_mcp.simulator.state import Recorded

DONE = {"ok": True}


async def fail(call: Call) -> Response:
    """`POST /simulator/fail`: the arguments of `Simulator.fail` as JSON."""
    try:
        call.simulator.fail(**call.body)
    except (TypeError, ValueError) as error:
        raise Refused(failure(400, str(error))) from error
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
        raise Refused(failure(400, str(error))) from error
    return JSONResponse(DONE)


async def requests(call: Call) -> Response:
    """`GET /simulator/requests`: the log, with no more of a key than its last four characters."""
    return JSONResponse({"data": [shown(recorded) for recorded in call.simulator.requests]})


async def faults(_: Call) -> Response:
    """`GET /simulator/faults`: every fault with its stage, its parameters and what it does."""
    rows = [
        {
            "name": kind.name,
            "stage": kind.stage.value,
            "parameters": list(inspect.signature(kind.make).parameters),
            "does": kind.does,
        }
        for kind in FAULTS.values()
    ]
    return JSONResponse({"data": rows})


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
