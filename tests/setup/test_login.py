"""`openrouter-mcp login` against the simulator, which plays the login page too."""

import asyncio
import io
import re
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from openrouter_mcp import settings
from openrouter_mcp.api import keychain
from openrouter_mcp.setup import login
from openrouter_mcp.setup.login import LoginError
from tests.support.keyring import Memory
from tests.support.results import text

ROOT = Path(__file__).parents[2]
KEY = re.compile(r"sk-or-v1-[0-9a-f]{64}")


def kept() -> str:
    """The key in the keyring."""
    return keychain.read(settings.load().base_url)


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], None]], None]:
    """Say what the user's browser does with the address that it is given."""

    def does(work: Callable[[str], object]) -> None:
        def begin(address: str) -> bool:
            threading.Thread(target=work, args=[address], daemon=True).start()
            return True

        monkeypatch.setattr(webbrowser, "open", begin)

    return does


def visit(address: str) -> str:
    with urlopen(address) as page:  # noqa: S310 - follows redirects, as browsers do
        return page.read().decode()


def test_the_key_goes_from_the_browser_to_the_keyring(keyring, simulator, browser, capsys) -> None:
    pages: list[str] = []
    browser(lambda address: pages.append(visit(address)))
    told = login.log_in(settings.load(), browser=True)
    assert "Logged in: the key is in the a test's keyring" in told
    assert simulator.keys[kept()] == "inference"
    assert not KEY.search(told + capsys.readouterr().out)
    (exchange,) = [request for request in simulator.requests if request.path == "/auth/keys"]
    assert "authorization" not in exchange.headers
    assert exchange.body["code_challenge_method"] == "S256"
    assert 43 <= len(exchange.body["code_verifier"]) <= 128


def test_the_page_is_asked_for_as_openrouter_documents_it(keyring) -> None:
    address = urlsplit(login.page("https://openrouter.ai/api/v1", "v" * 43, "http://127.0.0.1:1/x"))
    assert (address.scheme, address.netloc, address.path) == ("https", "openrouter.ai", "/auth")
    query = {name: value for name, (value,) in parse_qs(address.query).items()}
    assert query["callback_url"] == "http://127.0.0.1:1/x"
    assert query["code_challenge_method"] == "S256"
    assert re.fullmatch(r"[\w-]{43}", query["code_challenge"])


def test_only_openrouters_way_back_brings_a_code(keyring, simulator, browser) -> None:
    statuses: list[int] = []

    def attack(address: str) -> None:
        callback = parse_qs(urlsplit(address).query)["callback_url"][0]
        for path in ("/callback?code=stolen", "/?code=stolen"):
            try:
                urlopen(f"http://{urlsplit(callback).netloc}{path}")
            except HTTPError as error:
                statuses.append(error.code)
                error.close()
        visit(address)

    browser(attack)
    login.log_in(settings.load(), browser=True)
    assert statuses == [404, 404]
    assert simulator.keys[kept()] == "inference"


def test_who_does_not_agree_is_told_so(keyring, simulator, browser) -> None:
    def deny(address: str) -> None:
        visit(parse_qs(urlsplit(address).query)["callback_url"][0] + "?error=access_denied")

    browser(deny)
    with pytest.raises(LoginError, match="sent no code"):
        login.log_in(settings.load(), browser=True)
    assert kept() == ""


def test_who_never_agrees_is_not_waited_for_for_ever(keyring, browser, monkeypatch) -> None:
    monkeypatch.setattr(login, "PATIENCE", 0.01)
    browser(lambda address: None)
    with pytest.raises(LoginError, match="Nobody agreed"):
        login.log_in(settings.load(), browser=True)


@pytest.fixture
def type_code(monkeypatch, capsys) -> Callable[[Callable[[str], str]], None]:
    """Say what the user types when the page shows them a code."""

    def types(text: Callable[[str], str]) -> None:
        class Terminal(io.StringIO):
            def readline(self, *_: object) -> str:
                address = re.search(r"http\S+", capsys.readouterr().out)
                assert address
                assert "callback_url" not in address[0]
                code = re.search(r"auth_code_\w+", visit(address[0]))
                assert code
                return text(code[0])

        monkeypatch.setattr(sys, "stdin", Terminal())

    return types


@pytest.mark.parametrize("form", ["{}", "  {}\n", "http://localhost:3000/?code={}&x=1"])
def test_without_a_browser_the_code_is_typed(keyring, simulator, type_code, form: str) -> None:
    type_code(form.format)
    login.log_in(settings.load(), browser=False)
    assert simulator.keys[kept()] == "inference"


@pytest.mark.parametrize(
    "typed", ["http://[::1", "http://a/?code=%00%ff", "?code=1&" * 200, "\x01"]
)
def test_what_is_no_code_is_not_taken(keyring, simulator, type_code, typed: str) -> None:
    type_code(lambda code: typed)
    with pytest.raises(LoginError, match="did not take the code"):
        login.log_in(settings.load(), browser=False)


def test_a_code_is_good_for_ten_minutes(keyring, simulator, type_code) -> None:
    def dawdle(code: str) -> str:
        now = simulator.clock()
        simulator.clock = lambda: now + 601
        return code

    type_code(dawdle)
    with pytest.raises(LoginError, match="good once, for ten minutes"):
        login.log_in(settings.load(), browser=False)


@pytest.mark.parametrize(("typed", "words"), [("", "No code"), ("auth_code_x\n", "not take the")])
def test_a_code_that_is_none_is_refused(keyring, simulator, monkeypatch, typed, words) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    with pytest.raises(LoginError, match=words):
        login.log_in(settings.load(), browser=False)


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'{"key": null}', b'{"key": "sk-\\u0000"}', b"<html>", b""]
)
def test_a_reply_without_key_is_no_login(keyring, simulator, browser, body: bytes) -> None:
    simulator.answer_raw(body, path="/auth/keys")
    browser(visit)
    with pytest.raises(LoginError):
        login.log_in(settings.load(), browser=True)
    assert kept() == ""


def test_a_system_without_keyring_asks_for_the_variable_first(configure, browser) -> None:
    configure()
    browser(lambda address: pytest.fail("the browser was opened"))
    with pytest.raises(LoginError, match="set OPENROUTER_API_KEY in the MCP client"):
        login.log_in(settings.load(), browser=True)


def test_a_keyring_that_takes_no_key_is_told(keyring, simulator, browser, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("locked")

    monkeypatch.setattr(Memory, "set_password", refuse)
    browser(visit)
    with pytest.raises(LoginError, match="did not take the key"):
        login.log_in(settings.load(), browser=True)


def test_a_variable_and_an_earlier_key_are_told(keyring, configure, browser, simulator) -> None:
    configure(OPENROUTER_API_KEY="sk-or-v1-of-a-variable")
    keychain.write(settings.load().base_url, "sk-or-v1-earlier")
    browser(visit)
    told = login.log_in(settings.load(), browser=True)
    assert "OPENROUTER_API_KEY is set here" in told
    assert "still works: delete it at" in told
    assert "earlier" not in kept()


def test_logging_out_forgets_the_key(keyring) -> None:
    keychain.write(settings.load().base_url, "sk-or-v1-x")
    assert "still works until you delete it" in login.log_out(settings.load())
    assert kept() == ""
    assert "no key" in login.log_out(settings.load())


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("darwin", {}, True),
        ("win32", {}, True),
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {"DISPLAY": ":10", "SSH_CONNECTION": "1 2 3 4"}, False),
        ("darwin", {"SSH_TTY": "/dev/ttys1"}, False),
        ("linux", {"BROWSER": "firefox"}, True),
    ],
)
def test_a_browser_is_opened_where_the_user_sees_it(
    monkeypatch, platform: str, environment: dict[str, str], expected: bool
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert login.has_browser(environment) is expected


async def test_after_the_command_a_server_without_variables_chats(
    configure, environment: dict[str, str], tmp_path: Path, simulator
) -> None:
    """The whole way, in processes of their own."""
    shared = {
        **{name: value for name, value in environment.items() if name != "OPENROUTER_API_KEY"},
        "PYTHONPATH": str(ROOT),
        "PYTHON_KEYRING_BACKEND": "tests.support.keyring.JsonFile",
        "TEST_KEYRING": str(tmp_path / "keyring.json"),
        # What opens the address is a program that follows redirects, in place of a browser.
        "BROWSER": f"{sys.executable} -c \"import urllib.request; urllib.request.urlopen('%s')\"",
    }

    def run(command: str) -> str:
        arguments = [sys.executable, "-m", "openrouter_mcp", command]
        done = subprocess.run(
            arguments, env=shared, capture_output=True, text=True, timeout=50, check=True
        )
        return done.stdout

    assert "Logged in" in await asyncio.to_thread(run, "login")
    transport = StdioTransport(
        sys.executable, ["-m", "openrouter_mcp"], env=shared, keep_alive=False
    )
    async with Client(transport) as client:
        assert "gen-" in text(await client.call_tool("chat", {"prompt": "Hello"}))
    assert "out of the keyring" in await asyncio.to_thread(run, "logout")
