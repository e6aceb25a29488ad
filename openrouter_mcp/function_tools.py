"""MCP tools as OpenAI function tools: names, schemas, arguments. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import mcp.types as mt
from fastmcp.utilities.json_schema import dereference_refs

LONGEST_NAME = 64
LONGEST_DESCRIPTION = 1024
DIGEST = 8
SHOWN_PROBLEMS = 3
ANNOTATIONS = {"$schema", "$id", "$comment", "$anchor"}
COMBINATIONS = ("allOf", "anyOf", "oneOf")
DESCRIBING = ("title", "description", "default")
LITERALS = {"enum", "const", "default", "examples"}
NAMED_SCHEMAS = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}

Schema = dict[str, Any]


@dataclass(frozen=True)
class FunctionTool:
    """A tool of an MCP server as a model sees it."""

    name: str
    """`server__tool`, unique in its run and fit for every provider."""
    server: str
    tool: str
    description: str
    parameters: Schema
    schema: Schema
    """What the server itself asks of the arguments, its references resolved."""
    read_only: bool
    """Whether it declares that it changes nothing."""
    as_task: bool = False
    """Whether it runs only as a task of the specification of 2025-11-25."""

    @property
    def definition(self) -> dict[str, Any]:
        """The entry in a request's `tools`."""
        function = {
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }
        return {"type": "function", "function": function}

    def matches(self, globs: Iterable[str]) -> bool:
        """Whether one of the globs means this tool, by either of its names."""
        names = (self.name, f"{self.server}__{self.tool}")
        return any(fnmatchcase(name, glob) for glob in globs for name in names)

    def arguments(self, text: str) -> dict[str, Any]:
        """The arguments that a model wrote. Raises `ValueError` with what is wrong with them."""
        import jsonschema
        from referencing import Registry
        from referencing.exceptions import Unresolvable

        try:
            given = json.loads(text) if text.strip() else {}
        except ValueError as error:
            raise ValueError(f"the arguments are not JSON ({error})") from None
        if isinstance(given, str):
            return self.arguments(given)
        if not isinstance(given, dict):
            raise ValueError("the arguments are not a JSON object")  # noqa: TRY004 - said to models
        # An empty registry: a schema makes nobody fetch what it refers to.
        validator = jsonschema.Draft202012Validator(self.schema, registry=Registry())
        try:
            problems = sorted(validator.iter_errors(given), key=str)
        except (Unresolvable, re.error):
            return given
        if problems:
            said = [f"{problem.json_path}: {problem.message}" for problem in problems]
            raise ValueError("; ".join(said[:SHOWN_PROBLEMS]))
        return given


def convert(server: str, tools: Sequence[mt.Tool], taken: Iterable[str] = ()) -> list[FunctionTool]:
    """The tools of one server, under names that are not `taken`."""
    names = set(taken)
    converted = []
    for tool in {tool.name: tool for tool in tools}.values():
        schema = _valid(dereference_refs(dict(tool.input_schema or {})))
        name = _name(server, tool.name, names)
        names.add(name)
        hints = tool.annotations
        title = tool.title or (hints.title if hints else None) or tool.name
        parameters, forms = portable(schema)
        description = "\n".join(part for part in (tool.description or title, forms) if part)
        converted.append(
            FunctionTool(
                name=name,
                server=server,
                tool=tool.name,
                description=_cut(description),
                parameters=parameters,
                schema=schema,
                read_only=bool(hints and hints.read_only_hint),
                as_task=bool(tool.execution and tool.execution.task_support == "required"),
            )
        )
    return converted


def portable(schema: Mapping[str, Any]) -> tuple[Schema, str]:
    """The schema as the strictest providers take it, and in words what it cannot say any more.

    They want an object at the top, with `properties` and without alternatives; the arguments are
    held against the server's own schema all the same.
    """
    top = _cleaned(dict(schema))
    forms = {name: top.pop(name) for name in COMBINATIONS if name in top}
    variants = [form for listed in forms.values() for form in listed if isinstance(form, dict)]
    properties: Schema = {}
    for variant in variants:
        for name, value in (variant.get("properties") or {}).items():
            properties.setdefault(name, value)
    properties |= top.get("properties") or {}
    required = {*(top.get("required") or [])}
    for variant in forms.get("allOf", []):
        required |= {*(variant.get("required") or [])}
    top |= {"type": "object", "properties": properties}
    top.pop("required", None)
    if listed := [name for name in properties if name in required]:
        top["required"] = listed
    said = json.dumps(forms, ensure_ascii=False, separators=(",", ":")) if forms else ""
    return top, f"The arguments have to fit: {said}" if said else ""


def _valid(schema: Schema) -> Schema:
    """The schema; one that allows everything in place of what is none, as providers refuse it."""
    import jsonschema

    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError:
        return {}
    return schema


def _name(server: str, tool: str, taken: set[str]) -> str:
    """`server__tool` in safe characters; a digest makes it fit, or different from the others."""
    whole = f"{server}__{tool}"
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", whole)
    safe = safe if safe[0].isalpha() or safe[0] == "_" else f"_{safe}"
    if len(safe) <= LONGEST_NAME and safe not in taken:
        return safe
    digest = hashlib.sha256(whole.encode()).hexdigest()[:DIGEST]
    return f"{safe[: LONGEST_NAME - DIGEST - 1]}_{digest}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_DESCRIPTION else f"{text[: LONGEST_DESCRIPTION - 4]} ..."


def _cleaned(schema: Any) -> Any:
    """A schema in keywords that every provider knows, meaning the same."""
    if schema is True:
        return {}
    if isinstance(schema, list):
        return [_cleaned(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    cleaned: Schema = {}
    for name, value in schema.items():
        if name in NAMED_SCHEMAS and isinstance(value, dict):
            cleaned[name] = {named: _cleaned(inner) for named, inner in value.items()}
        elif name == "const":
            cleaned["enum"] = [value]
        elif name not in ANNOTATIONS:
            cleaned[name] = value if name in LITERALS or name == "required" else _cleaned(value)
    return _with_items(_with_one_type(cleaned))


def _with_one_type(schema: Schema) -> Schema:
    """A list of types as alternatives, which more providers know."""
    kinds = schema.get("type")
    if not isinstance(kinds, list):
        return schema
    about = {name: value for name, value in schema.items() if name in DESCRIBING}
    rest = {name: value for name, value in schema.items() if name not in {*DESCRIBING, "type"}}
    forms = [{"type": kind} | ({} if kind == "null" else rest) for kind in kinds]
    return (
        {**about, **forms[0]} if len(forms) == 1 else {**about, "anyOf": [*map(_with_items, forms)]}
    )


def _with_items(schema: Schema) -> Schema:
    """An array says what it holds; one that lists its places says what they may hold."""
    if schema.get("type") != "array":
        return schema
    places = schema.pop("prefixItems", None)
    if isinstance(schema.get("items"), list):
        places = schema.pop("items")
    if places:
        return {**schema, "items": {"anyOf": places}}
    return {**schema, "items": schema.get("items") or {}}
