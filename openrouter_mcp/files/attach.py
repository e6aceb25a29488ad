"""Files, folders, globs and addresses that a caller names, as content parts of a message.

`Files` is the way in. A `FileSelection` finds the files of one call, weighs them against the limits
by size and first bytes, and reads them once all addresses have been fetched.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from openrouter_mcp import credentials
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import fetch, parts, sandbox, secrets, walk
from openrouter_mcp.files.documents import Converter, Document, document_in, is_convertible
from openrouter_mcp.files.encodings import decode
from openrouter_mcp.files.fetch import Fetcher, Spool
from openrouter_mcp.files.images import Fit
from openrouter_mcp.files.kinds import (
    HEAD,
    PDF,
    Kind,
    KindName,
    SizeLimit,
    byte_limit,
    kind_of,
    other_kind,
)
from openrouter_mcp.files.parts import Part, Purpose
from openrouter_mcp.files.sandbox import Guard, display, is_folder, open_file
from openrouter_mcp.files.walk import Place, Skipped, Walk, short
from openrouter_mcp.settings import Settings, variable

SKIPS = {
    Code.UNSUPPORTED_FORMAT: "binary file",
    Code.UNSAFE_PATH: "protected file",
    Code.NOT_FOUND: "unreadable file",
    Code.TOO_LARGE: "oversized file",
}
KINDS = {"image_url": "image", "video_url": "video"}
"""The kinds of media whose addresses OpenRouter reads by itself."""
PDF_KIND = Kind("pdf", PDF)
SUFFIX = re.compile(r"\.[^.]*\w[^.]*$")
MOST_NAMES = 1000
"""Names in one call; several may mean the same file."""

Source = Path | str
"""The real path of a file, or its address."""


@dataclass(frozen=True)
class Attachments:
    """What the model is given, in the order in which it was named, folders sorted by path."""

    parts: list[Part]
    """OpenRouter's content parts; those of texts begin with the file's name.

    A file has one, or if it is a large image, several.
    """
    notes: list[str]
    """Sentences for the reply: what was skipped, is empty or was guessed."""
    paths: list[Path | str]
    """For each part the real path of its file, or its address."""
    found: frozenset[Path | str] = frozenset()
    """Those of them that were not named, but found in a folder."""

    @property
    def untrusted(self) -> bool:
        """Whether a reply about them may be steered by media or by what others put on the web."""
        return any(part["type"] != "text" for part in self.parts) or any(
            isinstance(path, str) for path in self.paths
        )


def check_names(settings: Settings, count: int) -> None:
    """Refuse so many names that looking for them takes long. Raises `TOO_LARGE`."""
    most = max(settings.max_files, MOST_NAMES)
    if count > most:
        raise OpenRouterError(
            Code.TOO_LARGE,
            f"These are {count:,} names, and files takes at most {most:,} (more with a greater "
            f"{variable('max_files')}). Name a folder or a glob.",
        )


class Files:
    """Reads what callers name, within the limits of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._fetcher = Fetcher(settings)

    async def parts(
        self, names: Sequence[str], *, image_detail: str = "", media_in_folders: bool = False
    ) -> Attachments:
        """The content of files, folders, globs and addresses; each file once.

        `image_detail` is OpenRouter's: with "original" images are not scaled. Folders and globs
        without a suffix bring texts alone unless `media_in_folders`. Raises `UNSAFE_PATH`,
        `UNSAFE_URL`, `NOT_FOUND`, `UNSUPPORTED_FORMAT`, `TOO_LARGE`, `INVALID_INPUT`, `NETWORK`,
        `UPSTREAM_TIMEOUT`.
        """
        return await self._read(
            names, Purpose(image_detail=image_detail, media_in_folders=media_in_folders)
        )

    async def references(
        self,
        names: Sequence[str],
        kinds: tuple[KindName, ...],
        most: int = 0,
        image_detail: str = "",
    ) -> Attachments:
        """Media of these kinds, which new ones are to be made from, at most so many (0 = any).

        Images keep their size; they are turned upright and freed of metadata, unless
        `image_detail` is "original". Raises what `parts` raises.
        """
        purpose = Purpose(image_detail, Fit.DRAWN_FROM, kinds, most, media_in_folders=True)
        return await self._read(names, purpose)

    async def _read(self, names: Sequence[str], purpose: Purpose) -> Attachments:
        if not names:
            return Attachments([], [], [])
        stop = threading.Event()
        selection = FileSelection(self._settings, stop, purpose)
        try:
            await asyncio.to_thread(selection.find, names)
            for address in selection.addresses:
                selection.received[address] = await self._received(address, purpose.image_detail)
            content, sources = await asyncio.to_thread(selection.read)
        finally:
            stop.set()
        return Attachments(content, selection.notes, sources, selection.found)

    async def _received(self, address: str, image_detail: str) -> Part | Spool:
        """The part of an address that OpenRouter reads by itself, else its bytes."""
        if fetch.is_data(address):
            return await asyncio.to_thread(fetch.decoded, address, self._settings)
        private = self._settings.allow_private_urls
        split = fetch.parsed(address, private=private)
        if fetch.is_youtube(split):
            return parts.video_url(address)
        # Nobody but this computer can reach what may be private.
        if fetch.is_image(split) and not private:
            return parts.image_url(address, image_detail)
        return await self._fetcher.fetch(address)


@dataclass(frozen=True)
class File:
    """A file that a call means."""

    label: str
    """What it is called before people and models."""
    source: Source
    open: Callable[[], BinaryIO]
    """Opens it from its beginning. Raises `OpenRouterError`."""
    named: bool = True
    """Whether the caller named this very file: then it is refused rather than skipped."""
    media: bool = True
    """Whether media are wanted too, or text alone."""
    size_limit: SizeLimit = "max_bytes"
    charset: str = ""
    """The encoding of its text, if whoever sent it says so."""
    path: Path = Path()
    """As the caller spelled it, made absolute."""


@dataclass(frozen=True)
class Weight:
    """What a file is by its size and its first bytes, before it is read."""

    kind: Kind | None
    size: int
    state: tuple[int, ...]
    """What changes when the file does."""
    document: Document | None = None
    """What it is to be converted from, if it is no plain text."""


class FileWeights:
    """What is known of the files of one call before they are read, held against the limits."""

    def __init__(self, settings: Settings, stop: threading.Event, purpose: Purpose) -> None:
        self._settings = settings
        self._stop = stop
        self._purpose = purpose
        self._weights: dict[Source, Weight] = {}
        self._text_bytes = 0

    def of(self, file: File) -> Weight:
        """The weight of a file that was weighed."""
        return self._weights[file.source]

    def weigh(self, file: File) -> None:
        """Refuse by size and first bytes alone what nobody takes, or more than the limits. Blocks.

        Raises `UNSUPPORTED_FORMAT`, `TOO_LARGE`, `CANCELLED` and what opening it raises.
        """
        walk.check(self._stop)
        if file.source in self._weights:
            return
        with file.open() as opened:
            status = os.fstat(opened.fileno())
            head = opened.read(HEAD)
            kind = kind_of(head, opened)
            document = None if kind else document_in(head, opened)
        self.check_kind(file.label, kind.name if kind else None)
        if not (kind or document) and (unknown := other_kind(head)):
            raise _unsupported(file.label, unknown)
        if kind and not file.media:
            raise _unsupported(file.label, kind.name)
        # Like a PDF, a document may be large for its pictures.
        self.check_size(file, PDF_KIND if document else kind, status.st_size)
        self._weights[file.source] = Weight(kind, status.st_size, _state(status), document)
        if not (kind or document):
            self._text_bytes += status.st_size

    def check_kind(self, label: str, kind: str | None) -> None:
        """Refuse what the call has no use for. Raises `UNSUPPORTED_FORMAT`."""
        if (kinds := self._purpose.kinds) and kind not in kinds:
            raise OpenRouterError(
                Code.UNSUPPORTED_FORMAT,
                f"{label} is no {' or '.join(kinds)}, which is needed here. Leave it out, or "
                "convert it and call again.",
            )

    def check_size(self, file: File, kind: Kind | None, size: int) -> None:
        """Hold the bytes of a file against the settings. Raises `TOO_LARGE`."""
        name = byte_limit(kind, file.size_limit)
        limit = getattr(self._settings, name)
        if size > limit:
            raise OpenRouterError(
                Code.TOO_LARGE,
                f"{file.label} has {size:,} bytes, and {variable(name)} allows {limit:,}. Leave it "
                f"out with a narrower glob, give a part of it, or raise {variable(name)}.",
            )

    def check_total(self) -> None:
        """Limit the number of all files, and the bytes of the texts, which a model reads in full.

        Raises `TOO_LARGE`.
        """
        count, total = len(self._weights), self._text_bytes
        most, most_bytes = self._settings.max_files, self._settings.max_files_bytes
        if count <= most and total <= most_bytes:
            return
        sizes = {source: weight.size for source, weight in self._weights.items()}
        largest = max(sizes, key=lambda source: sizes[source])
        shown = short(largest) if isinstance(largest, Path) else fetch.shown(largest)
        name = "max_files" if count > most else "max_files_bytes"
        limit = getattr(self._settings, name)
        raise OpenRouterError(
            Code.TOO_LARGE,
            f"That is too much to attach: the first {count:,} files come to "
            f"{sum(sizes.values()):,} bytes (the largest, {shown}, has {sizes[largest]:,}), and "
            f"{variable(name)} allows {limit:,}. Name fewer files, or a narrower glob such as "
            f"src/**/*.py, or raise {variable(name)}.",
        )


class FileSelection:
    """The files that one call names.

    First `find` them, then put into `received` what each of the `addresses` gave, then `read` them.
    """

    def __init__(self, settings: Settings, stop: threading.Event, purpose: Purpose) -> None:
        self._settings = settings
        self._stop = stop
        self._purpose = purpose
        self._guard = Guard(settings)
        self._skipped = Skipped()
        self._order: dict[Source, None] = {}
        self._files: dict[Source, File] = {}
        self._weights = FileWeights(settings, stop, purpose)
        self._converter = Converter(stop, settings.max_file_bytes + 1)
        self._remarks: list[str] = []
        self._data_urls = 0
        self._names = 0
        self._oversized: OpenRouterError | None = None
        self.received: dict[str, Part | Spool] = {}
        """For each address its content part, or its bytes."""

    @property
    def addresses(self) -> list[str]:
        """What is to be `received` before the files are read."""
        return [source for source in self._order if isinstance(source, str)]

    @property
    def found(self) -> frozenset[Source]:
        """What was not named, but found in a folder."""
        return frozenset(source for source, file in self._files.items() if not file.named)

    @property
    def notes(self) -> list[str]:
        """Sentences for the reply: what was skipped, is empty or was guessed."""
        return [note for note in [self._skipped.sentence(), *self._remarks] if note]

    def find(self, names: Sequence[str]) -> None:
        """Find and weigh the local files. Blocks."""
        names = list(dict.fromkeys(names))
        self._count_names(len(names))
        for name in names:
            if fetch.is_address(name):
                self._order.setdefault(fetch.unquoted(name))
            else:
                self._find_alternatives(name)
        most = self._purpose.most
        if most and len(self._order) > most:
            raise OpenRouterError(
                Code.INVALID_INPUT,
                f"These are {len(self._order)} files, and at most {most} can be used here. Name "
                "fewer.",
            )

    def read(self) -> tuple[list[Part], list[Source]]:
        """The parts of all files, and where each is from. Blocks."""
        content: list[Part] = []
        sources: list[Source] = []
        for source in self._order:
            walk.check(self._stop)
            received = self.received.get(str(source))
            if isinstance(received, dict):
                self._weights.check_kind(fetch.shown(str(source)), KINDS[received["type"]])
                content.append(received)
                sources.append(source)
                continue
            file = self._files.get(source) or self._spooled(str(source), received)
            with self._skipping(file, self._skipped):
                made = self._parts(file)
                content += made
                sources += [file.source] * len(made)
        return content, sources

    def _find_alternatives(self, name: str) -> None:
        """Find what a name with braces means: it fails only if none of its alternatives matches."""
        names = walk.spellings(name, self._guard)
        self._count_names(len(names) - 1)
        if len(names) == 1:
            self._find(names[0])
            return
        unmatched = []
        for each in names:
            try:
                self._find(each)
            except OpenRouterError as error:
                if error.code is not Code.NOT_FOUND or not walk.split(sandbox.absolute(each))[1]:
                    raise
                unmatched.append(error)
        if len(unmatched) == len(names):
            raise unmatched[0]

    def _count_names(self, count: int) -> None:
        self._names += count
        check_names(self._settings, self._names)

    def _find(self, name: str) -> None:
        place = walk.locate(name, self._guard)
        if is_folder(place.real):
            self._find_inside(place)
        elif place.folder == place.path:
            self._add([self._local(place.path, place.real, named=True)])
        else:
            raise walk.missing(place.path, self._guard)

    def _find_inside(self, place: Place) -> None:
        folder = Walk(place.folder, place.real, self._guard, self._stop)
        pattern = place.pattern
        files = []
        self._oversized = None
        media = self._purpose.media_in_folders or SUFFIX.search(pattern[-1]) is not None
        for found, real in folder.files(pattern):
            file = self._local(found, real, named=False, media=media)
            with self._skipping(file, folder.skipped):
                self._weights.weigh(file)
                files.append(file)
            self._weights.check_total()
        self._skipped.update(folder.skipped)
        if not files:
            left = folder.skipped.sentence()
            if folder.otherwise_cased:
                left += f" Capitals count: {display(min(folder.otherwise_cased))} is there."
            raise self._oversized or walk.missing(place.path, self._guard, left.strip())
        self._add(sorted(files, key=lambda file: file.path.parts))

    def _add(self, files: Sequence[File]) -> None:
        for file in files:
            with self._skipping(file, self._skipped):
                self._weights.weigh(file)
            self._weights.check_total()
            self._order.setdefault(file.source)
            self._files.setdefault(file.source, file)

    def _local(self, path: Path, real: Path, *, named: bool, media: bool = True) -> File:
        def opened() -> BinaryIO:
            return open_named(path, real, self._guard)

        return File(short(path), real, opened, named, media, path=path)

    def _spooled(self, address: str, spool: Spool | None) -> File:
        """What was received from an address, weighed."""
        assert spool is not None  # noqa: S101 - all addresses are received before
        data = fetch.is_data(address)
        self._data_urls += data
        label = fetch.shown(address)
        if data:
            label = f"data URL {self._data_urls} ({spool.size:,} bytes)"
        size_limit: SizeLimit = "max_data_url_bytes" if data else "max_download_bytes"
        # A thread keeps an address to read it again, but no data.
        source = label if data else address
        file = File(label, source, spool.open, size_limit=size_limit, charset=spool.charset)
        self._weights.weigh(file)
        self._weights.check_total()
        return file

    def _parts(self, file: File) -> list[Part]:
        weight = self._weights.of(file)
        if weight.kind is None:
            return [{"type": "text", "text": f"File: {file.label}\n{self._text(file)}"}]

        def opened() -> BinaryIO:
            again = file.open()
            if _state(os.fstat(again.fileno())) != weight.state:
                again.close()
                raise OSError(errno.ESTALE, "it was written to")
            return again

        made, notes = parts.of_file(
            file.label, weight.kind, weight.size, opened, self._settings, self._purpose
        )
        self._remarks += notes
        return made

    @contextlib.contextmanager
    def _skipping(self, file: File, skipped: Skipped) -> Generator[None]:
        """What the caller named is refused, what was only found is skipped."""
        try:
            with readable(file.label):
                yield
        except OpenRouterError as error:
            if file.named or error.code not in SKIPS:
                raise
            if error.code is Code.TOO_LARGE:
                self._oversized = error
            other = self._purpose.kinds and error.code is Code.UNSUPPORTED_FORMAT
            skipped.add("unsuitable file" if other else SKIPS[error.code], file.path)

    def _text(self, file: File) -> str:
        document = self._weights.of(file).document
        if document and is_convertible(document):
            return self._converted(file, document)
        if document:
            self._remarks.append(
                f"{file.label} is {document.words}, sent as it is: the extra `documents` of "
                "openrouter-mcp would convert it."
            )
        with file.open() as opened:
            # It may have grown since it was weighed.
            data = opened.read(self._settings.max_file_bytes + 1)
        self._weights.check_size(file, None, len(data))
        decoded = decode(data, file.charset)
        if decoded is None:
            raise _unsupported(file.label, other_kind(data, sure=True))
        text = decoded.text
        self._check_secrets(file, text)
        if file.named and not text:
            self._remarks.append(f"{file.label} is empty.")
        if decoded.guess:
            self._remarks.append(f"Read {file.label} as {decoded.guess}, which is a guess.")
        if decoded.damaged:
            places = "1 place" if decoded.damaged == 1 else f"{decoded.damaged:,} places"
            self._remarks.append(
                f"{file.label} is no text of its encoding at {places}, which show as \ufffd."
            )
        return text

    def _converted(self, file: File, document: Document) -> str:
        """The text of a document, without its pictures and how it is laid out."""
        with file.open() as opened:
            text = self._converter.text_of(file.label, document, opened)
        self._weights.check_size(file, None, len(text.encode("utf-8", "replace")))
        # Markdown may have marked the signs that a secret consists of.
        self._check_secrets(file, text.replace("\\", ""))
        self._remarks.append(
            f"{file.label} was converted from {document.words}: its text alone, without pictures, "
            "notes and layout."
        )
        return text

    def _check_secrets(self, file: File, text: str) -> None:
        """Keep back what surely is a secret: our own keys always, others of local files.

        Raises `UNSAFE_PATH`.
        """
        if credentials.held_in(text, self._settings.own_keys):
            raise OpenRouterError(
                Code.UNSAFE_PATH,
                f"{file.label} holds a key of this server, which goes to no model. Take it out of "
                "the file.",
            )
        local = isinstance(file.source, Path) and not self._settings.allow_unsafe_paths
        if local and (kind := secrets.found_in(text)):
            raise OpenRouterError(
                Code.UNSAFE_PATH,
                f"{file.label} holds {kind}. Take it out of the file, or set "
                f"{variable('allow_unsafe_paths')}=1 to send it anyway.",
            )


def open_named(path: Path, real: Path, guard: Guard) -> BinaryIO:
    """Open the file at a real path that was allowed, which the caller spelled as `path`. Blocks.

    Raises `NOT_FOUND`, `UNSUPPORTED_FORMAT`, `UNSAFE_PATH`.
    """
    with readable(short(path)):
        try:
            opened = open_file(real)
        except (FileNotFoundError, NotADirectoryError):
            raise walk.missing(path, guard) from None
    if guard.shares_a_secret(os.fstat(opened.fileno())):
        opened.close()
        raise OpenRouterError(
            Code.UNSAFE_PATH,
            f"{short(path)} is another name of a file that may hold secrets. Set "
            f"{variable('allow_unsafe_paths')}=1 to read it anyway.",
        )
    return opened


@contextlib.contextmanager
def readable(label: str) -> Generator[None]:
    """Tell why the system does not let a file be read."""
    try:
        yield
    except OSError as error:
        special = error.errno in (errno.EINVAL, errno.ENXIO)
        raise OpenRouterError(
            Code.UNSUPPORTED_FORMAT if special else Code.NOT_FOUND,
            f"{label} cannot be read: {error.strerror}. Name a regular file that this user may "
            "read.",
        ) from None


def _state(status: os.stat_result) -> tuple[int, ...]:
    """What changes when a file does."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _unsupported(label: str, kind: str) -> OpenRouterError:
    """The refusal of what no model takes."""
    return OpenRouterError(
        Code.UNSUPPORTED_FORMAT,
        f"{label} looks like {kind}, which models do not take. Give text, an image, audio, a "
        "video or a PDF.",
    )
