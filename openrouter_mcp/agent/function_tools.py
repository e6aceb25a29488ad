"""MCP tools as OpenAI function tools: their names, descriptions, schemas and arguments. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import mcp.types as mt
from fastmcp.utilities.json_schema import dereference_refs
from pydantic_core import from_json

from openrouter_mcp.completions import schemas
from openrouter_mcp.text import storable

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

Schema = dict[str, Any]

LONGEST_NAME = 64
LONGEST_DESCRIPTION = 1024
"""Characters of a function's name and of its description that OpenAI takes."""
LONGEST_MANUAL = 8000
"""Characters of a description that go into the system message."""
SHOWN_PROBLEMS = 3
PROPERTY_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
LONGEST_PROPERTY = 64
DIGEST = 8
FORMATS = {"date-time", "enum", "int32", "int64", "float", "double"}
"""The formats that every provider knows."""
BY_PROPERTY = {"properties", "dependentSchemas", "dependentRequired", "dependencies"}
NAMED = {*BY_PROPERTY, "patternProperties", "$defs", "definitions"}
LISTED = {"allOf", "anyOf", "oneOf", "prefixItems"}
SINGLE = {"items", "contains", "not", "if", "then", "else", "propertyNames"}
REMAINDERS = {"additionalProperties", "unevaluatedProperties", "additionalItems"}
"""Schemas too, but often true or false, which everybody knows."""
LITERALS = {"enum", "default", "examples"}
IDENTIFIERS = {"$schema", "$id", "id", "$comment", "$anchor"}
DESCRIBING = {"title", "description", "default", "examples"}
NOT_AT_THE_TOP = ("allOf", "anyOf", "oneOf", "enum", "not")


@dataclass(frozen=True)
class FunctionTool:
    """A tool of an MCP server as a model sees it."""

    name: str
    """`server__tool`, unique in its run and fit for every provider."""
    server: str
    tool: str
    description: str
    """What it does, and what the parameters cannot say; longer than providers take, perhaps."""
    parameters: Schema
    schema: Schema
    """What the server itself asks of the arguments, its references resolved."""
    draft: type[Validator]
    """The draft of JSON Schema by which that is meant."""
    renamed: Mapping[str, str]
    """The server's own names of the properties that `parameters` calls otherwise."""
    read_only: bool
    """Whether it declares that it changes nothing."""
    as_task: bool = False
    """Whether it runs only as a task of the specification of 2025-11-25."""

    @property
    def definition(self) -> dict[str, Any]:
        """The entry in a request's `tools`."""
        function = {
            "name": self.name,
            "description": _cut(self.description),
            "parameters": self.parameters,
        }
        return {"type": "function", "function": function}

    @property
    def manual(self) -> str:
        """The description for the system message, where the definition does not hold it all."""
        if len(self.description) <= LONGEST_DESCRIPTION:
            return ""
        return f"About {self.name}:\n{self.description[:LONGEST_MANUAL]}"

    def matches(self, globs: Iterable[str]) -> bool:
        """Whether one of the globs means this tool, by either of its names."""
        names = (self.name, f"{self.server}__{self.tool}")
        return any(fnmatchcase(name, glob) for glob in globs for name in names)

    def arguments(self, text: str) -> dict[str, Any]:
        """The arguments that a model wrote. Raises `ValueError` with what is wrong with them."""
        try:
            given = from_json(text, allow_inf_nan=False) if text.strip() else {}
        except ValueError as error:
            raise ValueError(f"the arguments are not JSON ({error})") from None
        if isinstance(given, str):
            return self.arguments(given)
        if not isinstance(given, dict):
            raise ValueError("the arguments are not a JSON object")  # noqa: TRY004 - said to models
        given = with_names(given, self.renamed)
        try:
            problems = schemas.errors(self.schema, given, self.draft)
        except schemas.UnjudgedError:
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
        name = _name(server, tool.name, names)
        names.add(name)
        converted.append(_converted(name, server, tool))
    return converted


def _converted(name: str, server: str, tool: mt.Tool) -> FunctionTool:
    schema, draft, faulty = _valid_schema(dereference_refs(dict(tool.input_schema or {})))
    portable, hints = portable_schema(schema), tool.annotations
    title = tool.title or (hints.title if hints else None) or tool.name
    words = (tool.description or title, portable.words, faulty)
    return FunctionTool(
        name=name,
        server=server,
        tool=tool.name,
        description="\n".join(part for part in words if part),
        parameters=portable.parameters,
        schema=schema,
        draft=draft,
        renamed=portable.renamed,
        read_only=bool(hints and hints.read_only_hint),
        as_task=bool(tool.execution and tool.execution.task_support == "required"),
    )


def _valid_schema(schema: Schema) -> tuple[Schema, type[Validator], str]:
    """The schema and its draft: the declared one, else the newest by which it is one.

    What is no schema by any becomes one that allows everything, and words for the model.
    """
    import jsonschema
    from jsonschema.validators import validator_for

    newest = jsonschema.Draft202012Validator
    declared = validator_for(schema, default=newest)
    for draft in (declared, newest, jsonschema.Draft7Validator, jsonschema.Draft4Validator):
        if not schemas.problem(schema, draft):
            return schema, draft, ""
    described = json.dumps(schema)[:LONGEST_MANUAL]
    return {}, newest, f"The arguments, as its server describes them: {described}"


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


@dataclass(frozen=True)
class PortableSchema:
    """A schema of arguments in keywords that every provider takes."""

    parameters: Schema
    words: str
    """What the parameters do not say; empty where they say it all."""
    renamed: Mapping[str, str]
    """The server's own names of the properties that are called otherwise here."""


def portable_schema(schema: Mapping[str, Any]) -> PortableSchema:
    """The schema of a tool's arguments for every provider."""
    names = _safe_names(schema)
    top = _cleaned({**schema, "type": "object"}, names)
    forms = {name: top.pop(name) for name in NOT_AT_THE_TOP if name in top}
    variants = [variant for name in LISTED for variant in _variants(forms.get(name))]
    properties = top.get("properties") or {}
    for name, value in _merged(variants).items():
        properties.setdefault(name, value)
    required = {*(top.pop("required", None) or []), *_always_required(forms)}
    top |= {"type": "object", "properties": properties}
    if listed := [name for name in properties if name in required]:
        top["required"] = listed
    said = json.dumps(forms, ensure_ascii=False, separators=(",", ":"))
    words = f"The arguments have to fit: {said}" if forms else ""
    return PortableSchema(top, words, {safe: name for name, safe in names.items()})


def with_names(value: Any, names: Mapping[str, str]) -> Any:
    """A JSON value with other names for some of its properties."""
    if isinstance(value, list):
        return [with_names(item, names) for item in value]
    if isinstance(value, dict):
        return {names.get(name, name): with_names(item, names) for name, item in value.items()}
    return value


def _safe_names(schema: Any) -> dict[str, str]:
    """Other names for the properties whose own some provider refuses."""
    found = dict.fromkeys(_property_names(schema))
    taken = {name for name in found if PROPERTY_NAME.fullmatch(name)}
    names: dict[str, str] = {}
    for name in found:
        if name in taken:
            continue
        safe = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)
        if not safe.strip("_") or len(safe) > LONGEST_PROPERTY or safe in taken:
            digest = hashlib.sha256(storable(name).encode()).hexdigest()[:DIGEST]
            safe = f"{safe[: LONGEST_PROPERTY - DIGEST - 1]}_{digest}"
        taken.add(safe)
        names[name] = safe
    return names


def _property_names(schema: Any) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    yield from schema.get("properties") or ()
    yield from schema.get("required") or ()
    for keyword, value in schema.items():
        inner: Iterable[Any] = ()
        if keyword in NAMED and isinstance(value, dict):
            inner = value.values()
        elif keyword in LISTED or (keyword == "items" and isinstance(value, list)):
            inner = value
        elif keyword in SINGLE | REMAINDERS:
            inner = (value,)
        for each in inner:
            yield from _property_names(each)


def _cleaned(schema: Any, names: Mapping[str, str]) -> Any:
    """A schema in keywords that every provider knows, meaning the same."""
    if not isinstance(schema, dict):
        return {} if schema is True else {"not": {}}
    cleaned: Schema = {}
    for keyword, value in schema.items():
        if keyword == "const":
            cleaned["enum"] = [with_names(value, names)]
        elif keyword not in IDENTIFIERS:
            cleaned[keyword] = _cleaned_keyword(keyword, value, names)
    return _with_one_type(_without_rare_format(cleaned))


def _cleaned_keyword(keyword: str, value: Any, names: Mapping[str, str]) -> Any:
    if keyword == "properties":
        return {
            names.get(name, name): _named(name, _cleaned(inner, names), names)
            for name, inner in value.items()
            if inner is not False
        }
    if keyword in NAMED:
        own = names if keyword in BY_PROPERTY else {}
        return {own.get(name, name): _dependent(inner, names) for name, inner in value.items()}
    if keyword == "required" and isinstance(value, list):
        return [names.get(name, name) for name in value]
    if keyword in LISTED or (keyword == "items" and isinstance(value, list)):
        return [_cleaned(item, names) for item in value]
    if keyword in SINGLE or (keyword in REMAINDERS and not isinstance(value, bool)):
        return _cleaned(value, names)
    return with_names(value, names) if keyword in LITERALS else value


def _dependent(value: Any, names: Mapping[str, str]) -> Any:
    """A schema, or the names of the properties that another one needs beside it."""
    if isinstance(value, list):
        return [names.get(name, name) for name in value]
    return _cleaned(value, names)


def _named(name: str, schema: Schema, names: Mapping[str, str]) -> Schema:
    """The schema of a property that is called otherwise: its own name tells what it is."""
    if name not in names:
        return schema
    own = json.dumps(name, ensure_ascii=False)
    return {**schema, "description": f"{own} {schema.get('description', '')}".strip()}


def _without_rare_format(schema: Schema) -> Schema:
    """A format that Gemini refuses, in words: it is a hint to everybody."""
    kind = schema.get("format")
    if not isinstance(kind, str) or kind in FORMATS:
        return schema
    rest = {name: value for name, value in schema.items() if name != "format"}
    return {**rest, "description": f"{schema.get('description', '')} (format: {kind})".strip()}


def _with_one_type(schema: Schema) -> Schema:
    """One type for each value: of several, and of an enum of several, alternatives are made."""
    kinds, values = schema.get("type"), schema.get("enum")
    allowed = [kinds] if isinstance(kinds, str) else kinds
    if isinstance(values, list) and values:
        by_kind: dict[str, list[Any] | None] = {}
        for value in values:
            kind = _kind(value, allowed)
            if allowed is None or kind in allowed:
                by_kind[kind] = [*(by_kind.get(kind) or []), value]
    elif isinstance(kinds, list):
        by_kind = dict.fromkeys(kinds)
    else:
        return _plain(schema)
    about = {name: value for name, value in schema.items() if name in DESCRIBING}
    rest = {k: v for k, v in schema.items() if k not in {*DESCRIBING, "type", "enum"}}
    forms = [_form(kind, listed, rest) for kind, listed in by_kind.items()]
    if not forms:
        return schema
    return {**about, **forms[0]} if len(forms) == 1 else {**about, "anyOf": forms}


def _form(kind: str, values: list[Any] | None, rest: Schema) -> Schema:
    if kind == "null":
        return {"type": kind}
    return _plain({"type": kind, **({"enum": values} if values else {}), **rest})


def _kind(value: Any, allowed: Iterable[str] | None) -> str:
    """The type of a literal, in the words of a schema that allows these types."""
    if isinstance(value, int) and not isinstance(value, bool):
        return "number" if allowed and "integer" not in allowed else "integer"
    kinds = {str: "string", bool: "boolean", float: "number", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def _plain(schema: Schema) -> Schema:
    """An array says what it holds, an integer its bounds inclusively: what Gemini wants."""
    schema = dict(schema)
    if schema.get("type") == "integer":
        for exclusive, inclusive, step in (
            ("exclusiveMinimum", "minimum", 1),
            ("exclusiveMaximum", "maximum", -1),
        ):
            bound = schema.get(exclusive)
            if isinstance(bound, int) and not isinstance(bound, bool) and inclusive not in schema:
                del schema[exclusive]
                schema[inclusive] = bound + step
    if schema.get("type") == "array":
        places = schema.pop("prefixItems", None)
        if isinstance(schema.get("items"), list):
            places = schema.pop("items")
        schema["items"] = {"anyOf": places} if places else schema.get("items") or {}
    return schema


def _variants(forms: Any) -> Iterator[Schema]:
    """Every form, and the forms within it."""
    for form in forms or ():
        if isinstance(form, dict):
            yield form
            for name in LISTED:
                yield from _variants(form.get(name))


def _merged(variants: Iterable[Schema]) -> Schema:
    """The properties of all variants; one that differs between them may be any of its kinds."""
    found: dict[str, list[Schema]] = {}
    for variant in variants:
        for name, value in (variant.get("properties") or {}).items():
            known = found.setdefault(name, [])
            if value not in known:
                known.append(value)
    return {name: _either(schemas) for name, schemas in found.items()}


def _either(schemas: list[Schema]) -> Schema:
    if len(schemas) == 1:
        return schemas[0]
    kinds = {str(schema.get("type")) for schema in schemas}
    if len(kinds) == 1 and all(set(schema) == {"type", "enum"} for schema in schemas):
        values: list[Any] = []
        for schema in schemas:
            values += [value for value in schema["enum"] if value not in values]
        return {"type": kinds.pop(), "enum": values}
    return {"anyOf": schemas}


def _always_required(forms: Mapping[str, Any]) -> set[str]:
    """The properties that every way to fit the forms has."""

    def of(form: Any) -> set[str]:
        return {*((form.get("required") or []) if isinstance(form, dict) else [])}

    required = {name for form in forms.get("allOf") or () for name in of(form)}
    for name in ("anyOf", "oneOf"):
        if listed := forms.get(name):
            required |= set.intersection(*(of(form) for form in listed))
    return required
