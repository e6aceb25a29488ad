"""`server.json`, by which the MCP registry knows this server: https://registry.modelcontextprotocol.io.

The registry has no package of ours yet: what is published there is made by the release workflow.
"""

import json
from typing import Any
from urllib.parse import urlsplit

from scripts import PROJECT, REPOSITORY, ROOT
from scripts.variables import Variable, variables

PAGE = ROOT / "server.json"
SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
TITLE = "OpenRouter"
TAKEN = "openrouter-mcp"
"""On the package index, this is the project of a stranger."""
VERSION: str = PROJECT["version"]
BUNDLE = f"openrouter-mcp-{VERSION}.mcpb"
INTERNAL = {"inside_agent"}
"""What this server sets for others, and no user does."""


def server(bundle_sha256: str = "") -> dict[str, Any]:
    """The whole document. The hash of the bundle is known once it is built."""
    owner, _, name = urlsplit(REPOSITORY).path.strip("/").partition("/")
    return {
        "$schema": SCHEMA,
        "name": f"io.github.{owner}/{name}",
        "title": TITLE,
        "description": PROJECT["description"],
        "version": VERSION,
        "websiteUrl": PROJECT["urls"]["Homepage"],
        "repository": {"url": REPOSITORY, "source": "github"},
        "packages": list(_packages(bundle_sha256)),
    }


def _packages(bundle_sha256: str) -> list[dict[str, Any]]:
    shared = {
        "transport": {"type": "stdio"},
        "environmentVariables": [_input(v) for v in variables() if v.field not in INTERNAL],
    }
    bundle = {
        "registryType": "mcpb",
        "identifier": f"{REPOSITORY}/releases/download/v{VERSION}/{BUNDLE}",
        "version": VERSION,
        **({"fileSha256": bundle_sha256} if bundle_sha256 else {}),
        **shared,
    }
    published = {
        "registryType": "pypi",
        "identifier": PROJECT["name"],
        "version": VERSION,
        "runtimeHint": "uvx",
        **shared,
    }
    return [bundle] if PROJECT["name"] == TAKEN else [published, bundle]


def _input(each: Variable) -> dict[str, Any]:
    told: dict[str, Any] = {"name": each.name, "description": each.description}
    if each.kind != "string":
        told["format"] = "filepath" if each.kind == "path" else each.kind
    if each.field == "api_key":
        told["isRequired"] = True
    if each.secret:
        told["isSecret"] = True
    if each.choices:
        told["choices"] = list(each.choices)
    if each.default:
        told["default"] = each.default
    return told


def text(bundle_sha256: str = "") -> str:
    """The document as it is written."""
    return json.dumps(server(bundle_sha256), ensure_ascii=False, indent=2) + "\n"
