"""Hostile content for all that the package reads: what is refused is refused at once."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import mcp.types as mt

from openrouter_mcp import text
from openrouter_mcp.agent import function_tools
from openrouter_mcp.api import failures, responses
from openrouter_mcp.completions import json_output
from openrouter_mcp.docs import index, pages
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.files import encodings, fetch, gitignore, kinds, sound, walk
from openrouter_mcp.mcp_client import config, session
from openrouter_mcp.models import names
from openrouter_mcp.models.recommend import tasks
from openrouter_mcp.multimodal import embed, speech, subtitles

MANY = 12_000
BASE = "https://openrouter.ai/docs"
UNITS = [
    *(
        '"',
        "'",
        "`",
        "```",
        "~~~",
        "\\",
        '\\"',
        "{",
        "[",
        "(",
        "<",
        "<!--",
        "/*",
        "//",
        "#",
        "# a\n",
    ),
    *("-", "---\n", "***\n", "- [", "- [a](http://a", ">", "> llms.txt\n", "\n", " ", "\t", "\0"),
    *(
        ",",
        ":",
        "=",
        ".",
        "/",
        "*",
        "?",
        "**/",
        "{a,",
        "{,}",
        "[a",
        "a",
        "a ",
        "a\n",
        "1",
        "1.",
        "-1",
    ),
    *(
        "\u200d",
        "\ud800",
        "\u202e",
        "\x1b[",
        "a: b\n",
        "a: >\n",
        "description: a\n",
        "title: ",
        "$",
    ),
    *(
        "${",
        "${a}",
        "export a='",
        "data:",
        "&",
        "%41",
        "%",
        "<svg ",
        "<?xml ",
        "<!DOCTYPE svg ",
        ";",
    ),
    *(
        '{"a":',
        '[{"a":',
        '"a",',
        "<think>",
        "</think>",
        "// a\n",
        "/* a */",
        '"\\u',
        "\\ud83d",
        "sk-",
    ),
    *(
        "Bearer ",
        "http://",
        "Source: http://",
        "# a\nSource: http://a\n",
        "rate=1",
        "a@",
        "::",
        "@",
    ),
]
"""What is repeated to try a reader of text."""
DEEP = [
    '{"a":' * MANY,
    '{"a":' * 900 + "1" + "}" * 900,
    "[" * MANY + "]" * MANY,
    '[{"a":' * MANY,
    '{"type":"object","properties":{"a":' * 500 + "{}" + "}}" * 500,
    "1" * MANY,
    f"[{'9' * 4000}.5e{'9' * 300}]",
    json.dumps({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}),
]
DOUBLING = {
    "$ref": "#/$defs/a0",
    "$defs": {
        **{
            f"a{n}": {
                "type": "object",
                "properties": {x: {"$ref": f"#/$defs/a{n + 1}"} for x in "xy"},
            }
            for n in range(40)
        },
        "a40": {"type": "string"},
    },
}
"""A schema of a few lines that is a million million long once its references are written out."""
SCHEMAS: list[dict[str, Any]] = [
    DOUBLING,
    {"$ref": "#"},
    {"type": "object", "properties": {"x": {"pattern": "(a+)+$"}}},
    {"type": "object", "patternProperties": {"(a+)+$": {}}, "additionalProperties": False},
    {"allOf": [{"$ref": "#"}, {"$ref": "#"}]},
    {"anyOf": [{"$ref": "#/anyOf/1"}, {"$ref": "#/anyOf/0"}]},
    {"type": "array", "uniqueItems": True},
]


Reader = tuple[Callable[[Any], object], list[Any]]


def _texts(read: Callable[[str], object]) -> Reader:
    return read, [*(unit * (MANY // len(unit)) for unit in UNITS), *DEEP]


def _bytes(read: Callable[[bytes], object]) -> Reader:
    return _texts(lambda said: read(said.encode("utf-8", "replace")))


def read(reader: str, value: Any) -> None:
    """Read one thing; what is refused in the ways that callers expect is well."""
    with suppress(ValueError, OpenRouterError):
        READERS[reader][0](value)


def _ignored(rules: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / ".gitignore").write_bytes(rules.encode("utf-8", "replace"))
        ignores = gitignore.Ignores().inside(Path(folder), gitignore.MOST_BYTES)
        for name in (
            "a" * 255,
            "a/" * 1000 + "a",
            "a.b." * 60,
            "[" * 255,
            "/".join(["a" * 255] * 9),
        ):
            ignores.cover(Path(folder, name), folder=False)


def _configured(content: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mcp.json"
        for name, written in {"mcp.json": content, "a.env": content}.items():
            (Path(folder) / name).write_bytes(written.encode("utf-8", "replace"))
        with suppress(OpenRouterError):
            config.read(path, {})
        servers = {"mcpServers": {"a": {"command": content, "envFile": "a.env", "args": [content]}}}
        path.write_text(json.dumps(servers), "utf-8")
        config.read(path, {})


def _tool(schema: dict[str, Any]) -> None:
    tool = mt.Tool(name="a", input_schema={**schema, "type": "object"})
    for made in function_tools.convert("server", [tool]):
        made.arguments(json.dumps({"x": "a" * MANY, "a" * 100: 1}))


def _shown(reply: dict[str, Any]) -> None:
    spoken = subtitles.read(reply)
    for show in (subtitles.srt, subtitles.vtt):
        show(spoken.cues)
    subtitles.lines(spoken, "word")


GITIGNORES = [
    "[:" * MANY,
    "[!a-z]" * 2_000,
    "**/*a*b/" * 1_200,
    "[[:graph:]]" * 1_000,
    "*a" * 40 + "b",
    "*a*/" * 9 + "b",
    "**/a/" * 9 + "b",
    "[a-z]*" * 20 + "b",
    "*a*a*b\n" * 2000,
    "{" + "*," * 99 + "}",
    "!" * MANY,
    "a/**/" * 500,
    "?" * 255 + "*" * 255,
]
REPLIES = [
    {"segments": [{"start": n, "end": n + 1, "text": "<v a>" * 20} for n in range(500)]},
    {"words": [{"start": 1e300, "end": -1e300, "word": "a" * 1000} for _ in range(500)]},
    {"segments": None, "words": {"start": 1}, "text": None},
]
READERS: dict[str, Reader] = {
    "signatures of media": _bytes(kinds.media_type),
    "kinds of files": _bytes(lambda head: (kinds.kind_of(head), kinds.other_kind(head, sure=True))),
    "encodings": _bytes(encodings.decode),
    "braces": _texts(walk.alternatives),
    "globs": _texts(lambda name: walk._matches("a" * 255, name[:4000])),
    "wildcards": _texts(lambda name: walk.split(Path(name.replace("\0", "")))),
    "ignored files": (_ignored, [*GITIGNORES, *(unit * 200 for unit in UNITS)]),
    "configurations": _texts(_configured),
    "addresses": _texts(lambda said: (fetch.shown(said), fetch.parsed(f"http://{said}"))),
    "data addresses": _texts(lambda said: fetch._content(f"data:image/png;base64,{said}")),
    "content types": _texts(lambda said: sound.of_content_type(b"", said)),
    "waves": _bytes(lambda said: sound.of_wav(b"RIFF\xff\xff\xff\xffWAVEfmt " + said)),
    "subtitles": (_shown, REPLIES),
    "documentation": _texts(lambda said: pages.all_pages(said, BASE)),
    "list of the documentation": _texts(lambda said: pages.listed_pages(said, BASE)),
    "page of the documentation": _texts(lambda said: pages.single_page(said, BASE, BASE)),
    "sections": _texts(lambda said: ([*pages.sections(said)], pages.piece_starts(said))),
    "skills": _texts(lambda said: pages.skill_page(said, "a", BASE)),
    "skills with front matter": _texts(lambda said: pages.skill_page(f"---\n{said}", "a", BASE)),
    "links to skills": _texts(lambda said: pages.skills_linked(said, BASE)),
    "words of a search": _texts(index.terms),
    "JSON": _texts(text.parse_json),
    "words to show": _texts(text.clean),
    "JSON answers": _texts(lambda said: json_output.parse(said, {"type": "object"})),
    "JSON answers and schemas": (
        lambda schema: json_output.parse('{"x": "%s"}' % ("a" * MANY), schema),
        SCHEMAS,
    ),
    "schemas": (json_output.response_format, SCHEMAS),
    "tools of other servers": (_tool, SCHEMAS),
    "results of other servers": _texts(
        lambda said: session.mended("tools/call", {"content": said})
    ),
    "vectors": _bytes(embed.parse_jsonl),
    "errors": _texts(lambda said: failures.failure(500, said, {})),
    "base64": _texts(responses.base64_bytes),
    "tasks": _texts(tasks.understand),
    "names of models": _texts(lambda said: names.Names([]).resolve(said)),
    "speech": _texts(lambda said: speech.pieces(said, 4000)),
}
"""What reads something foreign, and all that it is given."""
