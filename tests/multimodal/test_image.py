"""Images as files: named after what they are, with a word of warning where there is need."""

from pathlib import Path

import pytest

from openrouter_mcp.files import images
from openrouter_mcp.files.save import Destination


@pytest.mark.parametrize(
    "svg",
    [
        b"<svg><script>alert(1)</script></svg>",
        b'<svg onload="alert(1)"/>',
        b'<svg><a href="javascript:x"/></svg>',
        b"<svg><foreignObject/></svg>",
    ],
)
def test_a_drawing_with_scripts_is_saved_and_warned_of(tmp_path: Path, svg: bytes) -> None:
    made = images.save_image(Destination(tmp_path, "x").save, svg)
    assert made.path.read_bytes() == svg
    assert "It holds scripts" in made.note
    assert made.preview is None


def test_a_plain_drawing_needs_no_warning(tmp_path: Path) -> None:
    made = images.save_image(Destination(tmp_path, "x").save, b"<svg><rect/></svg>")
    assert made.note == ""


def test_bytes_of_no_known_kind_are_kept_but_never_under_a_name_that_opens(tmp_path: Path) -> None:
    made = images.save_image(Destination(tmp_path, "x", ".png").save, b"MZ\x90\x00")
    assert made.path.name == "x.bin"
    assert "no image of a known kind" in made.note
