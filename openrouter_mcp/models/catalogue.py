"""The live models of OpenRouter: GET /models and each model's endpoints, cached on disk."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.filter import ModelFilter, Searchable, find
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.names import Names, Resolution, plain
from openrouter_mcp.state.document_cache import Document, DocumentCache

ENDPOINTS_MAX_AGE = 300.0
NOT_NAMED = "no model was named"
"""The beginning of `Resolution.how` where the caller left the choice to the server."""


class Client(Protocol):
    """What the catalogue needs of `client.Client`."""

    async def get(self, path: str, *, params: Mapping[str, str] | None = None) -> Any:
        """Return the parsed JSON of a GET."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All models of OpenRouter as they were at one moment, indexed for looking up.

    `fetched_at` is unix seconds; `stale` says that the catalogue is older than the user allows and
    a newer one is on its way. Taking one snapshot keeps a call's answers in agreement.
    """

    models: tuple[Model, ...]
    fetched_at: float
    stale: bool
    by_id: Mapping[str, Model]
    by_canonical_slug: Mapping[str, Model]
    _names: Names
    _searchable: Sequence[Searchable]

    @classmethod
    def of(cls, document: Document) -> "Snapshot":
        """Index the rows of GET /models; rows without an id and repeated ids are left out."""
        by_id: dict[str, Model] = {}
        for row in document.data:
            if model := Model.parse(row):
                by_id.setdefault(model.id, model)
        models = tuple(by_id.values())
        # :free and :batch rows share their canonical slug with the plain row, which comes last.
        variants_first = sorted(models, key=lambda model: not model.variant)
        by_canonical_slug = {model.canonical_slug: model for model in variants_first}
        return cls(
            models=models,
            fetched_at=document.fetched_at,
            stale=document.stale,
            by_id=by_id,
            by_canonical_slug=by_canonical_slug,
            _names=Names(models),
            _searchable=[Searchable.of(model) for model in models],
        )

    def resolve(self, name: str, output: str = "text") -> Resolution:
        """Return what a loose name means; see `Names.resolve`."""
        return self._names.resolve(name, output)

    def routable(self, slug: str) -> Model | None:
        """Return the model that a slug of OpenRouter's data sets can be called by, if any.

        The data sets name permanent slugs, dated and with their variant, not ids.
        """
        base, colon, variant = slug.partition(":")
        plain = self.by_id.get(base) or self.by_canonical_slug.get(base)
        if slug in self.by_id or plain is None:
            return self.by_id.get(slug)
        return self.by_id.get(plain.id + colon + variant)

    def find(self, wanted: ModelFilter) -> list[Model]:
        """Return the models that fit, best first; see `ModelFilter`."""
        return find(self._searchable, wanted)


class Catalogue:
    """The models that OpenRouter offers now, from GET /models or the copy on disk.

    A copy younger than `max_age` seconds costs no request; an older one answers at once while it
    is renewed, and whenever OpenRouter is out of reach.
    """

    def __init__(
        self, client: Client, cache: DocumentCache, max_age: float, default_model: str = ""
    ) -> None:
        self._client = client
        self._cache = cache
        self._max_age = max_age
        self._default_model = default_model
        self._indexing = asyncio.Lock()
        self._indexed: tuple[Any, Snapshot] | None = None

    async def models(self) -> Snapshot:
        """Return every model, of all output kinds (GET /models). Raises `OpenRouterError`."""
        document = await self._cache.get("models", self._fetch_models, self._max_age)
        return await self._snapshot(document)

    async def preload(self) -> None:
        """Read and index what is on disk, so that the first call need not. No request."""
        if document := await self._cache.known("models"):
            await self._snapshot(document)

    async def _snapshot(self, document: Document) -> Snapshot:
        async with self._indexing:
            if self._indexed is None or self._indexed[0] is not document.data:
                self._indexed = document.data, await asyncio.to_thread(Snapshot.of, document)
        return replace(self._indexed[1], stale=document.stale)

    def listed(self, slug: str) -> Model | None:
        """The model that answers to an id or slug in the last snapshot. No request, no waiting."""
        return self._indexed[1].routable(slug) if self._indexed else None

    async def resolve(self, name: str) -> Resolution:
        """The model that `name` means, the default model if it is empty.

        While the catalogue cannot be had, a full id is taken at its word. Raises
        `MODEL_NOT_FOUND`.
        """
        if not name.strip() and self._default_model:
            found = await self.resolve(self._default_model)
            return replace(found, how="; ".join(filter(None, [NOT_NAMED, found.how])))
        try:
            snapshot = await self.models()
        except OpenRouterError:
            if "/" not in name:
                raise
            return Resolution(plain(name.strip()), None, "")
        return snapshot.resolve(name.strip())

    async def endpoints(self, model_id: str) -> list[dict[str, Any]]:
        """Return a model's endpoints, at most 5 minutes old unless OpenRouter is out of reach.

        Aliases mean their target, and routing suffixes such as `:nitro` do not matter.
        GET /models/{author}/{slug}/endpoints. Raises `OpenRouterError`.
        """
        resolution = (await self.models()).resolve(model_id, output="")
        row = resolution.model
        slug = (row.alias_target or row.id) if row else resolution.id
        document = await self._cache.get(
            f"endpoints {slug}",
            partial(self._fetch_endpoints, slug),
            ENDPOINTS_MAX_AGE,
            stale_while_revalidate=0,
        )
        return document.data

    async def _fetch_models(self) -> list[Any]:
        reply = await self._client.get("/models", params={"output_modalities": "all"})
        rows = reply.get("data") if isinstance(reply, dict) else None
        # An empty catalogue is a failure: the last good one is worth more.
        if not isinstance(rows, list) or not any(map(Model.parse, rows)):
            raise unreadable("its models")
        return rows

    async def _fetch_endpoints(self, slug: str) -> list[dict[str, Any]]:
        reply = await self._client.get(f"/models/{quote(slug, safe='/:~')}/endpoints")
        match reply:
            case {"data": {"endpoints": list(rows)}}:
                return [row for row in rows if isinstance(row, dict)]
        raise unreadable(f"the endpoints of {slug}")


def unreadable(what: str) -> OpenRouterError:
    """The failure of a reply that has not the documented shape."""
    return OpenRouterError(
        Code.UPSTREAM_ERROR,
        f"OpenRouter's answer about {what} is not readable. Call again in a minute.",
        retryable=True,
    )
