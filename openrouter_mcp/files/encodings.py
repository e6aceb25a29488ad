"""Text of any encoding: what it declares itself to be, UTF-8, else the likeliest one. Pure."""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

SAMPLE = 65_536
"""Bytes that show an encoding."""
DECLARED_WITHIN = 1024
"""Bytes at the beginning within which a text may declare its encoding."""
# The longer first: the mark of UTF-32 begins like that of UTF-16.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
ALIASES = {
    **dict.fromkeys(("iso-8859-1", "latin-1", "latin1", "us-ascii"), "cp1252"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis", "ms_kanji"), "cp932"),
    **dict.fromkeys(("gb2312", "gbk", "x-gbk", "chinese"), "gb18030"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "korean"), "cp949"),
    **dict.fromkeys(("windows-874", "tis-620", "iso-8859-11", "dos-874"), "cp874"),
    **dict.fromkeys(("iso-8859-8-i", "iso-8859-8-e", "logical"), "iso8859-8"),
    **{"iso-8859-9": "cp1254", "big5": "big5hkscs", "x-euc-jp": "euc_jp"},
    **{"x-mac-cyrillic": "mac-cyrillic", "x-mac-roman": "mac-roman"},
}
"""What is meant by names that are declared, where Python has it narrower or not at all (WHATWG)."""
NO_CHARSETS = re.compile(r"utf-?(?:16|32)|raw.unicode|unicode|punycode|idna|undefined")
"""What Python can decode that no text is in which has neither a zero nor a byte order mark."""
DECLARATIONS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rb"\s{0,9}<\?xml[^>]{1,99}?encoding\s{0,9}=\s{0,9}[\"']([\w.:-]{2,40})",
        rb"(?s:.{0,999}?)<meta[^>]{1,200}?charset\s{0,9}=\s{0,9}[\"']?([\w.:-]{2,40})",
        rb"@charset \"([\w.:-]{2,40})\"",
        rb"(?:[^\n]{0,200}\n)?[ \t]{0,9}[#/;%\"-][^\n]{0,200}?coding[:=][ \t]{0,9}([\w.-]{2,40})",
    )
)
"""How XML, HTML, CSS and source code (on one of its first two lines) declare an encoding."""
SIGNS = frozenset("\xa0°“”‘’„–—…«»¿¡€£•·")  # noqa: RUF001
"""What stands in texts of all languages beside letters."""
MORE_SIGNS = SIGNS | frozenset("©®§±²³µ×÷½¼¾ªº™†")  # noqa: RUF001
WESTERN = (
    *("àâæçéèêëîïôœùûüÿ", "äöüßé", "áéíñóúü", "àáâãçéêíóôõúü", "àèéìíîòóùú", "àçèéíïòóúü"),
    *("åäöéü", "æøåéèêóòôüäö", "áéíóúýðþæö", "áèéêëïíóöúü"),
)
"""The letters beyond ASCII of French, German, Spanish, Portuguese, Italian, Catalan, ..."""
CENTRAL = ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîşţ", "čćđšž")
LATIN = {
    "cp1252": WESTERN,
    "iso8859-15": WESTERN,
    "cp1250": CENTRAL,
    "iso8859-2": CENTRAL,
    "cp1254": ("çğıöşüâîûi\u0307",),  # noqa: RUF001
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "äöõüšž"),
    "mac-roman": WESTERN,
    "cp850": WESTERN,
}
"""Encodings of languages with Latin letters, the likelier first."""
KATAKANA = re.compile(rb"(?:\x83[\x40-\x96]){3}")
"""Japanese in Shift-JIS that would be Latin letters on old systems."""
IDEOGRAPHIC = ("big5", "gb18030", "cp932", "euc_jp", "cp949")
COMMON = {
    "big5": ((0xA4, 0xC6),),
    "gb18030": ((0xB0, 0xD7),),
    "cp932": ((0x88, 0x97),),
    "euc_jp": ((0xB0, 0xCF),),
    "cp949": ((0xB0, 0xC8),),
}
"""First bytes of the characters that each standard holds for common."""
CONTROL = re.compile(r"[\x01-\x08\x0b\x0e-\x1a\x1c-\x1f]")
"""What no text holds whose encoding had to be guessed."""
SCRIPTS = {
    "cp1251": ("\u0400", "\u04ff"),
    "koi8-r": ("\u0400", "\u04ff"),
    "cp866": ("\u0400", "\u04ff"),
    "cp1253": ("\u0370", "\u03ff"),
    "cp1255": ("\u05d0", "\u05ea"),
    "cp1256": ("\u0600", "\u06ff"),
}
"""Encodings of other alphabets, and the first and last of their letters."""


@dataclass(frozen=True)
class Decoded:
    r"""A text with \n for every kind of line end."""

    text: str
    guess: str = ""
    """Its encoding, if nobody said it and it is not UTF-8."""
    damaged: int = 0
    """At how many places it is not what it otherwise is; there it has the sign U+FFFD."""


def decode(data: bytes, charset: str = "") -> Decoded | None:
    """The text in these bytes; None if they are none.

    `charset` is what the sender says it is.
    """
    if encoding := unicode_of(data):
        text = data.decode(encoding, "replace")
        found = Decoded(text, damaged=0 if encoding == "utf-8-sig" else text.count("\ufffd"))
        # One character may be cut.
        found = None if found.damaged > 1 or text == "\ufffd" else found
    else:
        found = None if b"\0" in data else _without_mark(data, charset)
    if found is None or "\0" in found.text:
        return None
    return replace(found, text=found.text.replace("\r\n", "\n").replace("\r", "\n"))


def unicode_of(data: bytes) -> str:
    """The encoding of Unicode that a text shows by its mark or its zeros; empty if it does not.

    Programs of Windows write UTF-16 without a mark, of which most is ASCII.
    """
    if mark := next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), ""):
        return mark
    odd, even = data[1::2], data[::2]
    for zeros, others, name in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if 0 < len(zeros) <= 2 * zeros.count(0) and not others.count(0):
            return "" if CONTROL.search(data.decode(name, "replace")) else name
    return ""


def _without_mark(data: bytes, charset: str) -> Decoded | None:
    for declared in (charset, _declared(data)):
        if (text := _strict(data, declared)) is not None:
            return Decoded(text)
    try:
        return Decoded(data.decode())
    except UnicodeDecodeError:
        text = data.decode(errors="replace")
    wrong = text.count("\ufffd")
    cut = wrong == 1 and text.endswith("\ufffd")
    if sum(character > "\x7f" for character in text) >= 2 * wrong:
        return Decoded(text, damaged=wrong)
    if cut and not _is_latin(data[-SAMPLE:], "cp1252", WESTERN, SIGNS):
        return Decoded(text, damaged=wrong)
    guess = _guess(data)
    text = data.decode(guess, "replace") if guess else ""
    if not text or CONTROL.search(text) or "\ufffd" in text:
        return None
    return Decoded(text, guess)


def _declared(data: bytes) -> str:
    head = data[:DECLARED_WITHIN]
    found = (pattern.match(head) for pattern in DECLARATIONS)
    return next((match[1].decode() for match in found if match), "")


def _strict(data: bytes, encoding: str) -> str | None:
    """The text, if it is of this encoding; None if it is not, or nobody knows such an encoding."""
    plain = encoding.strip().lower()
    try:
        name = codecs.lookup(ALIASES.get(plain, plain)).name if plain else ""
        return None if not name or NO_CHARSETS.match(name) else data.decode(name)
    except (LookupError, ValueError):
        # The web calls Latin-1 what is of Windows.
        return data.decode("latin-1") if ALIASES.get(plain) == "cp1252" else None


def _guess(data: bytes) -> str:
    """The likely encoding of the lines around the first letters that are not ASCII; or empty."""
    first = re.search(rb"[\x80-\xff]", data)
    start = data.rfind(b"\n", 0, first.start()) + 1 if first else 0
    sample = data[start : start + SAMPLE]
    if start + SAMPLE < len(data):
        sample = sample.rpartition(b"\n")[0] or sample
    return _likely(sample) or _normalized(sample)


def _likely(sample: bytes) -> str:
    """The encoding in which a sample makes sense; empty if that cannot be told."""
    if sum(byte > 0x7F for byte in sample) > 0.3 * len(sample) and b"\n" in sample[2000:]:
        return ""
    for encoding, languages in () if KATAKANA.search(sample) else LATIN.items():
        if _is_latin(sample, encoding, languages, SIGNS):
            return encoding
    if ideographic := [name for name in IDEOGRAPHIC if _is_ideographic(sample, name)]:
        return ideographic[0] if len(ideographic) == 1 else _normalized(sample, ideographic)
    scripts = [name for name in SCRIPTS if _is_of_script(sample, name)]
    if len(scripts) == 1:
        return scripts[0]
    if scripts:
        return _normalized(sample, scripts) or scripts[0]
    union = "".join(WESTERN)
    return "cp1252" if _is_latin(sample, "cp1252", (union,), MORE_SIGNS) else ""


def _is_latin(
    sample: bytes, encoding: str, languages: Iterable[str], signs: frozenset[str]
) -> bool:
    """Whether all of a text could be of one of these languages."""
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    letters = {character for character in text if character > "\x7f"} - signs
    lower = {part for letter in letters for part in letter.lower()}
    # Only western languages have such letters as words of their own.
    whole = encoding == "cp1252" or any(_is_inside(text, letter) for letter in letters)
    return whole and any(lower <= {*language} for language in languages) and _is_cased(text)


def _is_inside(text: str, letter: str) -> bool:
    """Whether a letter stands beside another one at its first place."""
    at = text.index(letter)
    return any(near.isalpha() for near in text[max(0, at - 1) : at] + text[at + 1 : at + 2])


def _is_cased(text: str) -> bool:
    """Whether no capital that is not ASCII follows a small letter."""
    pairs = itertools.pairwise(text)
    return not any(a.islower() and b > "\x7f" and b.isupper() for a, b in pairs)


def _is_ideographic(sample: bytes, encoding: str) -> bool:
    """Whether nearly all characters of two bytes are common ones."""
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    wide = [character for character in text if character > "\x7f"]
    common = sum(_is_common(character, encoding) for character in wide)
    return common >= 0.9 * len(wide)


def _is_common(character: str, encoding: str) -> bool:
    # Kana, signs of full width and such of writing in Chinese, Japanese and Korean.
    if "\u3000" <= character <= "\u30ff" or "\uff01" <= character <= "\uff5e":
        return True
    if character in SIGNS:
        return True
    written = character.encode(encoding)
    return len(written) == 2 and any(low <= written[0] <= high for low, high in COMMON[encoding])


def _is_of_script(sample: bytes, encoding: str) -> bool:
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    first, last = SCRIPTS[encoding]
    foreign = [character for character in text if character > "\x7f"]
    pairs = itertools.pairwise(text)
    mixed = any(a.isalpha() and b.isalpha() and (a > "\x7f") != (b > "\x7f") for a, b in pairs)
    letters = sum(first <= character <= last for character in foreign)
    known = all(first <= character <= last or character in SIGNS for character in foreign)
    return known and letters > 1 and not mixed and _is_cased(text)


def _normalized(sample: bytes, among: Iterable[str] | None = None) -> str:
    """What a statistic of languages takes it for; empty if it does not know."""
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=list(among) if among else None).best()
    # Bytes that are text here hold no NUL: these would be two letters in one.
    return best.encoding if best and not best.encoding.startswith(("utf_16", "utf_32")) else ""
