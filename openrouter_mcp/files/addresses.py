"""Addresses that callers name: which may be fetched, which go to OpenRouter as they are. Pure."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.settings import variable

ADDRESS = re.compile(r"(?:https?://|data:)", re.IGNORECASE)
IMAGE = re.compile(r"\.(?:png|jpe?g|webp|gif)$", re.IGNORECASE)
YOUTUBE = re.compile(r"(?:(?:www|m)\.)?youtube\.com|youtu\.be", re.IGNORECASE)
# Spellings of an IPv4 address beside the usual one: whole numbers, octal, hexadecimal, shortened.
NUMERIC = re.compile(r"(?:.*\.)?(?:\d+|0x[\da-f]*)\.?", re.IGNORECASE)
LOCAL_NAMES = ("localhost", "local", "internal", "localdomain", "home.arpa", "lan", "intranet")
TUNNELS = tuple(
    ipaddress.ip_network(network)
    for network in ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
)
SHOWN = 200

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_address(name: str) -> bool:
    """Whether a name is an http(s) or data address rather than a path."""
    return ADDRESS.match(unquoted(name)) is not None


def is_data(address: str) -> bool:
    """Whether an address holds the file itself."""
    return address[:5].lower() == "data:"


def unquoted(name: str) -> str:
    """The name without spaces and quotes around it."""
    name = name.strip()
    quoted = len(name) > 1 and name[0] == name[-1] and name[0] in "\"'`"
    return name[1:-1].strip() if quoted else name


def shown(address: str) -> str:
    """An address on one line, without query and user, which may hold a secret."""
    plain = re.sub("//[^/]*@", "//", re.split("[?#]", address)[0])
    line = "".join(c if c.isprintable() else "\ufffd" for c in plain)
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}..."


def parsed(address: str, *, private: bool = False) -> SplitResult:
    """The parts of an http(s) address whose host is no private one by its spelling alone.

    Raises `UNSAFE_URL`. `private` allows private hosts.
    """
    try:
        parts = urlsplit(address)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise unsafe(address, "cannot be understood. Check its spelling.") from None
    if parts.scheme not in {"http", "https"} or not host or re.search(r"[\s\\\x00-\x1f]", address):
        raise unsafe(address, "is no http(s) address of a file. Check its spelling.")
    if parts.username is not None or parts.password is not None:
        raise unsafe(address, "holds a user name or password. Give an address without.")
    if private:
        return parts
    if host.rpartition(".")[2].lower() in LOCAL_NAMES or host.lower().endswith(".home.arpa"):
        raise not_public(address, host)
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        if NUMERIC.fullmatch(host) or not host.isascii():
            raise unsafe(
                address, "spells its host in an unusual way. Give its plain name or address."
            ) from None
    else:
        if not is_public(ip):
            raise not_public(address, host)
    return parts


def is_public(ip: Ip) -> bool:
    """Whether an address is one of the open internet, and not one that leads to another."""
    if isinstance(ip, ipaddress.IPv6Address) and (
        ip.ipv4_mapped is not None or any(ip in network for network in TUNNELS)
    ):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def is_image(parts: SplitResult) -> bool:
    """Whether an address names an image, which OpenRouter fetches by itself."""
    return IMAGE.search(parts.path) is not None


def is_youtube(parts: SplitResult) -> bool:
    """Whether it is a page of YouTube, which some providers read as video."""
    return YOUTUBE.fullmatch(parts.hostname or "") is not None


def unsafe(address: str, why: str) -> OpenRouterError:
    """The refusal of an address."""
    return OpenRouterError(Code.UNSAFE_URL, f"{shown(address)} {why}")


def not_public(address: str, host: str) -> OpenRouterError:
    """The refusal of an address that is not on the open internet."""
    return unsafe(
        address,
        f"leads into a private network ({shown(host)}). Set {variable('allow_private_urls')}=1 if "
        "it is yours and meant.",
    )
