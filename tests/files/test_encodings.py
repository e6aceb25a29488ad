"""Text of any encoding comes out right, and what is damaged or guessed in it is said."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openrouter_mcp.files.attach import Files
from openrouter_mcp.files.encodings import Decoded, decode
from openrouter_mcp.files.kinds import kind_of, other_kind
from openrouter_mcp.settings import Settings

SHORT = [
    ("Café", "latin-1"),
    ("Lefèvre", "latin-1"),
    ("Müller", "cp1252"),
    ("naïve résumé", "latin-1"),
    ("El niño comió piñas.", "latin-1"),
    ("Ação e coração", "latin-1"),
    ("François,Lefèvre,Paris\nJosé,García,Madrid\n", "latin-1"),
    ("Jörg, você, niño", "cp1252"),
    ("price: 5 € “quoted” — ok", "cp1252"),
    ("10 °C ± 2", "latin-1"),
    ("x² + y²", "latin-1"),
    ("Zażółć gęślą jaźń", "cp1250"),
    ("Příliš žluťoučký kůň", "iso8859-2"),
    ("Türkçe öğrenci ışık", "cp1254"),  # noqa: RUF001
    ("prix : 5 €, un cœur à gauche", "iso8859-15"),
    ("résumé", "mac-roman"),
    ("répété", "cp850"),
    ("テストデータ", "cp932"),
    ("中文", "big5"),
    ("臺灣繁體中文資料", "big5"),
    ("姓名,電話\n王小明,0912\n", "big5"),
    ("你好,世界", "gbk"),
    ("こんにちは世界", "cp932"),
    ("これはテストファイルです。", "euc_jp"),
    ("안녕하세요 세계", "cp949"),
    ("Привет, мир", "cp1251"),
    ("Привет, мир! Это тестовый файл.", "koi8-r"),
    ("Γειά σου Κόσμε", "cp1253"),  # noqa: RUF001
]


@pytest.mark.parametrize(("text", "encoding"), SHORT)
def test_short_texts_come_out_right(text: str, encoding: str) -> None:
    found = decode(text.encode(encoding))
    assert found
    assert found.text == text
    assert found.guess


@pytest.mark.parametrize(
    "data",
    [
        "Grüße aus Köln".encode() + b"\xff!",
        b"Gr\xfc\xc3\x9fe aus K\xc3\xb6ln, sch\xc3\xb6n",
        "Grüße €".encode()[:-1],
        "日本語".encode()[:-1],
        b"all is ASCII, and cut \xe2\x82",
    ],
)
def test_one_bad_byte_or_a_cut_takes_nothing_from_good_utf_8(data: bytes) -> None:
    assert decode(data) == Decoded(data.decode(errors="replace"), damaged=1)


@given(
    st.text(
        alphabet=st.characters(min_codepoint=0x80, max_codepoint=0xFFFF, exclude_categories=["Cs"]),
        min_size=4,
        max_size=99,
    ),
    st.integers(0, 98),
)
@example("Grüße", 3)
def test_utf_8_that_is_cut_anywhere_stays_utf_8(text: str, at: int) -> None:
    data = text.encode().replace(b"\0", b"")
    cut = data[: max(8, len(data) - at % 3)]
    found = decode(cut)
    assert found
    assert found.text.rstrip("\ufffd") == cut.decode(errors="ignore").replace("\r", "\n")


@pytest.mark.parametrize(
    ("declaration", "encoding"),
    [
        ('<?xml version="1.0" encoding="koi8-r"?>\n<a>{}</a>', "koi8-r"),
        ('<html><head>\n<meta charset="windows-1251">{}', "cp1251"),
        ("<html><meta http-equiv=x content='text/html; charset=iso-8859-5'>{}", "iso8859-5"),
        ("#!/usr/bin/python\n# -*- coding: koi8-r -*-\nx = '{}'\n", "koi8-r"),
        ('@charset "windows-1251";\na::after {{ content: "{}" }}', "cp1251"),
    ],
)
def test_a_declared_charset_is_believed_first(declaration: str, encoding: str) -> None:
    text = declaration.format("мир")
    assert decode(text.encode(encoding)) == Decoded(text)


@pytest.mark.parametrize(
    ("name", "encoding", "text"),
    [
        ("Shift_JIS", "cp932", "①東京"),
        ("x-sjis", "cp932", "東京"),
        ("gb2312", "gbk", "朱镕基"),
        ("euc-kr", "cp949", "똠방각하"),
        ("windows-874", "cp874", "สวัสดี"),
        ("iso-8859-8-i", "iso8859-8", "שלום"),
        ("ISO-8859-9", "cp1254", "“ışık”"),  # noqa: RUF001
    ],
)
def test_a_declared_charset_is_what_browsers_take_it_for(name: str, encoding: str, text: str):
    page = f'<meta charset="{name}">{text}'
    assert decode(page.encode(encoding)) == Decoded(page)


@pytest.mark.parametrize("name", ["u16", "U32", "utf_16_le", "unicode_escape", "punycode", "idna"])
def test_what_is_no_charset_of_bytes_is_not_believed(name: str) -> None:
    text = f"# coding: {name}\nprint('\\u00e9-a')\n\n"
    assert decode(text.encode()) == Decoded(text)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_needs_no_mark(encoding: str, tmp_path: Path) -> None:
    text = "name;city\nJörg;Łódź 日本\n"
    assert decode(text.encode(encoding)) == Decoded(text)
    cut = decode(text.encode(encoding)[:-1])
    assert cut == Decoded(text[:-1] + "\ufffd", damaged=1)
    assert kind_of(text.encode(encoding)) is None
    assert other_kind(text.encode(encoding)) == ""


@pytest.mark.parametrize("data", [b"\1\0\2\0" * 9, b"a\0b\0\0\0", b"\0" * 8, b"MZ\x90\0\3\0\0\0"])
def test_numbers_are_no_utf_16(data: bytes) -> None:
    assert decode(data) is None


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xff\xfe\0\0"])
def test_a_mark_alone_is_an_empty_text(mark: bytes) -> None:
    assert decode(mark) == Decoded("")


def test_what_the_sender_says_is_believed_before_all() -> None:
    assert decode("мир".encode("koi8-r"), "KOI8-R") == Decoded("мир")
    assert decode("é€".encode("cp1252"), "ISO-8859-1") == Decoded("é€")
    # What cannot be is not believed.
    for impossible in ("utf-8", "ascii", "no-such-thing", "hex", "utf-16"):
        found = decode("Café".encode("latin-1"), impossible)
        assert found
        assert found.text == "Café"


@given(st.binary(max_size=400), st.sampled_from(["", "utf-8", "big5", "rot13", "zip", "x" * 50]))
def test_any_bytes_have_an_answer(data: bytes, charset: str) -> None:
    found = decode(data, charset)
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff"))
    if b"\0" in data[::2] and b"\0" in data[1::2] and not marked:
        assert found is None
    else:
        assert found is None or "\0" not in found.text


async def test_notes_tell_of_guesses_and_damage(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"Caf\xe9")
    (tmp_path / "b.txt").write_bytes("Grüße aus Köln".encode() + b"\xff!")
    address = "data:text/plain;charset=koi8-r,%CD%C9%D2"
    names = [str(tmp_path / "a.txt"), str(tmp_path / "b.txt"), address]
    attached = await Files(Settings()).parts(names)
    texts = [part["text"].partition("\n")[2] for part in attached.parts]
    assert texts == ["Café", "Grüße aus Köln\ufffd!", "мир"]
    guess, damage = attached.notes
    assert guess.endswith("a.txt as cp1252, which is a guess.")
    assert damage.endswith("b.txt is no text of its encoding at 1 place, which show as \ufffd.")
