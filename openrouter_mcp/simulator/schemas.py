"""The smallest value that a JSON schema accepts."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def instance(schema: Json, root: Json | None = None) -> Any:
    """A minimal instance: required properties only, first of every choice."""
    root = schema if root is None else root
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    if "$ref" in schema:
        target: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return instance(target, root)
    if "allOf" in schema:
        merged: Json = {}
        for part in schema["allOf"]:
            merged |= instance(part, root)
        return merged
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return instance(schema[key][0], root)
    return _of_type(schema, root)


def _of_type(schema: Json, root: Json) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    match kind:
        case "object":
            properties = schema.get("properties", {})
            return {
                name: instance(properties.get(name, {}), root)
                for name in schema.get("required", [])
            }
        case "array":
            return [instance(schema.get("items", {}), root)] * schema.get("minItems", 0)
        case "integer" | "number":
            if "exclusiveMinimum" in schema:
                return schema["exclusiveMinimum"] + 1
            return schema.get("minimum", min(0, schema.get("maximum", 0)))
        case "boolean":
            return False
        case "null":
            return None
        case _:
            return "x" * schema.get("minLength", 0) or "text"[: schema.get("maxLength", 4)]
