"""Every regular expression of the package, how it is used, and strings that are made to harm it."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from re import _constants as sre  # ty: ignore[unresolved-import]
from re import _parser  # ty: ignore[unresolved-import]
from typing import Any

import openrouter_mcp

PACKAGE = Path(openrouter_mcp.__file__).parent
FUNCTIONS = {"match", "fullmatch", "search", "findall", "finditer", "sub", "subn", "split"}
CLASSES = {
    sre.CATEGORY_DIGIT: "7",
    sre.CATEGORY_SPACE: " \n",
    sre.CATEGORY_WORD: "aZ_7",
    sre.CATEGORY_NOT_DIGIT: "a ",
    sre.CATEGORY_NOT_SPACE: "a/",
    sre.CATEGORY_NOT_WORD: " /",
}
POOL = "aZ7_ \n/.,-<>'\"`\\{}[]()#:;=~*\0\u20ac"
MOST_UNITS = 24


@dataclass(frozen=True)
class Use:
    """One regular expression and one way in which the package applies it."""

    where: str
    """`module.NAME`, or `module:line` of one that has no name."""
    pattern: re.Pattern
    function: str

    @property
    def name(self) -> str:
        """What a person looks for."""
        return f"{self.where} ({self.function}): {self.pattern.pattern!r}"


def modules() -> Iterator[tuple[str, Any, ast.Module]]:
    """Each module with its source; the simulator reads nothing foreign."""
    for source in sorted(PACKAGE.rglob("*.py")):
        parts = source.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] in {"simulator", "__main__"}:
            continue
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        module = importlib.import_module(f"openrouter_mcp.{name}".rstrip("."))
        yield name, module, ast.parse(source.read_text("utf-8"))


def uses() -> list[Use]:
    """Every use of every regular expression. Raises `LookupError` for one that cannot be read."""
    found: dict[tuple[str, Any, int, str], Use] = {}

    def add(where: str, pattern: re.Pattern, function: str) -> None:
        found.setdefault(
            (where, pattern.pattern, pattern.flags, function), Use(where, pattern, function)
        )

    for name, module, tree in modules():
        applied = set()
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            function, owner = node.func.attr, node.func.value
            if isinstance(owner, ast.Name) and owner.id == "re" and function in FUNCTIONS:
                for pattern in _written(module, node, f"{name}:{node.lineno}"):
                    add(f"{name}:{node.lineno}", pattern, function)
            elif function in FUNCTIONS and isinstance(owner, ast.Name):
                value = getattr(module, owner.id, None)
                if isinstance(value, re.Pattern):
                    add(f"{name}.{owner.id}", value, function)
                elif value is None:
                    applied.add(function)
        for attribute, value in vars(module).items():
            # Those in tables are applied under some name of a function.
            for pattern in [] if isinstance(value, re.Pattern) else _held(value):
                for function in applied & {"match", "fullmatch", "search"}:
                    add(f"{name}.{attribute}", pattern, function)
    return [*found.values()]


def _held(value: object, depth: int = 0) -> Iterator[re.Pattern]:
    """The patterns in a table."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, list | tuple | dict) and depth < 4:
        for item in [*value.values(), *value] if isinstance(value, dict) else value:
            yield from _held(item, depth + 1)


def _written(module: Any, call: ast.Call, where: str) -> list[re.Pattern]:
    """The regular expressions that a call of `re` is given."""
    flags = 0
    for given in [*call.args, *(keyword.value for keyword in call.keywords)]:
        if isinstance(given, ast.Attribute) and ast.unparse(given.value) == "re":
            flags |= getattr(re, given.attr)
    first = call.args[0]
    if isinstance(first, ast.Constant):
        return [re.compile(first.value, flags)]
    patterns = _elsewhere(module, ast.unparse(first))
    if not patterns:
        raise LookupError(f"{where}: {ast.unparse(first)}")
    return [re.compile(pattern, flags) for pattern in patterns]


def _elsewhere(module: Any, expression: str) -> list[str | bytes]:
    """The patterns that are made, or taken from a table, where they are applied."""
    match expression:
        case "pattern":
            return [pattern for pattern, _ in module.NEITHER]
        case "profile.words":
            return [profile.words for profile in module.PROFILES]
        case "link":
            return [r"/skills/([a-z0-9][a-z0-9-]{0,80})(?:/SKILL\.md)?(?![\w/-]|\.\w)"]
    return []


def hostile(pattern: re.Pattern) -> Iterator[tuple[str, str]]:
    """Beginnings, and what to repeat after them, for strings that a pattern nearly matches."""
    tree = _parser.parse(pattern.pattern, pattern.flags)
    letters = [*dict.fromkeys(_letters(tree))][:MOST_UNITS]
    repeats = [(head, body) for head, body in _repeats(tree) if body][:MOST_UNITS]
    whole = _sample(tree)
    units = [*letters, whole, *(body for _, body in repeats)]
    units += [f"{unit}{blank}" for unit in (whole, *letters[:6]) for blank in " \n"]
    bodies = [*dict.fromkeys(body for _, body in repeats)][:6]
    units += [a + b for a in bodies for b in bodies if a != b]
    units += [head + body for head, body in repeats]
    texts = [("", unit) for unit in units] + repeats
    texts += [(head, letter) for head, _ in repeats[:4] for letter in letters[:8]]
    yield from (text for text in dict.fromkeys(texts) if text[1])


def apply(use: Use, head: str, unit: str, length: int) -> None:
    """Apply a pattern to such a string, with two ends."""
    for tail in ("", "\0"):
        text: Any = head + unit * (length // len(unit)) + tail
        if isinstance(use.pattern.pattern, bytes):
            text = text.encode("latin-1", "replace")
        if use.function in {"sub", "subn"}:
            getattr(use.pattern, use.function)(type(text)(), text)
        elif use.function == "finditer":
            all(use.pattern.finditer(text))
        else:
            getattr(use.pattern, use.function)(text)


def _members(items: list[Any]) -> str:
    """Some characters of a set."""
    negated, found = False, ""
    for kind, value in items:
        match kind:
            case sre.NEGATE:
                negated = True
            case sre.LITERAL:
                found += chr(value)
            case sre.RANGE:
                found += chr(value[0]) + chr(value[1])
            case sre.CATEGORY:
                found += CLASSES.get(value, "a")
    if not negated:
        return found
    return "".join(character for character in POOL if character not in found)[:6]


def _letters(tree: Any) -> Iterator[str]:
    """Some characters of each place of a pattern."""
    for kind, value in tree:
        match kind:
            case sre.LITERAL:
                yield chr(value)
            case sre.IN:
                yield from _members(value)[:4]
            case sre.ANY | sre.NOT_LITERAL:
                yield from "a\n"
            case _:
                for inner in _inside(kind, value):
                    yield from _letters(inner)


def _inside(kind: Any, value: Any) -> list[Any]:
    match kind:
        case sre.MAX_REPEAT | sre.MIN_REPEAT | sre.POSSESSIVE_REPEAT:
            return [value[2]]
        case sre.SUBPATTERN:
            return [value[3]]
        case sre.BRANCH:
            return [*value[1]]
        case sre.ASSERT | sre.ASSERT_NOT:
            return [value[1]]
        case sre.ATOMIC_GROUP:
            return [value]
    return []


def _sample(tree: Any) -> str:
    """A string that a pattern, or a part of it, may match: each repeat once."""
    said = ""
    for kind, value in tree:
        match kind:
            case sre.LITERAL:
                said += chr(value)
            case sre.IN:
                said += _members(value)[:1]
            case sre.ANY | sre.NOT_LITERAL:
                said += "a"
            case sre.ASSERT | sre.ASSERT_NOT:
                pass
            case sre.BRANCH:
                said += _sample(value[1][0])
            case sre.MAX_REPEAT | sre.MIN_REPEAT | sre.POSSESSIVE_REPEAT:
                said += _sample(value[2]) * min(max(value[0], 1), 40)
            case _:
                said += "".join(map(_sample, _inside(kind, value)))
    return said


def _repeats(tree: Any, head: str = "") -> Iterator[tuple[str, str]]:
    """What stands before each repeat of a pattern, and once what it repeats."""
    for kind, value in tree:
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            yield head, _sample(value[2])
        for inner in _inside(kind, value):
            yield from _repeats(inner, head)
        head += _sample([(kind, value)])
