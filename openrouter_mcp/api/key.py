"""The key of this server: a variable's, else the one that `login` put into the keyring."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future

from openrouter_mcp.api import keychain
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.settings import Settings
from openrouter_mcp.text import duration

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds for a keyring, which may ask the user to unlock it."""
GET_A_KEY = (
    "Run `openrouter-mcp login` in a terminal and call again, or create a key at "
    "https://openrouter.ai/keys, set OPENROUTER_API_KEY in the MCP client's configuration and "
    "restart this server."
)
ELSEWHERE = (
    "OPENROUTER_BASE_URL is no address, so the key goes nowhere: it may not be OpenRouter's own. "
    "Correct it in the MCP client's configuration and restart this server."
)
LOCKED = (
    f"The system's keyring did not answer within {duration(PATIENCE)}. Unlock it and call again, "
    "or set OPENROUTER_API_KEY in the MCP client's configuration and restart this server."
)


class ApiKey:
    """The key of one server. The keyring is asked at the first request, and not before."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stored = ""
        self._question: Future[str] | None = None
        self._looked = False

    @property
    def source(self) -> str:
        """Where the key comes from; empty where none was found yet."""
        if self._settings.api_key:
            return "OPENROUTER_API_KEY"
        return "keyring" if self._stored else ""

    async def find(self) -> str:
        """The key; empty where there is none, or where the keyring does not give it."""
        if self._settings.is_wrong("base_url"):
            return ""
        if self._settings.api_key:
            return self._settings.api_key.get_secret_value()
        if not self._looked:
            await self._ask_keyring()
        return self._stored

    async def require(self) -> str:
        """The key. Raises `AUTH` where there is none."""
        # Since the keyring was asked first, the user may have logged in or unlocked it.
        if found := await self.find() or await self._ask_keyring():
            return found
        raise OpenRouterError(Code.AUTH, self.lack)

    @property
    def lack(self) -> str:
        """Why there is no key, and what to do."""
        if self._settings.is_wrong("base_url"):
            return ELSEWHERE
        if self._question and not self._question.done():
            return LOCKED
        flaw = self._settings.flaws.get("api_key", "No OpenRouter key is set.")
        return f"{flaw} {GET_A_KEY}"

    async def _ask_keyring(self) -> str:
        if self._settings.is_wrong("base_url"):
            return ""
        question = self._question
        if question is None or question.done():
            question = self._question = _asked(self._settings.base_url)
        await asyncio.wait([asyncio.wrap_future(question)], timeout=PATIENCE)
        self._looked = True
        if question.done():
            self._stored = question.result()
            self._settings.add_own_key(self._stored)
        return self._stored


def _asked(address: str) -> Future[str]:
    """What the keyring answers to a thread that keeps no process alive, however long it waits."""
    answer: Future[str] = Future()

    def ask() -> None:
        try:
            answer.set_result(keychain.read(address))
        except keychain.KeychainError as error:
            log.info("The keyring has no key for this server: %s.", error)
            answer.set_result("")

    threading.Thread(target=ask, name="keyring", daemon=True).start()
    return answer
