"""`make variables` writes what is told of the settings: `docs/variables.md` and `server.json`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openrouter_mcp.settings import GROUPS, Settings, variable
from scripts import ROOT, write

PAGE = ROOT / "docs" / "variables.md"
HEAD = """\
# Variables

<!-- `make variables` writes this page from openrouter_mcp/settings.py: change that file. -->

Environment variables set everything. The key is the only one that you need. An empty variable
counts as unset. A value that the server does not understand does not stop it: each call then says
which variable it is and what it takes.

Proxies and certificates come from the usual variables (`HTTPS_PROXY`, `SSL_CERT_FILE`, ...).
"""
TABLE = "| variable | default | meaning |\n|---|---|---|\n"


@dataclass(frozen=True)
class Variable:
    """What is told of one setting."""

    field: str
    default: str
    """As it is written; empty where the variable is unset or the system decides."""
    description: str
    kind: str
    """string, number, boolean or path."""
    choices: tuple[str, ...]
    secret: bool

    @property
    def name(self) -> str:
        """The environment variable."""
        return variable(self.field)


def variables() -> Iterator[Variable]:
    """All settings, in the order of their groups."""
    schemas = Settings.model_json_schema(by_alias=False)["properties"]
    for field, info in Settings.model_fields.items():
        # Of a union the first says what is meant; the others are null, or a number as a string.
        schema = schemas[field].get("anyOf", [schemas[field]])[0]
        types = {"integer": "number", "number": "number", "boolean": "boolean"}
        yield Variable(
            field,
            "" if info.default_factory else _text(info.default),
            info.description or "",
            "path" if schema.get("format") == "path" else types.get(schema["type"], "string"),
            tuple(choice for choice in schema.get("enum", ()) if choice),
            schema.get("format") == "password",
        )


def _text(value: Any) -> str:
    if value in (None, "", (), {}):
        return ""
    if isinstance(value, Path):
        return value.as_posix()
    return str(value).lower() if isinstance(value, bool) else str(value)


def page() -> str:
    """The whole page: a table for each group of settings."""
    text = HEAD
    for each in variables():
        if each.field in GROUPS:
            text += f"\n## {GROUPS[each.field]}\n\n{TABLE}"
        default = f"`{each.default}`" if each.default else "unset"
        text += f"| `{each.name}` | {default} | {each.description} |\n"
    return text


if __name__ == "__main__":
    from scripts import registry

    write(PAGE, page())
    write(registry.PAGE, registry.text())
