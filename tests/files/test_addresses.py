"""Addresses: what is public by its spelling, what is refused however it is written."""

import ipaddress

import pytest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import fetch


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/a.png",
        "http://localhost/a.png",
        "http://LOCALHOST./a.png",
        "http://printer.local/a.png",
        "http://metadata.google.internal/",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[::1]/",
        "http://[::]/",
        "http://[fe80::1]/",
        "http://[fc00::1]/",
        "http://[ff02::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:8.8.8.8]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[2001:0:7f00:1::]/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://0x7f.0.0.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://127.1/",
        "http://\u2460\u2461\u2466.0.0.1/",
        "http://user:secret@example.org/a.png",
        "http://example.org@127.0.0.1/",
        "http://example.org\\@127.0.0.1/",
        "http://example.org:99999/",
        "http://exa mple.org/",
        "http:///a.png",
        "http://[::1/",
        "ftp://example.org/a.png",
    ],
)
def test_an_address_that_is_not_public_is_refused_by_its_spelling(address: str):
    with pytest.raises(OpenRouterError) as caught:
        fetch.parsed(address)
    assert caught.value.code is Code.UNSAFE_URL
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("host", ["8.8.8.8", "example.org", "[2606:4700::1]", "EXAMPLE.org:8080"])
def test_a_public_address_is_taken(host: str):
    assert fetch.parsed(f"https://{host}/a.png").path == "/a.png"


def test_private_hosts_are_allowed_on_request_but_no_passwords():
    assert fetch.parsed("http://192.168.1.1/a.png", private=True).path == "/a.png"
    with pytest.raises(OpenRouterError):
        fetch.parsed("http://me:secret@192.168.1.1/a.png", private=True)


@pytest.mark.parametrize(
    ("ip", "public"),
    [("8.8.8.8", True), ("2606:4700::1", True), ("192.0.2.1", False), ("240.0.0.1", False)],
)
def test_reserved_addresses_are_not_public(ip: str, public: bool):
    assert fetch.is_public(ipaddress.ip_address(ip)) is public


def test_youtube_is_known_by_its_host_alone():
    pages = ["https://youtu.be/x", "https://www.youtube.com/watch?v=x", "https://m.youtube.com/x"]
    assert all(fetch.is_youtube(fetch.parsed(page)) for page in pages)
    others = ["https://youtube.com.evil.org/x", "https://evil.org/youtube.com"]
    assert not any(fetch.is_youtube(fetch.parsed(page)) for page in others)


def test_what_is_shown_of_an_address_has_no_query_and_one_line():
    assert fetch.shown("https://x.org/a?token=secret#b") == "https://x.org/a"
    assert "\n" not in fetch.shown("https://x.org/a\nb")
