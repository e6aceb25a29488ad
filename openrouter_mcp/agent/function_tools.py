"""MCP tools as OpenAI function tools: names, schemas, arguments. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Any

import mcp.types as mt
from fastmcp.utilities.json_schema import dereference_refs
from pydantic_core import from_json

from openrouter_mcp.agent.portable_schemas import Schema, portable, with_names

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

LONGEST_NAME = 64
LONGEST_DESCRIPTION = 1024
"""Characters that OpenAI takes."""
DIGEST = 8
LONGEST_MANUAL = 8000
SHOWN_PROBLEMS = 3


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
        from referencing import Registry
        from referencing.exceptions import Unresolvable

        try:
            given = from_json(text) if text.strip() else {}
        except ValueError as error:
            raise ValueError(f"the arguments are not JSON ({error})") from None
        if isinstance(given, str):
            return self.arguments(given)
        if not isinstance(given, dict):
            raise ValueError("the arguments are not a JSON object")  # noqa: TRY004 - said to models
        given = with_names(given, self.renamed)
        # An empty registry: a schema makes nobody fetch what it refers to.
        validator = _without_patterns(self.draft)(self.schema, registry=Registry())
        try:
            problems = sorted(validator.iter_errors(given), key=str)
        except (Unresolvable, RecursionError):
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
    schema, draft, faulty = _understood(dereference_refs(dict(tool.input_schema or {})))
    known, hints = portable(schema), tool.annotations
    title = tool.title or (hints.title if hints else None) or tool.name
    words = (tool.description or title, known.words, faulty)
    return FunctionTool(
        name=name,
        server=server,
        tool=tool.name,
        description="\n".join(part for part in words if part),
        parameters=known.parameters,
        schema=schema,
        draft=draft,
        renamed=known.renamed,
        read_only=bool(hints and hints.read_only_hint),
        as_task=bool(tool.execution and tool.execution.task_support == "required"),
    )


def _understood(schema: Schema) -> tuple[Schema, type[Validator], str]:
    """The schema and its draft: the declared one, else the newest by which it is one.

    What is no schema by any becomes one that allows everything, and words for the model.
    """
    import jsonschema
    from jsonschema.validators import validator_for

    newest = jsonschema.Draft202012Validator
    declared = validator_for(schema, default=newest)
    for draft in (declared, newest, jsonschema.Draft7Validator, jsonschema.Draft4Validator):
        with suppress(jsonschema.SchemaError, RecursionError):
            draft.check_schema(schema)
            return schema, draft, ""
    return {}, newest, f"The arguments, as its server describes them: {json.dumps(schema)}"


@cache
def _without_patterns(draft: type[Validator]) -> type[Validator]:
    """The draft but for its regular expressions, which the server checks itself.

    One of them can take for ever, and lets no other thread run meanwhile.
    """
    from jsonschema.validators import extend

    named = draft.VALIDATORS["additionalProperties"]

    def passed(*_: Any) -> None:
        """Leave it to the server."""

    def unless_by_pattern(validator: Validator, value: Any, instance: Any, schema: Schema) -> Any:
        if "patternProperties" in schema:
            return None
        return named(validator, value, instance, schema)

    patterns = dict.fromkeys(("pattern", "patternProperties", "unevaluatedProperties"), passed)
    return extend(draft, {**patterns, "additionalProperties": unless_by_pattern})


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
