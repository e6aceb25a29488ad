"""`make bundle` packs this server as an MCP bundle, which Claude Desktop installs with a click.

Of the type `uv`: the client has uv, which installs Python and the packages that were tested.
Format: https://github.com/modelcontextprotocol/mcpb.
"""

import hashlib
import json
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from openrouter_mcp.handshake import MANIFEST
from openrouter_mcp.programs import COMMAND
from scripts import PROJECT, REPOSITORY, ROOT, registry, write
from scripts.variables import Variable, variables

FOLDER = ROOT / "dist"
ENTRY_POINT = "openrouter_mcp/__main__.py"
ASKED = (
    "api_key",
    "default_model",
    "confirm_above",
    "max_cost_per_call",
    "max_cost_per_day",
    "output_dir",
    "input_dirs",
    "provider_zdr",
    "threads",
    "audit_prompts",
    "mcp_config",
)
"""The settings that the client asks for, with the key; they are also those that README names."""
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The time of every file, so that the same sources make the same bundle."""


def manifest() -> dict[str, Any]:
    """What the client reads of the bundle."""
    opening = json.loads(MANIFEST.read_text("utf-8"))
    asked = [each for each in variables() if each.field in ASKED]
    start = {
        "command": "uv",
        "args": ["run", "--directory", "${__dirname}", "--no-dev", COMMAND],
        "env": {each.name: f"${{user_config.{each.field}}}" for each in asked},
    }
    return {
        "manifest_version": "0.4",
        "name": COMMAND,
        "display_name": registry.TITLE,
        "version": PROJECT["version"],
        "description": PROJECT["description"],
        "author": {"name": PROJECT["authors"][0]["name"]},
        "repository": {"type": "git", "url": REPOSITORY},
        "homepage": PROJECT["urls"]["Homepage"],
        "documentation": PROJECT["urls"]["Documentation"],
        "support": PROJECT["urls"]["Issues"],
        "license": PROJECT["license"],
        "keywords": PROJECT["keywords"],
        "privacy_policies": ["https://openrouter.ai/privacy"],
        "compatibility": {
            "platforms": ["darwin", "win32", "linux"],
            "runtimes": {"python": PROJECT["requires-python"]},
        },
        "server": {"type": "uv", "entry_point": ENTRY_POINT, "mcp_config": start},
        "tools": [
            {"name": tool["name"], "description": tool["description"].splitlines()[0]}
            for tool in opening["modern"]["tools/list"]["result"]["tools"]
        ],
        "prompts_generated": True,
        "user_config": {each.field: _asked(each) for each in asked},
    }


def _asked(each: Variable) -> dict[str, Any]:
    """How the client asks for a setting. Without a default it would pass on the placeholder."""
    told: dict[str, Any] = {
        "type": "file" if each.field == "mcp_config" else each.kind,
        "title": each.field.replace("_", " ").capitalize(),
        "description": each.description,
        "required": each.secret,
    }
    if each.secret:
        told["sensitive"] = True
    elif each.kind == "number":
        told |= {"default": float(each.default), "min": 0}
    elif each.kind == "boolean":
        told["default"] = each.default == "true"
    elif each.field == "output_dir":
        told |= {"type": "directory", "default": each.default.replace("~", "${HOME}")}
    else:
        told["default"] = each.default
    return told


def contents() -> dict[str, bytes]:
    """The files of the bundle by their names in it."""
    sources = [path for path in (ROOT / "openrouter_mcp").rglob("*") if path.is_file()]
    named = [ROOT / name for name in ("README.md", "LICENSE")]
    files = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for path in sorted([*sources, *named])
        if "__pycache__" not in path.parts
    }
    pins = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    pinned = f"{project}\n[tool.uv]\nconstraint-dependencies = {json.dumps(pins)}\n"
    told = json.dumps(manifest(), ensure_ascii=False, indent=2) + "\n"
    return files | {"pyproject.toml": pinned.encode(), "manifest.json": told.encode()}


def build(folder: Path) -> Path:
    """Write the bundle and, with its hash, the `server.json` of a release; the bundle's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / registry.BUNDLE
    with ZipFile(path, "w") as bundle:
        for name, data in contents().items():
            entry = ZipInfo(name, EARLIEST)
            entry.compress_type = ZIP_DEFLATED
            entry.create_system = 3
            bundle.writestr(entry, data)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    write(folder / registry.PAGE.name, registry.text(digest))
    return path


if __name__ == "__main__":
    build(FOLDER)
