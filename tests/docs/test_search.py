"""Documentation: taken apart, indexed, found, read, renewed; what a hostile website cannot do."""

import asyncio
import os
import re
import sqlite3
import stat
import threading
from collections.abc import Awaitable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.app import App
from openrouter_mcp.docs import index, pages
from openrouter_mcp.docs import site as docs_site
from openrouter_mcp.docs.index import Source
from openrouter_mcp.docs.pages import PIECE, SECTION, Page
from openrouter_mcp.docs.search import DAY, Docs, Reading
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.settings import Settings
from openrouter_mcp.simulator.documentation import SKILLS
from openrouter_mcp.simulator.server import SimulatorServer, serve
from openrouter_mcp.simulator.state import Simulator
from openrouter_mcp.state.document_cache import RETRY_AFTER_FAILURE, DocumentCache
from openrouter_mcp.tools.account import search_docs
from tests.support.clock import Clock
from tests.support.processes import PROCESSES
from tests.support.timing import FAST

BASE = "https://openrouter.ai/docs"
KEY = "sk-or-v1-not-for-the-website"
LIBRARY = f"""\
# Caching
Source: {BASE}/guides/caching

Answers that are kept.

## Lifetime

```sh theme={{null}}
# An hour by default
curl -H 'X-Cache-TTL: 3600'
```


# Routing
Source: {BASE}/guides/routing

Who answers.
"""


class Website:
    """A server of what a test puts into `documents`: a text, a redirect, a status, or bytes."""

    def __init__(self):
        self.documents = {"/docs/llms-full.txt": LIBRARY}
        self.requests = []
        self.etags = True
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                site.requests.append((self.path, dict(self.headers)))
                try:
                    site.answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *args: None
        self.origin = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, handler):
        document = self.documents.get(handler.path, 404)
        if document == "endless":
            handler.send_response(200)
            handler.end_headers()
            while True:
                handler.wfile.write(b"# All work and no play\n" * 4000)
        if isinstance(document, int):
            self.reply(handler, document, b"<html>")
        elif document.startswith("-> "):
            self.reply(handler, 308, b"", Location=document[3:])
        elif self.etags:
            tag = f'"{hash(document)}"'
            known = handler.headers.get("If-None-Match") == tag
            status, body = (304, b"") if known else (200, document.encode())
            self.reply(handler, status, body, ETag=tag)
        else:
            date = "Sat, 21 Nov 2026 10:00:00 GMT"
            known = handler.headers.get("If-Modified-Since") == date
            status, body = (304, b"") if known else (200, document.encode())
            self.reply(handler, status, body, **{"Last-Modified": date})

    def reply(self, handler, status, body, **headers):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        if status != 304:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def asked(self, path="/docs/llms-full.txt"):
        return [headers for asked, headers in self.requests if asked == path]


@pytest.fixture
def website() -> Iterator[Website]:
    website = Website()
    thread = threading.Thread(target=website.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield website
    website.server.shutdown()
    website.server.server_close()
    thread.join()


def configured(origin: str, state_dir: Path) -> Settings:
    return Settings(
        api_key=KEY,
        management_key=KEY,
        docs_url=f"{origin}/docs",
        skills_url=f"{origin}/skills",
        state_dir=state_dir,
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def docs(website, clock, tmp_path):
    cache = DocumentCache(tmp_path / "cache", clock=clock)
    yield Docs(configured(website.origin, tmp_path), cache)
    await cache.aclose()


@pytest.fixture(scope="module")
def simulated() -> Iterator[SimulatorServer]:
    with serve(Simulator()) as server:
        yield server


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    """An index of two pages."""
    path = tmp_path_factory.mktemp("index") / "docs.db"
    index.write(path, [Source("u", "", "", pages.all_pages(LIBRARY, BASE))])
    return path


async def settle(docs: Docs) -> None:
    """Wait for the renewal in the background, whatever its outcome."""
    await asyncio.gather(*docs.cache._fetches.values(), return_exceptions=True)
    await asyncio.sleep(0)


async def outcome(call: Awaitable[Any]) -> Any:
    """What a call returns, or the error it raises."""
    [answer] = await asyncio.gather(call, return_exceptions=True)
    assert isinstance(answer, Reading | OpenRouterError)
    return answer


def links(one: str, other: str, website: Website) -> None:
    """The website's list of skills has these."""
    website.documents["/skills"] = f'<a href="/skills/{one}">{one}</a><a href="/skills/{other}">'


def shut(website: Website) -> None:
    """From now on nobody answers."""
    website.documents = dict.fromkeys(website.documents, 503)


# Taking apart


def test_the_one_file_holds_pages_with_title_address_and_text():
    caching, routing = pages.all_pages(LIBRARY, BASE)
    assert (caching.path, caching.title) == ("guides/caching", "Caching")
    assert caching.url == f"{BASE}/guides/caching"
    assert caching.text.startswith("Answers that are kept.")
    assert caching.text.endswith("```")
    assert "theme" not in caching.text
    assert (routing.title, routing.text) == ("Routing", "Who answers.")


NOTE = "> ## Documentation Index\n> The index is at https://openrouter.ai/docs/llms.txt\n"
FRONT = f"""\
---
title: 'Caching'
slug: guides/caching
canonical-url: '{BASE}/guides/caching'
'og:description': >-
  Answers that
  are kept.
---

Kept.

---

# An hour


---
title: Rate_limits
slug: rate_limits
---
{NOTE}
> How many.
"""
MARKED = f"""\
***

title: Caching
headline: >-
Caching | Keep answers
canonical-url: '[{BASE}/guides/caching]({BASE}/guides/caching)'
'og:site\\_name': OpenRouter Documentation
---------------

Kept.

---

# An hour


{NOTE}
***

title: Rate\\_limits
slug: rate\\_limits
---------------

> How many.
"""


@pytest.mark.parametrize(
    "text",
    [
        FRONT,
        MARKED,
        f"{NOTE}\n# Caching\nSource: {BASE}/guides/caching\n\nKept.\n\n---\n\n# An hour\n\n"
        f"{NOTE}\n# Rate_limits\nSource: {BASE}/rate_limits\n\n> How many.\n",
    ],
)
def test_every_layout_that_the_website_has_had_is_read(text):
    assert [(page.path, page.title, page.text) for page in pages.all_pages(text, BASE)] == [
        ("guides/caching", "Caching", "Kept.\n\n---\n\n# An hour"),
        ("rate_limits", "Rate_limits", "> How many."),
    ]


@pytest.mark.parametrize("text", [FRONT, MARKED, f"{NOTE}\n{MARKED}"])
def test_a_single_page_may_have_any_layout(text):
    [page] = pages.single_page(text, f"{BASE}/guides/caching.md", BASE)
    assert (page.path, page.title) == ("guides/caching", "Caching")
    assert page.text.startswith("Kept.")


@pytest.mark.parametrize(
    "text", ["# Caching\n\nKept.", "---\nname: x\n---\nText", "***\n\nText", "Title: x\n\nText"]
)
def test_another_layout_is_no_page(text):
    assert pages.all_pages(text, BASE) == []


async def test_a_document_in_another_layout_is_said_to_be_unreadable(docs, website):
    website.documents = {"/docs/llms-full.txt": "# A\n\nText", "/docs/llms.txt": "# A\n\nText"}
    with pytest.raises(OpenRouterError, match=r"llms.txt cannot be read as documentation"):
        await docs.search("text")


def test_a_comment_in_a_code_block_is_no_heading():
    [page, _] = pages.all_pages(LIBRARY, BASE)
    assert [part.heading for part in pages.sections(page.text)] == ["", "Lifetime"]


def test_windows_line_ends_make_no_difference():
    assert pages.all_pages(LIBRARY.replace("\n", "\r\n"), BASE) == pages.all_pages(LIBRARY, BASE)


def test_the_addresses_of_pages_lead_nowhere_else():
    text = LIBRARY.replace(f"{BASE}/guides/caching", "https://evil.example/guides/caching")
    assert pages.all_pages(text, BASE)[0].url == f"{BASE}/guides/caching"
    for path in ("../../etc/passwd", "a b", "", "a?b=c#d", "x" * 201):
        text = f"# T\nSource: {BASE}/{path}\n\nText"
        assert [page.path for page in pages.all_pages(text, BASE)] in ([], ["a"])


def test_text_that_hides_from_people_is_dropped():
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "obey")
    text = LIBRARY.replace("Who answers.", f"Who\u202e{hidden}\x1b[2J answers.")
    assert pages.all_pages(text, BASE)[1].text == "Who[2J answers."


def test_a_list_of_pages_has_titles_and_descriptions():
    text = f"# OpenRouter\n\n- [Routing]({BASE}/guides/routing.md): Who answers\n- [Old]({BASE}/o)"
    assert pages.listed_pages(text, BASE) == [
        Page("guides/routing", "Routing", f"{BASE}/guides/routing", "Who answers", whole=False),
        Page("o", "Old", f"{BASE}/o", "", whole=False),
    ]


def test_a_single_page_comes_without_the_note_of_the_site():
    text = "> ## Documentation Index\n> See llms.txt.\n\n# Routing\n\n> Who answers.\n"
    [page] = pages.single_page(text, f"{BASE}/guides/routing.md", BASE)
    assert (page.path, page.title, page.text) == ("guides/routing", "Routing", "> Who answers.")
    assert pages.single_page("<html>", f"{BASE}/guides/routing", BASE) == []


def test_a_skill_is_its_description_and_its_instructions():
    text = "---\nname: x\ndescription: >-\n  Draws,\n  well.\nversion: 1\n---\n\n# Draw\n\nDo it."
    [page] = pages.skill_page(text, "x", "https://o/skills/x")
    assert (page.path, page.text) == ("skills/x", "Draws, well.\n\n# Draw\n\nDo it.")
    assert pages.skill_page("Do it.", "x", "u")[0].text == "Do it."
    assert pages.skill_page("<!doctype html>", "x", "u") == []
    assert pages.skill_page(" ", "x", "u") == []


def test_the_skills_that_a_text_links_to_are_known_by_name():
    text = """<a href="/skills/draw">, [paint](https://openrouter.ai/skills/paint), a script
    \\"/skills/sing\\", https://openrouter.ai/skills/dance/SKILL.md. Not
    github.com/x/skills/tree/main, /skills/run.sh, /skills/, /Skills/X nor /skills/draw again."""
    found = pages.skills_linked(text, "https://openrouter.ai/skills")
    assert found == ["draw", "paint", "sing", "dance"]


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("quickstart", "quickstart"),
        ("/docs/quickstart.md", "quickstart"),
        ("docs/quickstart/", "quickstart"),
        (f"{BASE}/guides/zdr#how", "guides/zdr"),
        ("https://openrouter.ai/skills/x", "skills/x"),
        ("http://[", ""),
    ],
)
def test_a_page_may_be_named_in_many_ways(address: str, path: str):
    assert pages.path_of(address, BASE) == path


@given(st.text(st.sampled_from("ab#`~ \n"), max_size=200).map(lambda text: text * 90))
def test_no_text_is_lost_in_sections_and_pieces(text: str):
    parts = list(pages.sections(text))
    assert all(len(part.text) <= SECTION for part in parts)
    assert all(text[part.start :].lstrip().startswith(part.text) for part in parts)
    starts = pages.piece_starts(text)
    lengths = [end - start for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    assert starts[0] == 0
    assert all(0 <= length <= PIECE for length in lengths)


def test_a_long_page_is_cut_before_a_heading():
    text = "".join(f"## Heading {number}\n\n{'word ' * 600}\n\n" for number in range(10))
    starts = pages.piece_starts(text)
    assert len(starts) == 4
    assert all(text[start:].lstrip().startswith("## Heading") for start in starts)


@pytest.mark.parametrize(
    "text",
    [
        *("# " + " " * 300_000, "# " + "#" * 300_000 + "x", ">" * 300_000),
        *("---\n" * 90_000, "***\ntitle: x\n" * 60_000, "---\ntitle: " + "[" * 300_000 + "\n---\n"),
        *("---\n" + "\\" * 300_000, "---\nslug: " + "[](" * 90_000, NOTE * 9_000),
        *("- [" + "a" * 300_000, "```\n" * 60_000, "x" * 900_000, "<b>" * 150_000),
        *("---\ndescription:" + " \n" * 90_000, ">\n" * 90_000, "# a\nSource: http://" * 30_000),
    ],
    ids=lambda text: repr(text[:12]),
)
async def test_a_hostile_text_takes_no_time(text: str, tmp_path: Path):
    async with asyncio.timeout(10):
        await asyncio.to_thread(pages.all_pages, text, BASE)
        await asyncio.to_thread(pages.listed_pages, text, BASE)
        await asyncio.to_thread(pages.single_page, text, BASE, BASE)
        await asyncio.to_thread(pages.skill_page, text, "x", BASE)
        await asyncio.to_thread(pages.skills_linked, text, BASE)
        source = Source("u", "", "", [Page("p", "T", "u", text)])
        await asyncio.to_thread(index.write, tmp_path / "docs.db", [source])
        found = await asyncio.to_thread(index.search, tmp_path / "docs.db", "T source", 5)
    assert all(len(passage.text) <= index.PASSAGE for passage in found)


# Searching and reading


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ("how do I choose the order of providers?", "guides/routing/provider-selection"),
        ("what happens when my balance is negative", "api_reference/limits"),
        ("how many requests may I send to free models", "api_reference/limits"),
        ("fall back to another model when one is down", "guides/routing/model-fallbacks"),
        ("json_schema response_format", "guides/features/structured-outputs"),
        ("does cancelling a stream stop the billing?", "api_reference/streaming"),
        ("error 402", "api_reference/errors-and-debugging"),
        ("cached_tokens", "guides/best-practices/prompt-caching"),
        ("answer identical requests from cache for free", "guides/features/response-caching"),
        ("web search pricing", "guides/features/plugins/web-search"),
        ("use my own provider key", "guides/overview/auth/byok"),
        ("speech voices", "skills/openrouter-tts"),
    ],
)
async def test_the_right_page_comes_first(simulated, tmp_path_factory, question, path):
    state = tmp_path_factory.getbasetemp() / "simulated"
    docs = Docs(configured(simulated.origin, state), DocumentCache(state / "cache"))
    found = await docs.search(question)
    assert found.passages[0].url == f"{simulated.origin}/{re.sub('^(?!skills)', 'docs/', path)}"
    assert 1 <= len(found.passages) <= 5
    assert all(0 < len(passage.text) <= index.PASSAGE for passage in found.passages)


def test_words_are_found_in_every_form_and_all_before_some(library):
    assert index.search(library, "routes", 5)[0].title == "Routing"
    [both] = index.search(library, "routing answers", 5)
    assert both.title == "Routing"
    either = index.search(library, "lifetime unheard routing", 5)
    assert {passage.title for passage in either} == {"Caching", "Routing"}
    assert index.search(library, "unheard", 5) == []


@given(
    st.text(max_size=80) | st.text(st.sampled_from('ab"*:^()-+{}_ \x00\ud800é中AND NEAR OR NOT'))
)
def test_no_query_fails(library, query: str):
    assert len(index.search(library, query, 5)) <= 5
    index.find(library, query.encode("utf-8", "replace").decode())


@given(st.text(max_size=40) | st.text(st.sampled_from("abc/.#12:[]%? ")))
def test_no_name_of_a_page_fails_otherwise_than_by_saying_so(simulated, tmp_path_factory, name):
    state = tmp_path_factory.getbasetemp() / "simulated"
    docs = Docs(configured(simulated.origin, state), DocumentCache(state / "cache"))
    answer = asyncio.run(outcome(docs.read(name)))
    if isinstance(answer, OpenRouterError):
        assert answer.code in {Code.NOT_FOUND, Code.INVALID_INPUT}


def test_a_passage_shows_the_words_that_were_asked_for(tmp_path):
    text = "filler words here. " * 50 + "The needle is kept in the haystack. " + "more words. " * 30
    page = Page("p", "Title", "u", text)
    index.write(tmp_path / "docs.db", [Source("u", "", "", [page])])
    [passage] = index.search(tmp_path / "docs.db", "needle haystack", 5)
    assert "needle is kept in the haystack" in passage.text
    assert len(passage.text) <= index.PASSAGE


@pytest.mark.parametrize(
    "name", ["guides/routing", "/docs/guides/routing.md", "GUIDES/Routing", " routing ", "Routing"]
)
async def test_a_page_is_read_by_path_address_or_title(docs, website, name):
    reading = await docs.read(name)
    assert (reading.page.title, reading.text) == ("Routing", "Who answers.")
    assert (await docs.read(f"{website.origin}/docs/guides/routing#who")).page == reading.page


async def test_a_skill_is_a_page(docs, website):
    links("openrouter-tts", "openrouter-stt", website)
    website.documents["/skills/openrouter-tts"] = "---\ndescription: Speaks.\n---\nChoose a voice."
    website.documents["/skills/openrouter-stt"] = 500
    for name in (
        "skills/openrouter-tts",
        "openrouter-tts",
        f"{website.origin}/skills/openrouter-tts",
    ):
        reading = await docs.read(name)
        assert reading.page.url == f"{website.origin}/skills/openrouter-tts"
        assert reading.text == "Speaks.\n\nChoose a voice."
    assert reading.edition.missing == ["openrouter-stt"]
    with pytest.raises(OpenRouterError, match="This skill could not be fetched"):
        await docs.read("openrouter-stt")


async def test_skills_are_found_where_the_documentation_links_to_them(docs, website):
    website.documents["/docs/llms-full.txt"] += "\nRead https://openrouter.ai/skills/draw/SKILL.md."
    website.documents["/skills/draw"] = "Take a pencil."
    found = await docs.search("pencil")
    assert found.passages[0].title == "draw (skill)"
    assert found.edition.missing == []


async def test_a_skill_that_nothing_lists_is_read_from_the_website(docs, website):
    website.documents["/skills/hidden"] = "Seek."
    assert (await docs.read("skills/hidden")).text == "Seek."
    with pytest.raises(OpenRouterError, match="No page is called that"):
        await docs.read("skills/nowhere")


async def test_without_their_list_the_skills_of_the_index_are_renewed(docs, website, clock):
    links("draw", "paint", website)
    website.documents["/skills/draw"] = "Take a pencil."
    await docs.search("pencil")
    website.documents |= {"/skills": 503, "/skills/draw": "Take a brush."}
    clock.now += DAY
    await docs.search("pencil")
    await settle(docs)
    found = await docs.search("brush")
    assert found.passages[0].text == "Take a brush."
    assert found.edition.missing == [f"{website.origin}/skills"]


async def test_a_long_page_is_read_piece_by_piece(docs, website):
    words = [f"word{number}" for number in range(5000)]
    website.documents["/docs/llms-full.txt"] = f"# Long\nSource: {BASE}/long\n\n{' '.join(words)}"
    first = await docs.read("long")
    pieces = [(await docs.read(f"long#{number + 1}")).text for number in range(first.count)]
    assert first.text == pieces[0]
    assert all(len(piece) <= PIECE for piece in pieces)
    assert "".join(pieces).replace(" ", "") == "".join(words)
    [passage] = (await docs.search("word4999")).passages
    assert passage.piece == first.count
    with pytest.raises(OpenRouterError, match=f'page="long#{first.count}"'):
        await docs.read(f"long#{first.count + 1}")


async def test_a_former_path_leads_to_the_page(docs, website):
    website.documents["/docs/features/routing"] = "-> /docs/guides/routing"
    website.documents["/docs/guides/routing"] = "<html>"
    assert (await docs.read("features/routing")).page.path == "guides/routing"


async def test_a_page_that_is_newer_than_the_index_is_read_from_the_website(docs, website):
    website.documents["/docs/guides/new.md"] = "# New\n\nJust written."
    assert (await docs.read("guides/new")).text == "Just written."


async def test_an_unknown_page_names_the_nearest(docs):
    with pytest.raises(OpenRouterError, match="Nearest: guides/routing") as caught:
        await docs.read("guides/rooting")
    assert caught.value.code is Code.NOT_FOUND
    assert "guides/routing" in caught.value.suggestions


async def test_a_title_that_several_pages_have_is_not_guessed(docs, website):
    website.documents["/docs/llms-full.txt"] += f"\n\n# Routing\nSource: {BASE}/agent/routing\n\nX"
    with pytest.raises(OpenRouterError, match="Several pages have this title") as caught:
        await docs.read("Routing")
    assert caught.value.suggestions[:2] == ["guides/routing", "agent/routing"]


# Renewing


async def test_a_day_costs_one_request_for_each_document(docs, website, clock):
    for _ in range(5):
        await docs.search("routing")
        clock.now += DAY / 6
    assert len(website.asked()) == 1
    assert len(website.requests) == len({path for path, _ in website.requests})


@pytest.mark.parametrize("etags", [True, False])
async def test_what_has_not_changed_is_not_sent_again(docs, website, clock, etags):
    website.etags = etags
    await docs.search("routing")
    clock.now += DAY
    assert (await docs.search("routing")).edition.stale
    await settle(docs)
    found = await docs.search("routing")
    assert not found.edition.stale
    assert found.edition.checked_at == clock.now
    assert found.passages[0].title == "Routing"
    first, second = website.asked()
    asked_with = "If-None-Match" if etags else "If-Modified-Since"
    assert asked_with not in first
    assert asked_with in second


async def test_what_has_changed_is_indexed_anew_and_skills_come_and_go(docs, website, clock):
    links("openrouter-tts", "", website)
    website.documents["/skills/openrouter-tts"] = "Choose a voice."
    await docs.search("voice")
    website.documents["/docs/llms-full.txt"] = LIBRARY.replace("Who answers.", "Whom to ask.")
    website.documents["/skills/openrouter-tts"] = 404
    clock.now += DAY
    await docs.search("voice")
    await settle(docs)
    assert (await docs.search("whom to ask")).passages[0].text == "Whom to ask."
    assert (await docs.search("voice")).passages == []


async def test_a_skill_that_fails_once_stays_as_it_was(docs, website, clock):
    links("openrouter-tts", "", website)
    website.documents["/skills/openrouter-tts"] = "Choose a voice."
    await docs.search("voice")
    website.documents["/skills/openrouter-tts"] = 500
    clock.now += DAY
    await docs.search("voice")
    await settle(docs)
    assert (await docs.search("voice")).passages[0].text == "Choose a voice."


async def test_offline_the_last_index_answers_with_its_date(docs, website, clock):
    await docs.search("routing")
    shut(website)
    written = clock.now
    for _ in range(3):
        clock.now += DAY
        found = await docs.search("routing")
        await settle(docs)
        assert found.passages[0].title == "Routing"
        assert found.edition.stale
        assert found.edition.checked_at == written


async def test_never_indexed_says_so_and_what_to_do(tmp_path):
    docs = Docs(configured("http://127.0.0.1:9", tmp_path), DocumentCache(tmp_path / "cache"))
    for call in (docs.search("routing"), docs.read("quickstart")):
        with pytest.raises(
            OpenRouterError, match=r"not on this machine yet.*Check the net"
        ) as caught:
            await call
        assert caught.value.code is Code.NETWORK
        assert caught.value.retryable


async def test_a_failing_website_is_said_to_fail(docs, website):
    website.documents = {"/docs/llms-full.txt": 503}
    with pytest.raises(OpenRouterError, match="status 503"):
        await docs.search("routing")


async def test_without_the_one_file_titles_are_searched_and_pages_fetched(docs, website):
    website.documents = {
        "/docs/llms.txt": f"- [Routing]({BASE}/guides/routing.md): Choose a provider",
        "/docs/guides/routing.md": "# Routing\n\nWho answers.",
    }
    found = await docs.search("provider")
    assert found.passages[0].text == "Choose a provider"
    assert not found.edition.whole
    assert (await docs.read("routing")).text == "Who answers."
    website.documents.pop("/docs/guides/routing.md")
    with pytest.raises(OpenRouterError, match="could not be fetched"):
        await docs.read("routing")


@pytest.mark.parametrize("portal", ["<html>Log in to the wifi</html>", "", "-> /login"])
async def test_what_is_no_documentation_never_replaces_the_index(docs, website, clock, portal):
    await docs.search("routing")
    website.documents = dict.fromkeys(("/docs/llms-full.txt", "/docs/llms.txt"), portal)
    website.documents["/login"] = "<html>"
    clock.now += DAY
    await docs.search("routing")
    await settle(docs)
    found = await docs.search("routing")
    assert found.passages[0].title == "Routing"
    assert found.edition.stale


@pytest.mark.parametrize("damage", ["deleted", "cut", "rubbish", "other format"])
async def test_a_damaged_index_is_made_anew(docs, website, damage):
    await docs.search("routing")
    if damage == "deleted":
        docs._file.unlink()
    elif damage == "cut":
        docs._file.write_bytes(docs._file.read_bytes()[:5000])
    elif damage == "rubbish":
        docs._file.write_bytes(b"rubbish" * 1000)
    else:
        with sqlite3.connect(docs._file) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
    assert (await docs.search("routing")).passages[0].title == "Routing"
    assert len(website.asked()) == 2


async def test_a_damaged_index_that_cannot_be_made_anew_is_said(docs, website):
    await docs.search("routing")
    docs._file.write_bytes(b"rubbish" * 1000)
    shut(website)
    with pytest.raises(OpenRouterError, match="could not be renewed") as caught:
        await docs.search("routing")
    assert caught.value.code is Code.NETWORK


async def test_another_website_has_an_index_of_its_own(docs, website, tmp_path):
    await docs.search("routing")
    other = Docs(configured("http://127.0.0.1:9", tmp_path), docs.cache)
    with pytest.raises(OpenRouterError, match="not on this machine yet"):
        await other.search("routing")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
async def test_only_the_user_can_read_the_index(docs):
    await docs.search("routing")
    assert stat.S_IMODE(docs._file.stat().st_mode) == 0o600
    assert not list(docs._file.parent.glob("*.tmp"))


async def test_a_directory_that_cannot_be_written_names_the_variable(website, tmp_path):
    (tmp_path / "file").touch()
    state = tmp_path / "file"
    docs = Docs(configured(website.origin, state), DocumentCache(state / "cache"))
    with pytest.raises(OpenRouterError, match="OPENROUTER_STATE_DIR") as caught:
        await docs.search("routing")
    assert caught.value.code is Code.INVALID_INPUT


async def test_an_sqlite_without_full_text_search_is_named(docs, website, monkeypatch):
    class Poor(sqlite3.Connection):
        def execute(self, statement, *values):
            if "fts5" in statement:
                raise sqlite3.OperationalError("no such module: fts5")
            return super().execute(statement, *values)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **k, factory=Poor))
    with pytest.raises(OpenRouterError, match="FTS5"):
        await docs.search("routing")
    assert website.requests == []


def look_up(origin, directory, started, results):
    """A process of its own that searches as soon as all are there."""

    async def search():
        docs = Docs(configured(origin, directory), DocumentCache(directory / "cache"))
        return (await docs.search("order of providers")).passages[0].title

    started.wait(timeout=60)
    results.put(asyncio.run(search()))


def test_two_processes_make_one_download(simulated, tmp_path):
    simulated.simulator.reset()
    started, results = PROCESSES.Barrier(2), PROCESSES.Queue()
    arguments = (simulated.origin, tmp_path, started, results)
    processes = [PROCESSES.Process(target=look_up, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    assert [results.get(timeout=60) for _ in processes] == ["Provider Routing"] * 2
    for process in processes:
        process.join()
    paths = [request.path for request in simulated.simulator.requests]
    assert paths.count("/docs/llms-full.txt") == 1
    assert len(paths) == len(set(paths)) == 2 + len(SKILLS)


# Visiting


async def test_no_request_carries_the_key(docs, website, clock):
    website.documents["/docs/features/routing"] = "-> /docs/guides/routing"
    website.documents["/docs/guides/routing"] = "<html>"
    await docs.read("features/routing")
    clock.now += DAY
    await docs.search("routing")
    await settle(docs)
    assert len(website.requests) >= 5
    for path, headers in website.requests:
        assert KEY not in f"{path} {headers}"
        assert "authorization" not in {name.lower() for name in headers}
        assert headers["User-Agent"].startswith("openrouter-mcp/")


async def test_an_endless_document_is_cut_off_and_is_no_document(docs, website, monkeypatch):
    monkeypatch.setattr(docs_site, "MAX_BYTES", 500_000)
    website.documents["/docs/llms-full.txt"] = "endless"
    with pytest.raises(OpenRouterError) as caught:
        await docs.search("routing")
    assert caught.value.code is Code.NOT_FOUND
    async with docs_site.connected() as client:
        with pytest.raises(OpenRouterError, match="500,000 bytes") as caught:
            await docs_site.get(client, f"{website.origin}/docs/llms-full.txt")
    assert caught.value.code is Code.TOO_LARGE


async def test_a_document_that_never_ends_in_time_is_given_up(docs, website, monkeypatch):
    monkeypatch.setattr(docs_site, "TIME_LIMIT", 0.05)
    website.documents["/docs/llms-full.txt"] = "endless"
    monkeypatch.setattr(docs_site, "MAX_BYTES", 10**12)
    with pytest.raises(OpenRouterError, match="took too long") as caught:
        await docs.search("routing")
    assert caught.value.code is Code.UPSTREAM_TIMEOUT


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://127.0.0.1:9/docs/llms-full.txt", Code.UNSAFE_URL),
        ("https://evil.example/", Code.UNSAFE_URL),
        ("file:///etc/passwd", Code.UNSAFE_URL),
        ("/docs/llms-full.txt", Code.UPSTREAM_ERROR),
        ("http://[", Code.UNSAFE_URL),
    ],
)
async def test_redirects_stay_on_the_website(website, location, code):
    website.documents["/docs/llms-full.txt"] = f"-> {location}"
    async with docs_site.connected() as client:
        with pytest.raises(OpenRouterError) as caught:
            await docs_site.get(client, f"{website.origin}/docs/llms-full.txt")
    assert caught.value.code is code
    assert len(website.requests) <= docs_site.MAX_REDIRECTS + 1


async def test_a_failure_is_asked_about_once_a_minute(docs, website, clock):
    await docs.search("routing")
    shut(website)
    clock.now += DAY
    for _ in range(5):
        await docs.search("routing")
        await settle(docs)
    assert len(website.asked()) == 2
    clock.now += RETRY_AFTER_FAILURE
    await docs.search("routing")
    await settle(docs)
    assert len(website.asked()) == 3


# The tool


@pytest.fixture
async def app(simulated, tmp_path):
    app = App(configured(simulated.origin, tmp_path), FAST)
    yield app
    await app.aclose()


async def test_passages_are_kept_apart_and_marked(app, simulated):
    result = await search_docs(query="order of providers", app=app)
    ours, theirs = result.content
    assert "as of 20" in ours.text
    assert "Provider" not in ours.text
    assert f"1. Provider Routing: Ordering providers\n{simulated.origin}/docs/guides" in theirs.text
    assert result.meta == theirs.meta == {"openrouter/untrusted": True}
    assert ours.meta is None


async def test_a_page_says_how_to_go_on(app, tmp_path):
    docs = Docs(app.settings, app.cache)
    await docs.search("anything")
    text = "word " * 5000
    page = Page("long", "Long", f"{app.settings.docs_url}/long", text)
    index.write(docs._file, [Source("u", "", "", [page])])
    ours, theirs = (await search_docs(page="long", app=app)).content
    assert ours.text.endswith('piece 1 of 3. Next: search_docs(page="long#2")')
    assert theirs.text.startswith("# Long\n\nword word")
    [ours, _] = (await search_docs(page="long#3", app=app)).content
    assert ours.text.endswith("piece 3 of 3")


async def test_nothing_found_is_said(app):
    [block] = (await search_docs(query="xylophone", app=app)).content
    assert block.text.startswith("Nothing found")


@pytest.mark.parametrize(
    "arguments", [{}, {"query": " "}, {"query": "a", "page": "b"}, {"query": "?!"}]
)
async def test_a_call_needs_either_a_query_or_a_page(app, arguments):
    with pytest.raises(OpenRouterError) as caught:
        await search_docs(**arguments, app=app)
    assert caught.value.code is Code.INVALID_INPUT


# The simulated website


async def test_the_simulated_website_knows_what_has_not_changed(simulated, tmp_path):
    clock = Clock()
    docs = Docs(configured(simulated.origin, tmp_path), DocumentCache(tmp_path, clock=clock))
    simulated.simulator.reset()
    await docs.search("routing")
    clock.now += DAY
    await docs.search("routing")
    await settle(docs)
    asked = [r for r in simulated.simulator.requests if r.path == "/docs/llms-full.txt"]
    assert ["if-none-match" in request.headers for request in asked] == [False, True]
    assert not (await docs.search("routing")).edition.stale
