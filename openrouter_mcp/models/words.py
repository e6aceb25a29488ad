"""Model names as words and numbers: the same for ids, display names and what people type."""

import re
import unicodedata

ISO_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
# 4-5, 4 5 and 4_5 are the version 4.5; 02-23 is a date.
DASHED_VERSION = re.compile(r"(?<![\d.])([1-9]\d?)[-_ ](0|[1-9]\d?)(?![\d.a-z])")
# k2.6, a95b | 5.4, 4o, 70b, 8x22b | gpt
TOKEN = re.compile(
    r"(?<![a-z])[a-uw-z]\d+(?:\.\d+)*[a-z]?(?![a-z\d])|\d+(?:\.\d+)*(?:[a-z]+\d*)*|[a-z]+"
)
VERSION = re.compile(r"([a-z]?)(\d+(?:\.\d+)*)")
DATE = re.compile(r"0\d+|\d{4,}")
SIZE = re.compile(r"[a-z]?\d+(?:\.\d+)?[bmt]|\d+x\d+b")


def tokens(text: str) -> tuple[str, ...]:
    """Split into lower-case words ("gpt"), versions ("5.4", "k2") and sizes ("70b")."""
    decomposed = unicodedata.normalize("NFKD", text[:4000]).lower()
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    plain = ISO_DATE.sub(r"\1\2\3", plain.replace("'s ", " "))
    found = TOKEN.findall(DASHED_VERSION.sub(r"\1.\2", plain))
    return tuple(word for word in found if word != "v")


def version(token: str) -> float:
    """Return the version that a token states, as a decimal number; -1 when it states none."""
    match = VERSION.fullmatch(token)
    if not match or DATE.fullmatch(token):
        return -1.0
    return float(".".join(match[2].split(".")[:2]))


def answers(asked: str, token: str) -> bool:
    """Whether a model's token is what was asked for: "3" and "k2" also mean 3.2 and k2.6."""
    if asked == token:
        return True
    want, have = VERSION.fullmatch(asked), VERSION.fullmatch(token)
    if not want or not have or DATE.fullmatch(asked) or DATE.fullmatch(token):
        return False
    if want[1] and want[1] != have[1]:
        return False
    wanted, had = want[2].split("."), have[2].split(".")
    while wanted[-1] == "0" and len(wanted) > 1:
        wanted.pop()
    return had[: len(wanted)] == wanted
