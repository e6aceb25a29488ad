"""Documents that people have reach the model as their text, and the reply says so."""

import io
import json
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import documents
from openrouter_mcp.files.attach import Attachments, Files
from openrouter_mcp.settings import Settings

RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
POINT = "http://schemas.openxmlformats.org/presentationml/2006/main"
DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"


def archive(members: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def related(*targets: tuple[str, str]) -> str:
    rows = "".join(
        f'<Relationship Id="rId{n}" Type="{RELATION}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets, 1)
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{rows}</Relationships>'


def office(main: str, kind: str, **members: str) -> bytes:
    types = (
        f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
        f'ContentType="application/xml"/><Override PartName="/{main}" ContentType='
        f'"application/vnd.openxmlformats-officedocument.{kind}.main+xml"/></Types>'
    )
    rels = related(("officeDocument", main))
    return archive({"[Content_Types].xml": types, "_rels/.rels": rels, **members})


def docx(text: str = "Grüße aus Köln.") -> bytes:
    row = "".join(f"<w:tc><w:p><w:r><w:t>{cell}</w:t></w:r></w:p></w:tc>" for cell in ("sum", "42"))
    body = f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p><w:tbl><w:tr>{row}</w:tr></w:tbl>"
    document = f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'
    name = "word/document.xml"
    return office(name, "wordprocessingml.document", **{name: document})


def xlsx() -> bytes:
    cells = '<c t="inlineStr"><is><t>Grüße</t></is></c><c><v>42</v></c>'
    book = (
        f'<workbook xmlns="{SHEET}" xmlns:r="{RELATION}"><sheets><sheet name="Sales" sheetId="1" '
        'r:id="rId1"/></sheets></workbook>'
    )
    rows = f'<worksheet xmlns="{SHEET}"><sheetData><row r="1">{cells}</row></sheetData></worksheet>'
    members = {
        "xl/workbook.xml": book,
        "xl/_rels/workbook.xml.rels": related(("worksheet", "worksheets/sheet1.xml")),
        "xl/worksheets/sheet1.xml": rows,
    }
    return office("xl/workbook.xml", "spreadsheetml.sheet", **members)


def pptx() -> bytes:
    show = (
        f'<p:presentation xmlns:p="{POINT}" xmlns:r="{RELATION}"><p:sldIdLst><p:sldId id="256" '
        'r:id="rId1"/></p:sldIdLst></p:presentation>'
    )
    words = "<a:p><a:r><a:t>Grüße</a:t></a:r></a:p>"
    said = f"<p:sp><p:nvSpPr/><p:spPr/><p:txBody>{words}</p:txBody></p:sp>"
    slide = (
        f'<p:sld xmlns:p="{POINT}" xmlns:a="{DRAWING}"><p:cSld><p:spTree>{said}</p:spTree>'
        "</p:cSld></p:sld>"
    )
    members = {
        "ppt/presentation.xml": show,
        "ppt/_rels/presentation.xml.rels": related(("slide", "slides/slide1.xml")),
        "ppt/slides/slide1.xml": slide,
    }
    return office("ppt/presentation.xml", "presentationml.presentation", **members)


def epub(inside: str = "<h1>Grüße</h1>") -> bytes:
    container = (
        '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
        '<rootfiles><rootfile full-path="c.opf" media-type="application/oebps-package+xml"/>'
        "</rootfiles></container>"
    )
    book = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><manifest><item id="a" '
        'href="a.xhtml" media-type="application/xhtml+xml"/></manifest><spine><itemref idref="a"/>'
        "</spine></package>"
    )
    page = f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{inside}</body></html>'
    return archive(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "c.opf": book,
            "a.xhtml": page,
        }
    )


def notebook() -> bytes:
    plot = {"output_type": "display_data", "metadata": {}, "data": {"image/png": "iVBOR" * 9000}}
    code = {"cell_type": "code", "metadata": {}, "source": "print(42)", "outputs": [plot]}
    note = {"cell_type": "markdown", "metadata": {}, "source": ["Grüße"]}
    cells = [note, {**code, "execution_count": 1}]
    whole = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, ensure_ascii=False).encode()


RTF = rb"{\rtf1\ansi\ansicpg1252 Gr\'fc\'dfe \b 42\b0\par}"
CASES = {
    "a Word document": docx(),
    "an Excel workbook": xlsx(),
    "a PowerPoint presentation": pptx(),
    "an EPUB book": epub(),
    "an RTF document": RTF,
    "a Jupyter notebook": notebook(),
}
SECRETS = ["AKIA" + "QYLPMN5HHHFPZAM2", "ghp_" + "aB3dE6gH9j" * 3 + "kL2mN5"]
CONVERTED = pytest.mark.skipif(not find_spec("kreuzberg"), reason="kreuzberg is not installed")


async def attach(path: Path, **fields) -> Attachments:
    return await Files(Settings(**fields)).parts([str(path)])


async def refused(path: Path, **fields) -> OpenRouterError:
    with pytest.raises(OpenRouterError) as caught:
        await attach(path, **fields)
    return caught.value


@CONVERTED
@pytest.mark.parametrize("words", CASES)
async def test_a_document_is_converted_whatever_it_is_called(words: str, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(CASES[words])
    attached = await attach(path)
    (part,) = attached.parts
    assert part["type"] == "text"
    head, _, text = part["text"].partition("\n")
    assert head.endswith("file.bin")
    assert "Grüße" in text
    assert "iVBOR" not in text
    assert "PK" not in text
    (note,) = attached.notes
    assert f"file.bin was converted from {words}: its text alone" in note


@pytest.mark.parametrize("words", CASES)
async def test_without_the_extra_it_is_named(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kreuzberg", None)
    monkeypatch.setattr(documents, "find_spec", lambda _: None)
    path = tmp_path / "file.bin"
    path.write_bytes(CASES[words])
    if words == "a Jupyter notebook":
        # Nothing is needed for it.
        assert "Grüße" in (await attach(path)).parts[0]["text"]
        return
    if words == "an RTF document":
        # What a model can read all the same is not kept back.
        (note,) = (await attach(path)).notes
        assert "extra `documents`" in note
        return
    error = await refused(path)
    assert error.code is Code.UNSUPPORTED_FORMAT
    assert f"file.bin is {words}" in error.message
    assert "extra `documents`" in error.message


@CONVERTED
async def test_a_damaged_document_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "file.docx"
    data = bytearray(docx("words " * 500))
    for place in range(len(data) // 2, len(data) // 2 + 12):
        data[place] ^= 0xFF
    path.write_bytes(data)
    error = await refused(path)
    assert error.code is Code.UNSUPPORTED_FORMAT
    assert "is a Word document that cannot be read" in error.message


@CONVERTED
async def test_limits_hold_for_what_comes_out(tmp_path: Path) -> None:
    path = tmp_path / "file.docx"
    path.write_bytes(docx("words " * 20_000))
    assert path.stat().st_size < 3_000
    error = await refused(path, max_file_bytes=3_000)
    assert error.code is Code.TOO_LARGE
    assert (await attach(path)).parts


async def test_what_unpacks_without_end_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "LARGEST_UNPACKED", 10_000)
    path = tmp_path / "file.docx"
    path.write_bytes(docx("words " * 20_000))
    assert (await refused(path)).code is Code.TOO_LARGE


def zipped(name: str, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        file.writestr(name, content)
    return buffer.getvalue()


def grown(function: Callable[[], object]) -> int:
    """Bytes that Python took at most while a function ran."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_looking_at_an_archive_unpacks_little(method: int) -> None:
    data = zipped("mimetype", bytes(20_000_000), method)
    assert grown(lambda: documents.document_in(data[:8192], io.BytesIO(data))) < 2_000_000


def test_looking_at_an_archive_reads_no_endless_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LARGEST_LISTING", 30_000)
    data = archive({f"{number}": "" for number in range(2_000)} | {"word/document.xml": ""})
    assert documents.document_in(data[:8192], io.BytesIO(data)) is None


def test_a_damaged_mimetype_is_no_failure() -> None:
    data = bytearray(zipped("mimetype", b"application/epub+zip"))
    data[38:50] = b"\xff" * 12
    assert documents.document_in(bytes(data), io.BytesIO(data)) is None


@CONVERTED
async def test_what_breaks_the_converter_breaks_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "book.epub"
    path.write_bytes(epub("<div>" * 300_000))
    assert (await refused(path)).code is Code.UNSUPPORTED_FORMAT


async def test_what_takes_long_to_convert_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "SECONDS", 0)
    path = tmp_path / "file.ipynb"
    path.write_bytes(notebook())
    error = await refused(path)
    assert error.code is Code.TOO_LARGE
    assert "longer to convert" in error.message


async def test_a_damaged_notebook_is_sent_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "file.ipynb"
    path.write_bytes(notebook().replace(b'"cells"', b'<<<<<<< "cells"'))
    assert "<<<<<<<" in (await attach(path)).parts[0]["text"]


async def test_other_json_with_cells_is_sent_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "game.json"
    path.write_bytes(b'{"cells": [[0, 1], [1, 0]], "formats": {"nbformat": true}}')
    assert "[[0, 1], [1, 0]]" in (await attach(path)).parts[0]["text"]


async def test_old_notebooks_and_those_with_a_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file.ipynb"
    path.write_bytes(b"\xef\xbb\xbf" + notebook())
    assert "iVBOR" not in (await attach(path)).parts[0]["text"]
    code = {"cell_type": "code", "input": ["print(", "42)"], "outputs": [{"text": ["42"]}]}
    sheets = [{"cells": [code, {"cell_type": "markdown", "source": "Grüße"}]}]
    path.write_text(json.dumps({"worksheets": sheets, "nbformat": 3}, ensure_ascii=False))
    assert (await attach(path)).parts[0]["text"].endswith("\n```\nprint(42)\n```\n42\n\nGrüße")


async def test_the_converter_knows_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-secret")
    assert "sk-or-v1-secret" not in documents._environment().values()


async def test_nothing_beside_the_server_is_taken_for_the_converter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "openrouter_mcp", "kreuzberg"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "file.ipynb"
    path.write_bytes(notebook())
    assert "Grüße" in (await attach(path)).parts[0]["text"]


@CONVERTED
@pytest.mark.parametrize(
    "secret", ["AKIA" + "QYLPMN5HHHFPZAM2", "ghp_" + "aB3dE6gH9j" * 3 + "kL2mN5"]
)
async def test_secrets_in_a_document_stay_here(tmp_path: Path, secret: str) -> None:
    path = tmp_path / "file.docx"
    path.write_bytes(docx(f"The key is {secret} for now."))
    assert (await refused(path)).code is Code.UNSAFE_PATH


async def test_other_archives_are_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "file.docx"
    path.write_bytes(archive({"a.txt": "text"}))
    assert "a ZIP archive" in (await refused(path)).message
    path.write_bytes(b"PK\x03\x04 cut off" + bytes(90))
    assert (await refused(path)).code is Code.UNSUPPORTED_FORMAT
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    assert "an Office document of before 2007" in (await refused(path)).message
