"""Which models take what a request brings, with invented rows."""

import pytest

from openrouter_mcp.models import choose
from openrouter_mcp.models.model import Model


def model(id_: str, *inputs: str) -> Model:
    found = Model.parse({"id": id_, "architecture": {"input_modalities": ["text", *inputs]}})
    assert found
    return found


@pytest.mark.parametrize(
    ("row", "needed", "takes"),
    [
        (model("acme/seer", "image"), {"image"}, True),
        (model("acme/seer", "image"), {"image", "video"}, False),
        (model("acme/reader"), {"file"}, True),
        (model("acme/reader"), {"file", "audio"}, False),
        (model("openrouter/any"), {"video"}, True),
        (None, {"video"}, True),
    ],
)
def test_a_model_takes_its_inputs_and_pdfs_and_a_router_everything(row, needed, takes) -> None:
    assert choose.takes(row, needed) is takes


def test_all_that_is_said_counts_and_texts_do_not() -> None:
    said = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text"}, {"type": "image_url"}, {"type": "file"}]},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "user", "content": [{"type": "input_audio"}, {"type": "unheard-of"}]},
    ]
    assert choose.of_messages(said) == {"image", "file", "audio"}
