"""OpenRouter's documentation and skills: fetched once a day, indexed on disk, searched, read."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from openrouter_mcp.docs import index, site
from openrouter_mcp.docs.index import Passage, Source
from openrouter_mcp.docs.pages import (
    Page,
    all_pages,
    fit,
    listed_pages,
    path_of,
    piece_starts,
    single_page,
    skill_page,
    skills_linked,
)
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.settings import Settings
from openrouter_mcp.state.document_cache import Document, DocumentCache
from openrouter_mcp.text import DAY, storable

if TYPE_CHECKING:
    import httpx2

SHOWN = 5
NEAREST = 3
LONGEST_NAME = 300

MOST_SKILLS = 60

# Where there is none of what was asked for, another document may serve.
UNUSABLE = frozenset({Code.NOT_FOUND, Code.TOO_LARGE, Code.UNSAFE_URL})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Edition:
    """Which state of the website the index shows.

    `checked_at` (unix seconds) is when it was last asked; `stale` says that this is over a day ago.
    Unless `whole`, only titles and descriptions were to be had. `missing` names the skills, or the
    address of their list, that the website failed to send.
    """

    checked_at: float
    stale: bool
    whole: bool
    missing: Sequence[str]


@dataclass(frozen=True, slots=True)
class Found:
    """The passages that answer a query, the best first, each of another page."""

    passages: Sequence[Passage]
    edition: Edition


@dataclass(frozen=True, slots=True)
class Reading:
    """The piece `number` of the `count` pieces of a page."""

    page: Page
    number: int
    count: int
    text: str
    edition: Edition


@dataclass(frozen=True, slots=True)
class Docs:
    """OpenRouter's documentation and skills, searched and read in an index on this machine.

    The index lies under the state directory. It is renewed once a day, by one process of the user
    at a time, and serves as it is while the website is out of reach. No request carries the key.
    Every method raises `OpenRouterError`.
    """

    settings: Settings
    cache: DocumentCache

    async def search(self, query: str) -> Found:
        """At most five pages that answer `query`, which may be any text."""
        if not index.terms(query):
            raise OpenRouterError(
                Code.INVALID_INPUT, "The query holds no word to search for. Name what you look for."
            )
        passages, edition = await self._ask(lambda path: index.search(path, query, SHOWN))
        return Found(passages, edition)

    async def read(self, name: str) -> Reading:
        """One piece of the page that `name` means: a path, an address or a title.

        `#2` at its end asks for the second piece.
        """
        name = storable(name[:LONGEST_NAME]).strip()
        asked = re.fullmatch(r"(.+)#([1-9]\d{0,4})", name, re.DOTALL)
        address, number = (asked[1], int(asked[2])) if asked else (name, 1)
        page, edition = await self._page(address)
        starts = piece_starts(page.text)
        if number > len(starts):
            raise OpenRouterError(
                Code.INVALID_INPUT,
                f'This page ends with page="{page.path}#{len(starts)}". Ask for that or less.',
            )
        ends = [*starts[1:], len(page.text)]
        text = page.text[starts[number - 1] : ends[number - 1]].strip()
        return Reading(page, number, len(starts), text, edition)

    async def _page(self, address: str) -> tuple[Page, Edition]:
        path = self._path_of(address)
        names = (path, f"skills/{path}", address)
        found, edition = await self._ask(lambda file: index.find(file, *names))
        if not found and fit(path) and (moved := await self._fetched(path)):
            return moved, edition
        if len(found) != 1:
            raise await self._unknown(address, path, [page.path for page in found])
        if found[0].whole:
            return found[0], edition
        if fetched := await self._fetched(found[0].path):
            return fetched, edition
        raise OpenRouterError(
            Code.NETWORK,
            f"{found[0].url} is not on this machine and could not be fetched. {site.CALL_AGAIN}",
            retryable=True,
        )

    def _path_of(self, address: str) -> str:
        skills = f"{self.settings.skills_url}/"
        if address.startswith(skills):
            return "skills/" + path_of(address.removeprefix(skills), "")
        return path_of(address, self.settings.docs_url)

    async def _fetched(self, path: str) -> Page | None:
        """The page as it is on the site, by its own or a former path; None if it is not there."""
        base = self.settings.docs_url
        async with site.connected() as client:
            if path.startswith("skills/"):
                skill = await self._skill(client, {}, path.removeprefix("skills/"), [])
                return skill.pages[0] if skill else None
            for address in (f"{base}/{path}.md", f"{base}/{path}"):
                try:
                    document = await site.get(client, address)
                except OpenRouterError:
                    continue
                now = path_of(document.url, base)
                known, _ = await self._ask(lambda file, now=now: index.find(file, now))
                if known and known[0].whole:
                    return known[0]
                if pages := single_page(document.text or "", document.url, base):
                    return pages[0]
        return None

    async def _unknown(self, name: str, path: str, same: Sequence[str]) -> OpenRouterError:
        words = re.sub(r"\W|_", " ", f"{name} {path}")
        found, edition = await self._ask(
            lambda file: [
                *same,
                *index.near(file, path, NEAREST),
                *(self._path_of(passage.url) for passage in index.search(file, words, NEAREST)),
            ]
        )
        nearest = list(dict.fromkeys(found))[:NEAREST]
        what = "Several pages have this title" if same else "No page is called that"
        if path.removeprefix("skills/") in edition.missing:
            what = "This skill could not be fetched"
        advice = "or search with query" if nearest else "Search with query"
        hint = f"Nearest: {', '.join(nearest)}. Read one of these, " if nearest else ""
        return OpenRouterError(Code.NOT_FOUND, f"{what}. {hint}{advice}.", suggestions=nearest)

    async def _ask(self, question: Callable[[Path], T]) -> tuple[T, Edition]:
        """The answer of the index; one that is missing or damaged is made anew."""
        import sqlite3

        document = await self._document()
        try:
            answer = await asyncio.to_thread(question, self._file)
        except sqlite3.Error:
            await asyncio.to_thread(index.check)
            document = await self._document(anew=True)
            try:
                answer = await asyncio.to_thread(question, self._file)
            except sqlite3.Error as error:
                reason = f"{self._file} cannot be read ({error}) and could not be renewed."
                raise _no_index(Code.NETWORK, reason) from None
        return answer, Edition(document.fetched_at, document.stale, **document.data)

    async def _document(self, *, anew: bool = False) -> Document:
        try:
            if anew:
                return await self.cache.get(self._name, self._renew, 0, stale_while_revalidate=0)
            return await self.cache.get(self._name, self._renew, DAY)
        except OpenRouterError as error:
            raise _no_index(error.code, error.message) if error.retryable else error from None

    @property
    def _name(self) -> str:
        """Another website has other documents, and an index of its own."""
        origin = f"{self.settings.docs_url} {self.settings.skills_url}"
        return f"docs-{hashlib.blake2s(origin.encode(), digest_size=4).hexdigest()}"

    @property
    def _file(self) -> Path:
        return self.settings.state_dir / "cache" / f"{self._name}.db"

    async def _renew(self) -> dict[str, Any]:
        """Fetch what has changed and index it; what the website lacked."""
        await asyncio.to_thread(index.check)
        known = await asyncio.to_thread(index.read_sources, self._file)
        missing: list[str] = []
        async with site.connected() as client:
            pages = await self._pages(client, known)
            names = await self._skill_names(client, known, pages, missing)
            skills = await asyncio.gather(
                *(self._skill(client, known, name, missing) for name in names)
            )
        sources = [pages, *(skill for skill in skills if skill)]
        try:
            await asyncio.to_thread(index.write, self._file, sources)
        except OSError as error:
            raise OpenRouterError(
                Code.INVALID_INPUT,
                f"The documentation cannot be kept in {self._file.parent} ({error}). Set "
                "OPENROUTER_STATE_DIR to a directory that can be written and restart this server.",
            ) from None
        return {"whole": all(page.whole for page in pages.pages), "missing": missing}

    async def _pages(self, client: httpx2.AsyncClient, known: dict[str, Source]) -> Source:
        """Every page in one document; where there is none, the list of their titles."""
        base = self.settings.docs_url
        try:
            url = f"{base}/llms-full.txt"
            return await _source(client, url, known, lambda text: all_pages(text, base))
        except OpenRouterError as error:
            if error.code not in UNUSABLE:
                raise
        url = f"{base}/llms.txt"
        return await _source(client, url, known, lambda text: listed_pages(text, base))

    async def _skill_names(
        self,
        client: httpx2.AsyncClient,
        known: dict[str, Source],
        docs: Source,
        missing: list[str],
    ) -> list[str]:
        """The skills that the website's list or documentation links to, and those of the index."""
        url = self.settings.skills_url
        try:
            listed = (await site.get(client, url)).text or ""
        except OpenRouterError as error:
            listed = ""
            if error.code not in UNUSABLE:
                missing.append(url)
        texts = [listed, *(page.text for page in docs.pages)]
        linked = await asyncio.to_thread(skills_linked, "\n".join(texts), url)
        former = [one.removeprefix(f"{url}/") for one in known if one.startswith(f"{url}/")]
        return list(dict.fromkeys([*linked, *former]))[:MOST_SKILLS]

    async def _skill(
        self, client: httpx2.AsyncClient, known: dict[str, Source], name: str, missing: list[str]
    ) -> Source | None:
        """A skill as it is now, or as it was when it could last be had; None without either."""
        url = f"{self.settings.skills_url}/{name}"
        try:
            return await _source(client, url, known, lambda text: skill_page(text, name, url))
        except OpenRouterError as error:
            if error.code in UNUSABLE:
                return None
            if url not in known:
                missing.append(name)
            return known.get(url)


def _no_index(code: Code, reason: str) -> OpenRouterError:
    return OpenRouterError(
        code,
        f"OpenRouter's documentation is not on this machine yet. {reason} Until then there is "
        "https://openrouter.ai/docs.",
        retryable=True,
    )


async def _source(
    client: httpx2.AsyncClient,
    url: str,
    known: dict[str, Source],
    take_apart: Callable[[str], list[Page]],
) -> Source:
    """A document and its pages, which are taken apart anew only if it has changed."""
    former = known.get(url)
    conditions = {"etag": former.etag, "last_modified": former.last_modified} if former else {}
    fetched = await site.get(client, url, **conditions)
    if fetched.text is None and former:
        return former
    pages = await asyncio.to_thread(take_apart, fetched.text or "")
    if not pages:
        raise OpenRouterError(
            Code.NOT_FOUND,
            f"What is at {url} cannot be read as documentation. {site.CHECK_ADDRESS}",
        )
    return Source(url, fetched.etag, fetched.last_modified, pages)
