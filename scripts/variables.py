"""`python -m scripts.variables` writes `docs/variables.md` from the settings."""

from pathlib import Path

from pydantic.fields import FieldInfo

from openrouter_mcp.settings import GROUPS, Settings, variable

PAGE = Path(__file__).parent.parent / "docs" / "variables.md"
HEAD = """\
# Variables

<!-- `make variables` writes this page from openrouter_mcp/settings.py: change that file. -->

Environment variables set everything. The key is the only one that you need. An empty variable
counts as unset. A value that the server does not understand does not stop it: each call then says
which variable it is and what it takes.

Proxies and certificates come from the usual variables (`HTTPS_PROXY`, `SSL_CERT_FILE`, ...).
"""
TABLE = "| variable | default | meaning |\n|---|---|---|\n"


def page() -> str:
    """The whole page: a table for each group of settings."""
    text = HEAD
    for name, field in Settings.model_fields.items():
        if name in GROUPS:
            text += f"\n## {GROUPS[name]}\n\n{TABLE}"
        text += f"| `{variable(name)}` | {_default(field)} | {field.description} |\n"
    return text


def _default(field: FieldInfo) -> str:
    """What holds where the variable is unset; places of the system are told in the description."""
    value = field.default
    if field.default_factory or value in (None, "", (), {}):
        return "unset"
    if isinstance(value, Path):
        return f"`{value.as_posix()}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8", newline="\n")
