"""What OpenRouter's website serves as text, taken apart: pages, their sections, their pieces."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from openrouter_mcp.text import clean

PIECE = 12_000
"""Most characters of a page that are shown at once."""
SECTION = 1_500
"""Most characters that are searched, and found, as one."""
TITLE = 120
LONGEST_PATH = 200

PATH = re.compile(r"[\w~-]+(?:[/.][\w~-]+)*", re.ASCII)
SOURCE = re.compile(r"Source: (https?://\S+)\s*")
RULES = ("---", "***")
FIELD = re.compile(r"'?([\w:.-]+)'?: *(.*)")
ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
LINK = re.compile(r"\[[^\[\]]*\]\(([^()]*)\)")
MOST_FIELDS = 80
"""Lines of the YAML before a page."""
LISTED_PAGE = re.compile(r"^[-*] +\[([^\]\n]+)\]\((https?://[^)\s]+)\)(?:: *(.*))?$", re.MULTILINE)
HEADING = re.compile(r"#{1,6} (.+)")
FENCE = re.compile(r" {0,9}(`{3,}|~{3,})")
FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
THEME = re.compile(r"(?<=\S) theme=\{null\}")
# Control characters, and those that hide text from a human reader or reorder it.
INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
PIECE_ENDS = ("\n#", "\n\n", "\n", "")


@dataclass(frozen=True, slots=True)
class Page:
    """One page; of one that is only listed, `text` is the description and `whole` is false.

    `path` is below the address of the documentation, or `skills/<name>`.
    """

    path: str
    title: str
    url: str
    text: str
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under a heading, or a part of it; `start` is its place in the page's text."""

    heading: str
    start: int
    text: str


def all_pages(text: str, base: str) -> list[Page]:
    """The pages in `llms-full.txt`, in any layout that the website has had; none in another.

    A page is under its title and its `Source:` address, or under YAML between rules.
    """
    lines = _plain(text).split("\n")
    starts = [(at, head) for at in range(len(lines)) if (head := _head(lines, at))]
    bounds = [*(at for at, _ in starts), len(lines)]
    pages = {}
    for (_, (title, address, start)), end in zip(starts, bounds[1:], strict=True):
        page = _page(address, base, title, _without_note(lines[start:end]))
        pages.setdefault(page.path, page)
    return [page for path, page in pages.items() if fit(path)]


def listed_pages(text: str, base: str) -> list[Page]:
    """The pages that `llms.txt` lists by title, address and description."""
    pages = {}
    for title, address, description in LISTED_PAGE.findall(_plain(text)):
        page = _page(address, base, title, description, whole=False)
        pages.setdefault(page.path, page)
    return [page for path, page in pages.items() if fit(path)]


def single_page(text: str, address: str, base: str) -> list[Page]:
    """The one page that its own address serves as Markdown; none if that is something else."""
    lines = _without_note(_plain(text).split("\n")).lstrip().split("\n")
    if head := _head(lines, 0):
        return [_page(address, base, head[0], _without_note(lines[head[2] :]))]
    heading = HEADING.fullmatch(lines[0])
    return [_page(address, base, heading[1], "\n".join(lines[1:]))] if heading and lines[1:] else []


def skill_page(text: str, name: str, url: str) -> list[Page]:
    """A skill: instructions under YAML with a name and a description; none if it is no text."""
    text = _plain(text).strip()
    if not text or text.startswith("<"):
        return []
    front = FRONT_MATTER.match(text)
    body = text[front.end() :].strip() if front else text
    about = re.search(r"^description: *[>|]?-?\s*(.+(?:\n +.+)*)", front[1] if front else "", re.M)
    said = " ".join(about[1].split()).strip("\"'") if about else ""
    return [Page(f"skills/{name}", f"{name} (skill)", url, f"{said}\n\n{body}".strip())]


def skills_linked(text: str, url: str) -> list[str]:
    """The names of skills that a text, HTML or Markdown, links to below their address `url`."""
    base = re.escape(urlsplit(url).path.rstrip("/"))
    link = rf"{base}/([a-z0-9][a-z0-9-]{{0,80}})(?:/SKILL\.md)?(?![\w/-]|\.\w)"
    return list(dict.fromkeys(re.findall(link, text)))


def path_of(address: str, base: str) -> str:
    """The path of a page below `base`, from a path or an address; "" if it is neither."""
    try:
        path = urlsplit(address).path.strip("/ ")
    except ValueError:
        return ""
    root = urlsplit(base).path.strip("/")
    path = re.sub(r"\.mdx?$", "", path)
    return f"{path}/".removeprefix(f"{root}/").rstrip("/") if root else path


def fit(path: str) -> bool:
    """Whether this can be the path of a page: letters and digits, nothing that leads upwards."""
    return len(path) <= LONGEST_PATH and PATH.fullmatch(path) is not None


def sections(text: str) -> Iterator[Section]:
    """The text by its headings, long sections in parts. A heading in a code block is none."""
    heading, start, end, fence = "", 0, 0, ""
    for line in text.splitlines(keepends=True):
        if mark := FENCE.match(line):
            if not fence:
                fence = mark[1]
            elif mark[1].startswith(fence) and line.strip() == mark[1]:
                fence = ""
        elif not fence and (found := HEADING.match(line)):
            yield from _parts(heading, text, start, end)
            heading, start = clean(found[1], TITLE), end + len(line)
        end += len(line)
    yield from _parts(heading, text, start, end)


def piece_starts(text: str) -> list[int]:
    """Where each piece of a page begins: at a heading, a paragraph or a line where possible."""
    starts = [0]
    while len(text) - starts[-1] > PIECE:
        low, high = starts[-1] + PIECE // 2, starts[-1] + PIECE
        starts.append(next(at for end in PIECE_ENDS if (at := text.rfind(end, low, high)) > 0))
    return starts


def _parts(heading: str, text: str, start: int, end: int) -> Iterator[Section]:
    while start < end:
        high = start + SECTION
        line_end = text.rfind("\n", start + SECTION // 2, high) if end > high else end
        cut = line_end if line_end > 0 else high
        if part := text[start:cut].strip():
            yield Section(heading, start, part)
        start = cut


def _page(address: str, base: str, title: str, text: str, *, whole: bool = True) -> Page:
    path = path_of(address, base)
    return Page(path, clean(title, TITLE), f"{base}/{path}", text.strip(), whole)


def _head(lines: Sequence[str], at: int) -> tuple[str, str, int] | None:
    """The title and address of a page that begins at this line, and where its text begins."""
    if lines[at].startswith("# ") and at + 1 < len(lines):
        source = SOURCE.fullmatch(lines[at + 1])
        return (lines[at][2:], source[1], at + 2) if source and lines[at][2:].strip() else None
    if lines[at].rstrip() not in RULES:
        return None
    fields: dict[str, str] = {}
    name = ""
    for place in range(at + 1, min(at + MOST_FIELDS, len(lines))):
        line = lines[place].strip()
        if len(line) >= 3 and not line.strip("-"):
            title = fields.get("title", "")
            address = fields.get("canonical-url", "") or fields.get("slug", "")
            return (title, address, place + 1) if title and address else None
        if field := FIELD.fullmatch(_unmarked(line)):
            name = field[1]
            fields.setdefault(name, field[2].strip().strip("\"'"))
        elif name and fields[name] in ("", ">", ">-", "|", "|-"):
            fields[name] = _unmarked(line)
        elif line in RULES or (line and not name):
            return None
    return None


def _unmarked(line: str) -> str:
    """A line of YAML that was written as Markdown: links in place of addresses, escapes."""
    return ESCAPED.sub(r"\1", LINK.sub(r"\1", line))


def _without_note(lines: Sequence[str]) -> str:
    """The text without the site's quoted note on its index, before it or of the page after it."""
    text = list(lines)
    for _ in ("head", "tail"):
        start = next((at for at, line in enumerate(text) if line.strip()), len(text))
        ends = (at for at in range(start, len(text)) if not text[at].startswith(">"))
        end = next(ends, len(text))
        text = text[end if "llms.txt" in "".join(text[start:end]) else start :][::-1]
    return "\n".join(text)


def _plain(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return THEME.sub("", INVISIBLE.sub("", lines))
