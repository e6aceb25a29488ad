"""Replies that went wrong on their way, each made from a good one by a random generator."""

import codecs
import copy
import gzip
import json
from collections.abc import Iterator
from random import Random
from typing import Any

RAW = "\x00raw:"
"""Marks a value that stands in the JSON as it is, though it is no JSON value."""
PAGE = "<html><body>busy</body></html>"
ODD: list[Any] = [
    None,
    "",
    [],
    {},
    0,
    -1,
    True,
    False,
    "text",
    "7",
    1.5,
    10**30,
    -(10**400),
    1e-300,
]
ODD += [f"{RAW}NaN", f"{RAW}1e400", f"{RAW}-Infinity", "x" * 100_000, "\ud83d", [[[[[]]]]], "\0"]
ODD += [[None], ["text"], [{}], {"text": "x"}, {"message": "x"}, PAGE, "gen-other"]
TYPES = ["text/html", "text/plain", "application/octet-stream", "", "image/png", "audio/mpeg"]
NAMES = ["index", "id", "error", "choices", "message", "content", "text", "type", "data", "status"]

Place = tuple[Any, Any]
"""A container and the key or index of a value in it."""


def places(value: Any) -> Iterator[Place]:
    """Every place in a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


def mutated(random: Random, value: Any) -> Any:
    """The same value with one to three of its nodes changed."""
    whole = [copy.deepcopy(value)]
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        if found := list(places(whole)):
            change(random, *random.choice(found))
    return whole[0] if whole else None


def change(random: Random, container: Any, key: Any) -> None:
    """Replace, delete, double, wrap or rename the value at one place."""
    match random.randrange(8):
        case 0 if container:
            del container[key]
        case 1 if isinstance(container, list):
            container.insert(key, copy.deepcopy(container[key]))
        case 2:
            container[key] = [container[key]]
        case 3 if isinstance(container, dict):
            container[random.choice(NAMES)] = container.pop(key)
        case 4:
            container[key] = json.dumps(container[key])
        case _:
            container[key] = copy.deepcopy(random.choice(ODD))


def written(value: Any) -> str:
    """JSON, with what is marked as raw standing in it as it is."""
    text = json.dumps(value)
    for odd in ODD:
        if isinstance(odd, str) and odd.startswith(RAW):
            text = text.replace(json.dumps(odd), odd.removeprefix(RAW))
    return text


def damaged(random: Random, content: bytes) -> bytes:
    """The bytes of a reply as proxies and bad connections change them."""
    at = random.randrange(len(content) + 1)
    match random.randrange(9):
        case 0:
            return content[:at]
        case 1:
            return codecs.BOM_UTF8 + content
        case 2:
            return content[:at] + b"\xff\xfe\x80" + content[at:]
        case 3:
            return gzip.compress(content)
        case 4:
            return PAGE.encode()
        case 5:
            return b"\n \r\n\n" + content
        case 6:
            return content.decode("utf-8", "replace").encode("utf-16")
        case 7:
            return b""
    return content + b"\n\n"


def one_piece(random: Random, reply: Any) -> tuple[list[bytes], str]:
    """A reply in one piece of JSON: its bytes as they are sent, and its content type."""
    value = mutated(random, reply) if random.random() < 0.8 else reply
    content, media_type = written(value).encode(), "application/json"
    if random.random() < 0.2:
        content = damaged(random, content)
    if random.random() < 0.1:
        media_type = random.choice(TYPES)
    return [content], media_type


def stream(random: Random, events: list[Any]) -> tuple[list[bytes], str]:
    """A stream of events, the last of them `[DONE]`: its pieces, and its content type."""
    events = copy.deepcopy(events)
    if random.random() < 0.6:
        at = random.randrange(len(events))
        events[at] = mutated(random, events[at])
    lines = [f"data: {written(event)}\n\n" for event in events] + ["data: [DONE]\n\n"]
    for _ in range(random.choice([0, 1, 1, 2])):
        rearrange(random, lines)
    content = "".join(lines).encode()
    if random.random() < 0.1:
        content = damaged(random, content)
    cuts = sorted(random.randrange(len(content) + 1) for _ in range(random.choice([0, 0, 3])))
    pieces = [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    return pieces, random.choice(TYPES) if random.random() < 0.1 else "text/event-stream"


def rearrange(random: Random, lines: list[str]) -> None:
    """Drop, repeat, move or add an event."""
    if not lines:
        return
    at = random.randrange(len(lines))
    match random.randrange(9):
        case 0:
            del lines[at]
        case 1:
            lines.insert(random.randrange(len(lines)), lines[at])
        case 2:
            random.shuffle(lines)
        case 3:
            del lines[at:]
        case 4:
            lines.insert(at, random.choice(["data:\n\n", ": note\n\n", "data: soon\n\n", "\n\n"]))
        case 5:
            lines[at] = lines[at].replace('"delta"', '"message"')
        case 6:
            lines[at] = lines[at].replace('"index": 0', f'"index": {random.choice(["null", 1])}')
        case 7:
            lines[at] = lines[at].replace("data: ", "data:", 1).replace("\n\n", "\r\n\r\n")
        case 8:
            error = '{"error": {"code": 502, "message": "Provider returned error"}}'
            lines.insert(at, f"data: {error}\n\n")
