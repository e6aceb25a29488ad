"""Models that no catalogue has."""

from typing import Any

from openrouter_mcp.models.model import Model


def parsed(id_: str, **fields: Any) -> Model:
    """The model of a catalogue row with this id and these fields."""
    model = Model.parse({"id": id_} | fields)
    assert model is not None
    return model
