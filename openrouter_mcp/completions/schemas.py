"""JSON schemas that others wrote: judged, and values held against them. Pure.

No schema fetches anything, no regular expression of one is run or compiled, and none takes longer
than its size and that of the value explain. The schemas of callers and those of other MCP servers
go the same way.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

Json = dict[str, Any]

LITERAL_KEYWORDS = {"enum", "const", "default", "examples"}
NAMING_KEYWORDS = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
IDENTIFIERS = {"$id", "$schema"}
"""They would make a reference mean another document than the schema itself."""
UNJUDGED = ("pattern", "patternProperties", "unevaluatedItems", "unevaluatedProperties")
"""What runs regular expressions, or follows references without end; what breaks it is allowed."""
DEEPEST = 64
"""Levels of a schema; the strictest providers take ten."""
MOST_PARTS = 10_000
"""Values in a schema."""
MOST_FOLLOWED = 10_000
"""References that are followed for one value: a few lines of schema can ask for any number."""
MOST_ERRORS = 50
BOUNDS = (
    ("string", "minLength", "maxLength"),
    ("array", "minItems", "maxItems"),
    ("object", "minProperties", "maxProperties"),
    ("number", "minimum", "maximum"),
    ("integer", "minimum", "maximum"),
)
KINDS = frozenset({"null", "boolean", "object", "array", "number", "integer", "string"})


class UnjudgedError(Exception):
    """A value cannot be held against a schema."""


def problem(schema: Mapping[str, Any], draft: type[Validator] | None = None) -> str:
    """Why this is no schema that can be used; empty if it is one. Draft 2020-12 if none is given.

    A reference has to resolve inside of the schema: nothing is fetched.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    draft = draft or Draft202012Validator
    if wrong := _too_large(schema):
        return wrong
    # `check_schema` would compile the patterns.
    judge = _tamed(draft)(draft.META_SCHEMA)
    if error := best_match(itertools.islice(judge.iter_errors(schema), MOST_ERRORS)):
        return error.message[:200]
    find = _lookup(_without_identifiers(schema))
    for keyword, reference in _references(schema):
        if find(reference) is None:
            return f"{keyword} {reference[:80]} names nothing inside it"
    return ""


def impossible(schema: Mapping[str, Any]) -> str:
    """Why nothing can ever fit a schema; empty if something may, as far as that is easily told."""
    whole = _without_identifiers(schema)
    lookup, targets = _lookup(whole), {}
    parts: list[Json] = [whole]
    for part in parts:
        for value in part.values():
            inner = value if isinstance(value, list) else [value]
            parts += (each for each in inner if isinstance(each, dict))
    possible: set[int] = set()

    def fits(part: object) -> bool:
        return id(part) in possible if isinstance(part, dict) else part is not False

    def leads_to_one(reference: str) -> bool:
        if reference not in targets:
            targets[reference] = lookup(reference)
        return fits(targets[reference])

    for _ in range(DEEPEST):
        known = len(possible)
        for part in reversed(parts):
            references = (str(part[name]) for name in REFERENCES if name in part)
            if _is_possible(part, fits) and all(map(leads_to_one, references)):
                possible.add(id(part))
        if len(possible) == known:
            break
    else:
        return ""
    return "" if fits(whole) else "no value can ever fit it"


def _is_possible(part: Json, fits: Callable[[object], bool]) -> bool:
    """Whether a value fits a part of a schema, where it is known what `fits` the parts of it."""
    both, any_of, one_of = (_listed(part, name) for name in ("allOf", "anyOf", "oneOf"))
    if not all(map(fits, both)) or part.get("not") in ({}, True):
        return False
    if not all(any(map(fits, several)) for several in (any_of, one_of) if several):
        return False
    kinds = frozenset.intersection(*map(_kinds, (part, *both)))
    kinds -= {of for of, low, high in BOUNDS if _number(part, low) > _number(part, high)}
    if "object" in kinds and not all(
        fits(_property(part, name)) for name in _listed(part, "required")
    ):
        kinds -= {"object"}
    if "array" in kinds and _number(part, "minItems") > 0 and "prefixItems" not in part:
        kinds -= set() if fits(part.get("items")) else {"array"}
    return bool(kinds)


def _kinds(part: object) -> frozenset[str]:
    """The kinds of values that a part of a schema allows by its type and by its values."""
    if not isinstance(part, dict):
        return KINDS
    kinds = KINDS
    if named := _listed(part, "type") or (
        [part["type"]] if isinstance(part.get("type"), str) else []
    ):
        kinds = frozenset(filter(lambda name: isinstance(name, str), named))
        kinds |= {"integer"} if "number" in kinds else set()
    if "enum" in part or "const" in part:
        values = [part["const"]] if "const" in part else _listed(part, "enum")
        kinds &= {_kind(value) for value in values}
    return kinds


def _kind(value: object) -> str:
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    names = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _property(part: Json, name: object) -> object:
    """The schema of a property; False if there can be none of that name."""
    properties = part.get("properties")
    if isinstance(properties, dict) and isinstance(name, str) and name in properties:
        return properties[name]
    return True if part.get("patternProperties") else part.get("additionalProperties")


def _listed(part: Json, name: str) -> list[Any]:
    value = part.get(name)
    return value if isinstance(value, list) else []


def _number(part: Json, name: str) -> float:
    value = part.get(name)
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return value if known else math.inf * (-1 if name.startswith("min") else 1)


def errors(
    schema: Mapping[str, Any], value: Any, draft: type[Validator] | None = None
) -> list[ValidationError]:
    """What is wrong with a value, the first of it. Raises `UnjudgedError`."""
    from jsonschema import Draft202012Validator
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    judge = _tamed(draft or Draft202012Validator)(_without_identifiers(schema), registry=Registry())
    try:
        return [*itertools.islice(judge.iter_errors(value), MOST_ERRORS)]
    except (ArithmeticError, RecursionError, Unresolvable) as error:
        raise UnjudgedError(type(error).__name__) from None


def rebuilt(
    schema: Any, change: Callable[[Json], Json], literal: AbstractSet[str] = LITERAL_KEYWORDS
) -> Any:
    """The schema with `change` applied to each schema in it, but for what is under `literal`."""
    if isinstance(schema, list):
        return [rebuilt(item, change, literal) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made: Json = {}
    for name, value in schema.items():
        if name in literal:
            made[name] = value
        elif name in NAMING_KEYWORDS and isinstance(value, dict):
            made[name] = {key: rebuilt(part, change, literal) for key, part in value.items()}
        else:
            made[name] = rebuilt(value, change, literal)
    return change(made)


def _too_large(schema: object) -> str:
    """Whether a schema has too many levels or values to be judged, in words."""
    depth, parts, level = 0, 0, [schema]
    while level := [
        inner
        for value in level
        if isinstance(value, dict | list)
        for inner in (value.values() if isinstance(value, dict) else value)
    ]:
        depth, parts = depth + 1, parts + len(level)
        if depth > DEEPEST:
            return f"it has more than {DEEPEST} levels"
        if parts > MOST_PARTS:
            return f"it has more than {MOST_PARTS:,} values"
    return ""


def _references(schema: Mapping[str, Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []

    def collect(part: Json) -> Json:
        found.extend((name, str(part[name])) for name in REFERENCES if name in part)
        return part

    rebuilt(dict(schema), collect)
    return list(dict.fromkeys(found))


def _lookup(schema: Json) -> Callable[[str], Any]:
    """What finds the part of a schema that a reference names; None where it names none.

    Nothing is fetched.
    """
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    resource = DRAFT202012.create_resource(schema)
    resolver = Registry().with_resource("", resource).resolver("")

    def find(reference: str) -> Any:
        if not reference.startswith("#"):
            return None
        try:
            return resolver.lookup(reference).contents
        except (Unresolvable, ValueError, TypeError):
            return None

    return find


def _without_identifiers(schema: Mapping[str, Any]) -> Json:
    def change(part: Json) -> Json:
        return {name: value for name, value in part.items() if name not in IDENTIFIERS}

    return rebuilt(dict(schema), change)


def _tamed(draft: type[Validator]) -> type[Validator]:
    """A draft that runs no regular expression and follows a bounded number of references."""
    from jsonschema.validators import extend

    keywords: dict[str, Any] = dict(draft.VALIDATORS)
    followed = itertools.count(1)

    def ignore(*_: Any) -> None:
        """Leave it to whom the value is for."""

    def bounded(keyword: str) -> Any:
        def follow(validator: Validator, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
            if next(followed) > MOST_FOLLOWED:
                raise RecursionError
            yield from keywords[keyword](validator, value, instance, schema) or ()

        return follow

    def unless_by_pattern(validator: Validator, value: Any, instance: Any, schema: Any) -> Any:
        if "patternProperties" in schema:
            return None
        return keywords["additionalProperties"](validator, value, instance, schema)

    changed: dict[str, Any] = {name: ignore for name in UNJUDGED if name in keywords}
    changed |= {name: bounded(name) for name in REFERENCES if name in keywords}
    changed |= {"additionalProperties": unless_by_pattern, "uniqueItems": _unique}
    return extend(draft, changed)


def _unique(validator: Validator, wanted: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    """`uniqueItems` in linear time: `jsonschema` compares each object with each other."""
    from jsonschema.exceptions import ValidationError

    if wanted and validator.is_type(instance, "array"):
        distinct = {json.dumps(item, sort_keys=True) for item in instance}
        if len(distinct) < len(instance):
            yield ValidationError("it has an item twice")
