"""Structured output: a JSON schema sent strictly, and an answer held against it. Pure."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from typing import Any

from openrouter_mcp.errors import Code, OpenRouterError

FENCE = re.compile(r"```(?:json)?\s*\n?(.*?)```", re.DOTALL | re.IGNORECASE)
STRING_OR_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(\s*[}\]])', re.DOTALL)

LITERAL_KEYWORDS = {"enum", "const", "default", "examples"}
COMBINING_KEYWORDS = {"allOf", "not", "if", "then", "else"}
"""Closing one part of a combination would forbid what another part of it asks for."""
NAMING_KEYWORDS = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}


def response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The `response_format` for this schema. Raises `INVALID_INPUT` when it is no JSON schema.

    Providers enforce a schema strictly only where every object is closed and every property
    required, so both are added where the schema is silent; what fits the narrower schema fits
    the caller's too.
    """
    import jsonschema

    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"schema is not a JSON schema: {error.message[:200]}. Correct it and call again.",
        ) from None
    strict = _closed(copy.deepcopy(dict(schema)))
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": strict},
    }


def parse(text: str, schema: Mapping[str, Any]) -> tuple[Any, str]:
    """The JSON value in `text` and what is wrong with it; an empty string when nothing is.

    Code fences, words around the JSON and trailing commas are forgiven.
    """
    import jsonschema

    for candidate in _candidates(text):
        try:
            value = json.loads(candidate, parse_constant=_refused)
        except ValueError:
            continue
        problem = jsonschema.exceptions.best_match(
            jsonschema.Draft202012Validator(schema).iter_errors(value)
        )
        if problem is None:
            return value, ""
        return value, f"at {problem.json_path}: {problem.message[:300]}"
    return None, "it is not JSON"


def _refused(constant: str) -> None:
    """Python reads NaN and the infinities, which no other JSON parser would read again."""
    raise ValueError(constant)


def _candidates(text: str) -> list[str]:
    """Readings of `text` as JSON, the most literal first."""
    fenced = [match.strip() for match in FENCE.findall(text)]
    bare = text.strip()
    start = min((at for at in (bare.find("{"), bare.find("[")) if at >= 0), default=0)
    end = max(bare.rfind("}"), bare.rfind("]")) + 1
    literal = [bare, *fenced, bare[start:end]]
    return literal + [STRING_OR_TRAILING_COMMA.sub(r"\1\2", reading) for reading in literal]


def _closed(schema: Any) -> Any:
    """The schema with every object closed that is not open on purpose."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed_keyword(name, value) for name, value in schema.items()}
    properties = closed.get("properties")
    combined = not closed.keys().isdisjoint({*COMBINING_KEYWORDS, "anyOf", "oneOf", "$ref"})
    if closed.get("type") == "object" and isinstance(properties, dict) and not combined:
        closed.setdefault("additionalProperties", False)
        if closed["additionalProperties"] is False:
            closed["required"] = list(properties)
    return closed


def _closed_keyword(name: str, value: Any) -> Any:
    if name in LITERAL_KEYWORDS | COMBINING_KEYWORDS:
        return value
    if name in NAMING_KEYWORDS and isinstance(value, dict):
        return {named: _closed(schema) for named, schema in value.items()}
    return _closed(value)
