"""What the endpoints that are no chat have in common: a strict body, and a model of their kind."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from openrouter_mcp.simulator import routing
from openrouter_mcp.simulator.call import Call
from openrouter_mcp.simulator.chat_request import issue
from openrouter_mcp.simulator.replies import Refused, failure, invalid

Json = dict[str, Any]
Body = TypeVar("Body", bound=BaseModel)


def checked(call: Call, shape: type[Body]) -> Body:
    """The body in its shape; null means that a field is not set.

    Raises `Refused` with the validation envelope.
    """
    if not isinstance(call.body, dict):
        raise Refused(failure(400, "Invalid JSON body", error_type="invalid_request"))
    body = {key: value for key, value in call.body.items() if value is not None}
    try:
        return shape.model_validate(body)
    except ValidationError as error:
        raise Refused(invalid([issue(dict(each)) for each in error.errors()])) from error


def model_of(call: Call, id_: str, output: str) -> Json:
    """The row of a model that makes `output`. Raises `Refused`."""
    row = call.simulator.model(id_)
    if row is None:
        raise Refused(routing.unknown(call.simulator, id_))
    if output not in row["architecture"]["output_modalities"]:
        raise Refused(routing.wrong_endpoint(row))
    return row
