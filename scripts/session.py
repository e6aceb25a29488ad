"""`make picture` draws `docs/session.svg`, the picture in the README, from what the demo shows."""

import io
import os
import re
import subprocess
import sys
from html import unescape

from rich.console import Console
from rich.text import Text

from scripts import ROOT, write

PICTURE = ROOT / "docs" / "session.svg"
WIDTH = 104
"""Characters."""
STEPS = ("recommend_model(", 'chat(prompt="What', "generate_image(", 'chat(prompt="Hello"')
"""How the steps begin that the picture shows."""
ANSI = r"(?:\x1b\[[\d;]*m)*"
CHANGING = {
    r"\S+[\\/]project[\\/]output[\\/]": "~/openrouter-output/",
    r"\d+\.\d s\b": "1.4 s",
    r"gen-\d+-": "gen-1790000000-",
    r"\([\d,]+ bytes\)": "(9,844 bytes)",
    # How often progress is told depends on the machine.
    rf"(?m)^  {ANSI}\S+ via [^\n]+ characters [^\n]*\n(?:{ANSI}\n)?": "",
}
"""What differs from run to run, and what the picture shows instead."""


def shown() -> str:
    """What the demo writes to a wide terminal with colours."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("OPENROUTER_")}
    wide = {"COLUMNS": "400", "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    return subprocess.run(
        [sys.executable, "-m", "openrouter_mcp", "demo"],
        env=inherited | wide,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    ).stdout


def steps(output: str) -> str:
    """The steps of the picture, the same from every run."""
    for changing, instead in CHANGING.items():
        output = re.sub(changing, instead, output)
    parts = re.split(rf"\n(?={ANSI}\w+\()", output)
    plain = [re.sub(r"\x1b\[[\d;]*m", "", part) for part in parts]
    kept = [parts[i] for step in STEPS for i, text in enumerate(plain) if text.startswith(step)]
    return "\n".join(part.rstrip() + "\n" for part in kept)


def draw(output: str) -> str:
    """The picture."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), highlight=False)
    console.print(Text.from_ansi(steps(output)))
    svg = console.export_svg(title="make demo (simulated)", unique_id="session")
    # A page that shows the picture need not fetch a font for it.
    return re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)


def words(svg: str) -> list[str]:
    """What is written in a picture."""
    return unescape(" ".join(re.findall(r"<text [^>]*>(.*?)</text>", svg))).split()


if __name__ == "__main__":
    write(PICTURE, draw(shown()))
