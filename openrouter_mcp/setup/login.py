"""`login`: a key by way of the browser (OAuth with PKCE), kept in the system's keyring."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import queue
import secrets
import sys
import threading
import webbrowser
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from openrouter_mcp.api import keychain
from openrouter_mcp.api.client import OpenRouter
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.programs import COMMAND
from openrouter_mcp.settings import Settings

PATIENCE = 600.0
"""Seconds for the user to agree: OpenRouter's codes live as long."""
POLL = 0.05
"""Seconds until the callback server notices that it is to end."""
KEYS_PAGE = "https://openrouter.ai/keys"
NO_KEYRING = (
    "The system's keyring, which would keep the key, cannot be used: {}. Create a key at "
    f"{KEYS_PAGE} instead and set OPENROUTER_API_KEY in the MCP client's configuration."
)
RETURN = "<!doctype html><meta charset=utf-8><title>{0}</title><p>{0}"
DONE = "Return to the terminal. You can close this window."
DENIED = "OpenRouter sent no code. Return to the terminal."


class LoginError(Exception):
    """The login failed; the text says why and what to do."""


def log_in(configuration: Settings, *, browser: bool) -> str:
    """Get a key from the user's account into the keyring; the sentence that says so.

    Without `browser`, the user opens the printed address elsewhere and types the code here.
    Raises `LoginError`. Source: `POST /auth/keys`.
    """
    try:
        keyring, earlier = keychain.name(), keychain.read(configuration.base_url)
    except keychain.KeychainError as error:
        raise LoginError(NO_KEYRING.format(error)) from None
    verifier = secrets.token_urlsafe(64)
    code = (_from_browser if browser else _from_terminal)(configuration.base_url, verifier)
    key = asyncio.run(_exchange(configuration, code, verifier))
    try:
        keychain.write(configuration.base_url, key)
    except keychain.KeychainError as error:
        raise LoginError(
            f"The keyring did not take the key: {error}. Delete the key at {KEYS_PAGE}, then "
            f"unlock the keyring and run `{COMMAND} login` again."
        ) from None
    told = [f"Logged in: the key is in the {keyring}. Servers find it there."]
    if configuration.api_key:
        told.append("But OPENROUTER_API_KEY is set here: a server that has it uses that key.")
    if earlier:
        told.append(f"The earlier key was replaced, and still works: delete it at {KEYS_PAGE}.")
    return "\n".join(told)


def log_out(configuration: Settings) -> str:
    """Take the key out of the keyring; the sentence that says so. Raises `LoginError`."""
    try:
        found = keychain.delete(configuration.base_url)
    except keychain.KeychainError as error:
        raise LoginError(f"The keyring cannot be used: {error}.") from None
    if not found:
        return "There was no key in the keyring."
    return f"The key is out of the keyring. It still works until you delete it at {KEYS_PAGE}."


def has_browser(environment: Mapping[str, str]) -> bool:
    """Whether a browser of this machine can be opened, and seen by who typed the command."""
    if environment.get("BROWSER"):
        return True
    if environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"):
        return False
    if sys.platform in {"win32", "darwin"}:
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def page(base_url: str, verifier: str, callback: str = "") -> str:
    """The address at which the user agrees. Without a callback, it shows the code."""
    digest = hashlib.sha256(verifier.encode()).digest()
    query = {
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        "key_label": COMMAND,
    }
    if callback:
        query["callback_url"] = callback
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc}/auth?{urlencode(query)}"


def _from_terminal(base_url: str, verifier: str) -> str:
    address = page(base_url, verifier)
    print(f"Open this address in a browser and agree:\n\n  {address}\n", flush=True)
    try:
        typed = input("The code that it shows: ").strip()
    except EOFError:
        typed = ""
    code = _code_in(typed) or typed
    if not code:
        raise LoginError(f"No code was typed. Run `{COMMAND} login` again.")
    return code


def _from_browser(base_url: str, verifier: str) -> str:
    with _callback() as (address, codes):
        url = page(base_url, verifier, address)
        told = f"Agree in the browser. If none opens, open this address yourself:\n\n  {url}\n"
        print(told, flush=True)
        webbrowser.open(url)
        try:
            code = codes.get(timeout=PATIENCE)
        except queue.Empty:
            raise LoginError(
                "Nobody agreed within ten minutes. Run the command again; with --no-browser, it "
                "works from another machine's browser too."
            ) from None
    if not code:
        raise LoginError(f"OpenRouter sent no code. Run `{COMMAND} login` again and agree.")
    return code


def _code_in(address: str) -> str:
    """The code in an address that OpenRouter has sent the browser to; empty without one."""
    try:
        return parse_qs(urlsplit(address).query).get("code", [""])[0]
    except ValueError:
        return ""


@contextmanager
def _callback() -> Generator[tuple[str, queue.Queue[str]]]:
    """An address on this machine that OpenRouter sends the browser to, and the codes it brings.

    Nobody else knows the path, so that no other page can bring a code of its own.
    """
    codes: queue.Queue[str] = queue.Queue()
    path = f"/{secrets.token_urlsafe(16)}"

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            if urlsplit(self.path).path != path:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            code = _code_in(self.path)
            content = RETURN.format(DONE if code else DENIED).encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)
            codes.put(code)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing: the address holds the code."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=[POLL], daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}{path}", codes
        finally:
            server.shutdown()


async def _exchange(configuration: Settings, code: str, verifier: str) -> str:
    client = OpenRouter(configuration)
    body = {"code": code, "code_verifier": verifier, "code_challenge_method": "S256"}
    try:
        reply = await client.post("/auth/keys", body, public=True)
    except OpenRouterError as error:
        if error.code in {Code.PERMISSION, Code.AUTH, Code.INVALID_INPUT}:
            raise LoginError(
                "OpenRouter did not take the code. It is good once, for ten minutes, and for the "
                f"address above only. Run `{COMMAND} login` again."
            ) from None
        raise LoginError(error.message) from None
    finally:
        await client.aclose()
    key = reply.get("key") if isinstance(reply, dict) else None
    if not isinstance(key, str) or not key.isascii() or not key.isprintable() or not key.strip():
        raise LoginError(f"OpenRouter's reply has no key. Run `{COMMAND} login` again.")
    return key.strip()
