"""`make links` writes the addresses at the end of the README, from what pyproject.toml says.

They are absolute, so that they work where a package index shows the page.
"""

import base64
import json
from urllib.parse import quote

from openrouter_mcp.programs import COMMAND
from openrouter_mcp.setup.configuration import NAME
from openrouter_mcp.setup.entry import ASKED_FOR, INPUT, KEY
from scripts import REPOSITORY, ROOT, registry, write

PAGE = ROOT / "README.md"
BEGIN = "<!-- `make links` writes what follows from pyproject.toml: change that file. -->\n"
PAGES = {
    "picture": "docs/session.svg",
    "variables": "docs/variables.md",
    "recipes": "docs/recipes.md",
    "clients": "docs/clients.md",
    "errors": "docs/errors.md",
    "migrate": "docs/migrate.md",
    "privacy": "docs/privacy.md",
    "security": "SECURITY.md",
    "contributing": "CONTRIBUTING.md",
    "changelog": "CHANGELOG.md",
    "licence": "LICENSE",
}
"""What the README links to in this repository."""


def cursor() -> str:
    """The link that adds this server to Cursor, with a placeholder for the key.

    https://cursor.com/docs/mcp/install-links
    """
    config = {"command": COMMAND, "env": {KEY: "sk-or-v1-..."}}
    encoded = base64.b64encode(json.dumps(config).encode()).decode()
    return f"https://cursor.com/install-mcp?name={NAME}&config={quote(encoded, safe='')}"


def vs_code() -> str:
    """The link that adds this server to VS Code, which asks for the key and keeps it.

    https://code.visualstudio.com/api/extension-guides/ai/mcp
    """
    config = {"type": "stdio", "command": COMMAND, "env": {KEY: ASKED_FOR}}
    inputs, entry = (quote(json.dumps(each), safe="") for each in ([INPUT], config))
    return (
        f"https://insiders.vscode.dev/redirect/mcp/install?name={NAME}"
        f"&inputs={inputs}&config={entry}"
    )


def links() -> str:
    """The end of the README."""
    raw = REPOSITORY.replace("https://github.com/", "https://raw.githubusercontent.com/")
    places = {"picture": f"{raw}/main"}
    addresses = {
        label: f"{places.get(label, f'{REPOSITORY}/blob/main')}/{path}"
        for label, path in PAGES.items()
    }
    addresses |= {"issues": f"{REPOSITORY}/issues", "cursor": cursor(), "vs-code": vs_code()}
    lines = [f"[{label}]: {address}\n" for label, address in addresses.items()]
    # The registry believes that a package is ours if its page names the server.
    return BEGIN + f"<!-- mcp-name: {registry.server()['name']} -->\n\n" + "".join(lines)


if __name__ == "__main__":
    text = PAGE.read_text("utf-8")
    write(PAGE, text.partition(BEGIN)[0] + links())
