"""Structured output: a JSON schema sent strictly, and an answer held against it. Pure.

Schemas and answers are foreign: what cannot be judged is a problem in words, never an exception.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from openrouter_mcp.completions import schemas
from openrouter_mcp.completions.schemas import LITERAL_KEYWORDS, rebuilt
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.text import is_too_deep, without_trailing_commas

Json = dict[str, Any]

COMBINING_KEYWORDS = {"allOf", "not", "if", "then", "else"}
"""Closing one part of a combination would forbid what another part of it asks for."""
ANNOTATIONS = {
    "$anchor",
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "default",
    "definitions",
    "deprecated",
    "description",
    "examples",
    "nullable",
    "title",
}
PROPERTIES = '{"type": "object", "properties": {...}}'
MOST_ATTEMPTS = 50
"""Places in an answer at which JSON may begin."""
THOUGHT_ENDS = "</think>"
UNJUDGED = "the schema cannot be held against it"
"""The problem of a value that another answer would have too."""


def unwrapped(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema itself, out of OpenAI's wrapping `{"name", "strict", "schema"}`."""
    for name in ("json_schema", "schema"):
        inner = schema.get(name)
        if isinstance(inner, Mapping) and not isinstance(schema.get("properties"), Mapping):
            schema = inner
    return dict(schema)


def response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The `response_format` for this schema. Raises `INVALID_INPUT` when it is no JSON schema.

    Providers enforce a schema strictly only where every object is closed and every property
    required, so both are added where the schema is silent; what fits the narrower schema fits
    the caller's too.
    """
    if problem := _schema_problem(schema):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"schema is not a JSON schema: {problem}. Correct it and call again.",
        )
    return {
        "type": "json_schema",
        "json_schema": {
            "name": "answer",
            "strict": True,
            "schema": rebuilt(dict(schema), _closed, LITERAL_KEYWORDS | COMBINING_KEYWORDS),
        },
    }


def parse(text: str, schema: Mapping[str, Any]) -> tuple[Any, str]:
    """The JSON value in `text` and what is wrong with it; an empty string when nothing is.

    Thoughts, code fences, words around the JSON and trailing commas are forgiven. Of several
    values the first that fits counts, one after the model's thoughts before one within them.
    """
    value, problem = None, "it is not JSON"
    for number, candidate in enumerate(_values(text)):
        wrong = _problem(schema, candidate)
        if not wrong:
            return candidate, ""
        if number == 0:
            value, problem = candidate, wrong
    return value, problem


def _schema_problem(schema: Mapping[str, Any]) -> str:
    """Why this is no schema that can be sent; empty if it is one."""
    from jsonschema import Draft202012Validator

    if schema and not schema.keys() & (Draft202012Validator.VALIDATORS.keys() | ANNOTATIONS):
        names = ", ".join(schema)[:80]
        return f"{names}: no keyword of it. Properties go into {PROPERTIES}"
    return schemas.problem(schema) or schemas.impossible(schema)


def _problem(schema: Mapping[str, Any], value: Any) -> str:
    """What is wrong with a value, in words; empty if nothing is."""
    from jsonschema.exceptions import best_match

    try:
        problem = best_match(schemas.errors(schema, value))
    except schemas.UnjudgedError as error:
        return f"{UNJUDGED} ({error})"
    return f"at {problem.json_path}: {problem.message[:300]}" if problem else ""


def _values(text: str) -> Iterator[Any]:
    """The JSON values that a text may mean, the most literal reading of its end first."""
    _, thought, said = text.rpartition(THOUGHT_ENDS)
    # In JSON as a whole, the mark is a part of a value.
    for part in (said, text) if thought and not _is_json(text) else (text,):
        yield from _literal(part)
        yield from _literal(without_trailing_commas(part[_start(part, 0) :]))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _literal(text: str) -> Iterator[Any]:
    """The text as one value, else each object and list in it, however it is wrapped."""
    decoder = json.JSONDecoder(parse_constant=_refused, parse_float=_finite)
    try:
        whole = decoder.decode(text.strip())
    except (ValueError, RecursionError):
        pass
    else:
        if not is_too_deep(whole):
            yield whole
        return
    at = 0
    for _ in range(MOST_ATTEMPTS):
        at = _start(text, at)
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
        else:
            if not is_too_deep(value):
                yield value


def _start(text: str, after: int) -> int:
    """Where the next object or list may begin; the end of the text if none does."""
    places = (text.find(bracket, after) for bracket in "{[")
    return min((place for place in places if place >= 0), default=len(text))


def _refused(constant: str) -> None:
    """Python reads NaN and the infinities, which no other JSON parser would read again."""
    raise ValueError(constant)


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(number)
    return value


def _closed(schema: Json) -> Json:
    """The schema closed, if it is of an object and not open on purpose."""
    properties = schema.get("properties")
    combined = not schema.keys().isdisjoint({*COMBINING_KEYWORDS, "anyOf", "oneOf", "$ref"})
    if schema.get("type") != "object" or not isinstance(properties, dict) or combined:
        return schema
    if set(schema.get("required") or ()) <= properties.keys():
        schema.setdefault("additionalProperties", False)
        if schema["additionalProperties"] is False:
            schema["required"] = list(properties)
    return schema
