"""The parts that the tools of one server share, each of which comes alive at its first use."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import quote

from openrouter_mcp import media
from openrouter_mcp.budget import Budget
from openrouter_mcp.cache import DocumentCache
from openrouter_mcp.catalogue import Catalogue, Resolution
from openrouter_mcp.client import OpenRouter
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import Files
from openrouter_mcp.jobs import Jobs
from openrouter_mcp.receipts import Receipt, money
from openrouter_mcp.settings import Settings
from openrouter_mcp.store import Store
from openrouter_mcp.threads import Threads

PREVIEW = 80

audit_log = logging.getLogger("openrouter_mcp.audit")


@dataclass(frozen=True)
class App:
    """What the lifespan makes: opening it touches neither network nor disk."""

    settings: Settings
    client: OpenRouter
    catalogue: Catalogue
    cache: DocumentCache
    files: Files
    store: Store
    budget: Budget
    jobs: Jobs
    threads: Threads

    @classmethod
    def make(cls, settings: Settings) -> App:
        """Wire the parts together."""
        client = OpenRouter(settings)
        # Another address has other documents: the simulator's are not OpenRouter's.
        cache = DocumentCache(settings.state_dir / "cache" / quote(settings.base_url, safe=""))
        catalogue = Catalogue(client, cache, settings.model_cache_ttl_ms / 1000)
        store = Store(settings.state_dir)
        return cls(
            settings=settings,
            client=client,
            catalogue=catalogue,
            cache=cache,
            files=Files(settings),
            store=store,
            budget=Budget(settings, store),
            jobs=Jobs(settings, store),
            threads=Threads(settings, store),
        )

    async def aclose(self) -> None:
        """Stop what runs in the background and close the connections."""
        await self.jobs.aclose()
        await self.cache.aclose()
        await self.client.aclose()
        await self.store.aclose()

    async def resolve(self, name: str) -> Resolution:
        """The model that `name` means (the default model if empty), from the live catalogue.

        While the catalogue cannot be had, a full id is taken at its word. Raises
        `MODEL_NOT_FOUND`.
        """
        name = name.strip() or self.settings.default_model
        try:
            snapshot = await self.catalogue.models()
        except OpenRouterError:
            if "/" not in name:
                raise
            return Resolution(name, None, "")
        return snapshot.resolve(name)

    async def budget_line(self) -> str:
        """What is left of the caps, for receipts; empty where there are none."""
        capped = self.settings.max_cost_per_day or self.settings.max_cost_per_session
        return (await self.budget.left()).line() if capped else ""

    def warnings(self) -> list[str]:
        """What a user should know about the state of this server."""
        return [self.store.warning] if self.store.warning else []

    async def settle(self) -> int:
        """Ask OpenRouter what unfinished requests cost; the number of those that are settled."""
        return await self.budget.settle_leftovers(self._cost)

    async def _cost(self, generation_id: str) -> Decimal | None:
        try:
            reply = await self.client.get("/generation", params={"id": generation_id})
        except OpenRouterError as error:
            if error.code is Code.NOT_FOUND:
                return None
            raise
        return money((reply.get("data") or {}).get("total_cost"))

    async def shortened(self, text: str, name: str) -> tuple[str, list[str]]:
        """What to show of a reply, and where the whole is when that is not all of it."""
        shown = self.settings.max_reply_chars
        if len(text) <= shown:
            return text, []
        try:
            path = await asyncio.to_thread(
                media.save, text.encode(), self.settings.output_dir, name or "reply", ".md"
            )
        except OSError as error:
            reason = f"could not be saved in {self.settings.output_dir} ({error.strerror})"
            return text, [f"The reply has {len(text):,} characters and {reason}."]
        return text[:shown], [f"These are {shown:,} of {len(text):,} characters; all are in {path}"]

    def audit(self, tool: str, receipt: Receipt, prompt: str) -> None:
        """One line of JSON on stderr for each paid call."""
        line = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "tool": tool,
            "model": receipt.model,
            "usd": None if receipt.cost is None else str(receipt.cost),
            "generation_id": receipt.generation_id,
        }
        if self.settings.audit_prompts:
            line["prompt"] = prompt[:PREVIEW]
        audit_log.info(json.dumps(line, ensure_ascii=False))
