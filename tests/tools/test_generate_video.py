"""generate_video as a client sees it: checked, priced, ordered once, saved whatever happens."""

import asyncio
import hashlib
import json
import os
import signal
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from fastmcp import Client
from PIL import Image

from openrouter_mcp.api.responses import PERHAPS_BILLED
from openrouter_mcp.multimodal import video
from openrouter_mcp.simulator import media
from openrouter_mcp.simulator.state import Film
from tests.bench.processes import python
from tests.support.eras import both_eras
from tests.support.processes import until
from tests.support.results import ERROR, JOB, RECEIPT, text

QUICK = {
    "OPENROUTER_VIDEO_POLL_INTERVAL_MS": "10",
    "OPENROUTER_DEFAULT_VIDEO_GEN_MODEL": "google/veo-3.1",
}
# A killed server's lease ends soon, so that nobody has to wait for it.
SERVER = """
from openrouter_mcp.jobs import table as job_table; from openrouter_mcp import server, settings
from openrouter_mcp.tools import account, multimodal
job_table.LEASE = 0.5
server.build(settings.load()).run(transport="stdio", show_banner=False)
"""


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output"


@pytest.fixture
def fast(configure, monkeypatch: pytest.MonkeyPatch):

    def set_all(**variables: str) -> None:
        configure(**{**QUICK, **variables})

    set_all()
    return set_all


@pytest.fixture
async def client(fast, connect) -> AsyncIterator[Client]:
    async with connect() as client:
        yield client


async def call(client: Client, **arguments):
    return await client.call_tool("generate_video", arguments, raise_on_error=False)


async def get_job(client: Client, job_id: str, **arguments):
    arguments = {"job_id": job_id, "wait": 20, **arguments}
    return await client.call_tool("get_job", arguments, raise_on_error=False)


async def finished(client: Client, job_id: str) -> None:
    while (told := text(await get_job(client, job_id))).startswith("Still working"):
        pass
    assert told.startswith("The video by")


def ordered(simulator) -> list:
    return [request for request in simulator.requests if request.method == "POST"]


def saved(simulator, file: Path) -> bool:
    id_ = next(iter(simulator.videos))
    return hashlib.sha256(file.read_bytes()).hexdigest() == media.video_digest(
        id_, simulator.film.size
    )


@both_eras
async def test_a_video_is_saved_with_its_path_link_and_receipt(client, simulator, output) -> None:
    result = await call(client, prompt="A red fox runs", duration=4, resolution="720p")
    file = output / "A-red-fox-runs.mp4"
    assert not result.is_error
    assert saved(simulator, file)
    assert f"{file} (200,000 bytes)" in text(result)
    assert [b.uri.rsplit("/")[-1] for b in result.content if b.type == "resource_link"] == [
        file.name
    ]
    assert result.meta[RECEIPT]["cost"] == "1.6"
    assert "google/veo-3.1" in text(result)
    body = {"prompt": "A red fox runs", "duration": 4, "resolution": "720p"}
    assert ordered(simulator)[0].body == {"model": "google/veo-3.1", **body}


async def test_a_model_is_chosen_that_makes_what_is_asked_for_and_is_no_upscaler(
    fast, simulator, connect
) -> None:
    fast(OPENROUTER_DEFAULT_VIDEO_GEN_MODEL="")
    async with connect() as client:
        shown = await call(client, prompt="Waves", resolution="720p", dry_run=True)
        assert "Model: google/veo-3.1 (no model was named: most used below" in text(shown)
        for unsaid in ({}, {"resolution": "1080p"}):
            cheaper = await call(client, prompt="Waves", **unsaid, dry_run=True)
            assert "Model: lumen/reel-1 (no model was named: most used below" in text(cheaper)
        never = await call(client, prompt="Waves", duration=5, dry_run=True)
        assert "No video model takes all that is asked for" in text(never)
        talks = await call(client, prompt="Waves", model="openai/gpt-5-mini", dry_run=True)
        assert talks.meta[ERROR]["suggestions"] == ["google/veo-3.1", "lumen/reel-1"]


async def test_where_all_are_too_dear_some_are_named(fast, monkeypatch, connect) -> None:
    fast(OPENROUTER_DEFAULT_VIDEO_GEN_MODEL="")
    monkeypatch.setattr(video, "HIGHEST_PRICE", Decimal("0.01"))
    async with connect() as client:
        dear = await call(client, prompt="Waves", dry_run=True)
    assert dear.meta[ERROR]["code"] == "MODEL_UNAVAILABLE"
    assert dear.meta[ERROR]["suggestions"] == ["google/veo-3.1", "lumen/reel-1"]


@pytest.mark.parametrize(
    ("arguments", "said", "right"),
    [
        ({"duration": 5}, "takes no duration 5", ["4", "6", "8"]),
        ({"resolution": "4k"}, "takes no resolution 4K", ["720p", "1080p"]),
        ({"aspect_ratio": "1:1"}, "takes no aspect_ratio 1:1", ["16:9", "9:16"]),
        ({"options": {"size": "1x1"}}, "takes no size 1x1", ["1280x720", "1920x1080"]),
        ({"options": {"creativity": 3}}, "takes no options.creativity", None),
        ({"options": {"provider": {"sort": "price"}}}, "takes only options", None),
        ({"prompt": " "}, "prompt is empty", None),
        ({"first_frame": "a", "references": ["b"]}, "ignores references", None),
    ],
)
async def test_a_wrong_value_is_answered_with_the_right_ones_before_paying(
    client, simulator, arguments, said, right
) -> None:
    result = await call(client, **{"prompt": "x", **arguments})
    assert result.meta[ERROR]["code"] == "INVALID_INPUT"
    assert said in text(result)
    assert result.meta[ERROR].get("suggestions") == right
    assert ordered(simulator) == []


async def test_the_price_is_told_and_kept_before_anything_is_ordered(client, simulator) -> None:
    shown = await call(client, prompt="x", duration=6, resolution="1080p", dry_run=True)
    assert "Cost: $3.60 at most" in text(shown)
    refused = await call(client, prompt="x", duration=6, resolution="1080p", max_cost=3.5)
    assert refused.meta[ERROR]["code"] == "BUDGET_EXCEEDED"
    assert ordered(simulator) == []


async def test_what_is_not_asked_for_counts_at_its_dearest(client) -> None:
    assert "Cost: $4.80 at most" in text(await call(client, prompt="x", dry_run=True))


async def test_frames_and_references_arrive_byte_exact(client, simulator, tmp_path) -> None:
    Image.new("RGB", (4000, 20), "red").save(tmp_path / "a.png")
    exact = (tmp_path / "a.png").read_bytes()
    await call(client, prompt="x", first_frame=str(tmp_path / "a.png"))
    await call(client, prompt="x", references=[str(tmp_path / "a.png"), "https://x.org/b.png"])
    (frame,) = ordered(simulator)[0].body["frame_images"]
    assert frame["frame_type"] == "first_frame"
    assert _data(frame["image_url"]["url"]) == exact
    local, remote = ordered(simulator)[1].body["input_references"]
    assert _data(local["image_url"]["url"]) == exact
    assert remote["image_url"]["url"] == "https://x.org/b.png"


def _data(url: str) -> bytes:
    import base64

    return base64.b64decode(url.partition(",")[2])


async def test_a_frame_that_is_no_image_is_refused_before_paying(client, simulator, tmp_path):
    (tmp_path / "a.png").write_text("no image")
    result = await call(client, prompt="x", first_frame=str(tmp_path / "a.png"))
    assert result.meta[ERROR]["code"] == "UNSUPPORTED_FORMAT"
    assert ordered(simulator) == []


async def test_an_earlier_video_is_extended_by_our_id_or_openrouters(
    fast, simulator, connect
) -> None:
    fast(OPENROUTER_WAIT_SECONDS="0.05", OPENROUTER_VIDEO_POLL_INTERVAL_MS="500")
    async with connect() as client:
        job = (await call(client, prompt="x")).meta[JOB]["job_id"]
        await finished(client, job)
        (id_,) = simulator.videos
        for extend in (job, id_):
            more = await call(client, prompt="more", extend=extend)
            await finished(client, more.meta[JOB]["job_id"])
        assert [r.body.get("previous_job_id") for r in ordered(simulator)] == [None, id_, id_]


async def test_the_next_step_goes_on_with_a_video_by_its_model(fast, simulator, connect) -> None:
    fast(OPENROUTER_DEFAULT_VIDEO_GEN_MODEL="google/veo-3.1")
    async with connect() as client:
        told = text(await call(client, prompt="x", model="lumen/reel-1"))
        extend = told.partition('generate_video(extend="')[2].partition('"')[0]
        (id_,) = simulator.videos
        for earlier in (extend, id_):
            await call(client, prompt="more", extend=earlier)
        assert text(await get_job(client, id_)) == told
        assert [request.body["model"] for request in ordered(simulator)] == ["lumen/reel-1"] * 3


@pytest.mark.parametrize("status", ["failed", "in_progress"])
async def test_what_is_no_finished_video_is_not_extended(client, simulator, status) -> None:
    simulator.film = Film(status=status) if status == "failed" else Film(looks=1000)
    simulator.videos["gen-vid-1"] = {
        **{"model": simulator.model("google/veo-3.1"), "cost": 0, "looks": 1, "reply": None}
    }
    unfinished = await call(client, prompt="more", extend="gen-vid-1")
    assert unfinished.meta[ERROR]["code"] == "INVALID_INPUT"
    assert "gen-vid-1 is no video that OpenRouter has finished" in text(unfinished)
    unknown = await call(client, prompt="more", extend="gen-vid-2")
    assert unknown.meta[ERROR]["code"] == "NOT_FOUND"
    assert ordered(simulator) == []


async def test_references_of_a_kind_that_the_model_does_not_take_are_refused(
    client, simulator, tmp_path
) -> None:
    film = tmp_path / "a.mp4"
    film.write_bytes(media.VIDEO)
    refused = await call(client, prompt="x", model="google/veo-3.1", references=[str(film)])
    assert refused.meta[ERROR]["code"] == "INVALID_INPUT"
    assert "video with video as input" in text(refused)
    assert ordered(simulator) == []
    options = {"upscale_factor": 2}
    known = {"model": "lumen/upscale-1", "references": [str(film)], "options": options}
    assert not (await call(client, **known)).is_error


async def test_the_name_says_what_the_bytes_are(client, simulator, output) -> None:
    result = await call(client, prompt="x", save_to="films/fox.webm")
    assert (output / "films" / "fox.mp4").exists()
    assert "Named .mp4, because that is what it is." in text(result)


@pytest.mark.parametrize("save_to", ["../fox.mp4", "/etc/fox.mp4"])
async def test_a_place_outside_is_refused_before_paying(client, simulator, save_to) -> None:
    result = await call(client, prompt="x", save_to=save_to)
    assert result.meta[ERROR]["code"] == "UNSAFE_PATH"
    assert ordered(simulator) == []


async def test_a_place_that_cannot_be_written_is_refused_before_paying(client, simulator, output):
    output.write_text("a file, not a directory")
    result = await call(client, prompt="x")
    assert "Nothing can be written" in text(result)
    assert ordered(simulator) == []


@pytest.mark.parametrize("status", ["failed", "cancelled", "expired"])
async def test_a_video_that_came_to_nothing_says_so_and_what_was_billed(
    client, simulator, output, status
) -> None:
    simulator.film = Film(status=status)
    result = await call(client, prompt="x")
    assert result.meta.get(ERROR, text(result))["code"] == "JOB_FAILED"
    assert status in text(result)
    assert "Content policy violation" in text(result)
    assert "Nothing was billed" in text(result)
    assert not [*output.glob("*.mp4")]


async def test_a_failure_without_a_cost_says_that_it_is_not_known(client, simulator) -> None:
    simulator.film = Film(status="failed", usage=False)
    assert "What was billed is not known yet" in text(await call(client, prompt="x"))


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_broken_download_goes_on_where_it_broke_off(
    client, simulator, output, ranges
) -> None:
    simulator.film = Film(size=3_000_000, ranges=ranges)
    simulator.fail("cut_stream", path="/videos/*/content", after=16)
    result = await call(client, prompt="x")
    assert not result.is_error
    assert saved(simulator, output / "x.mp4")
    asked = [r.headers.get("range", "") for r in simulator.requests if "/content" in r.path]
    assert len(asked) == 2
    assert asked[0] == ""
    assert asked[1].startswith("bytes=")


async def test_a_download_that_never_works_can_be_had_again_without_paying(
    client, simulator, output
) -> None:
    simulator.film = Film(content=b'{"error": "not yet"}')
    result = await call(client, prompt="x")
    assert result.is_error
    assert result.meta[ERROR]["retryable"] is False
    assert result.meta[RECEIPT]["cost"] == "3.2"
    assert "nothing is paid again" in text(result)
    assert "Call again" not in text(result)
    job = text(result).partition('get_job(job_id="')[2].partition('"')[0]
    simulator.film = Film()
    again = await get_job(client, job)
    assert not again.is_error
    assert saved(simulator, output / "x.mp4")
    assert len(ordered(simulator)) == 1


async def test_a_video_too_large_is_not_kept_on_disk(fast, simulator, output, connect) -> None:
    fast(OPENROUTER_VIDEO_GEN_MAX_BYTES="100000")
    async with connect() as client:
        result = await call(client, prompt="x")
    assert result.meta[ERROR]["code"] == "TOO_LARGE"
    assert [*output.iterdir()] == []


@pytest.mark.parametrize("fault", ["cut_stream", "malformed_json"])
async def test_an_order_whose_answer_is_lost_is_not_to_be_repeated_blindly(
    client, simulator, fault
) -> None:
    simulator.fail(fault, path="/videos")
    result = await call(client, prompt="x")
    assert PERHAPS_BILLED in text(result)
    assert result.meta[ERROR]["retryable"] is False
    assert len(ordered(simulator)) == 1
    simulator.fail("masked_server_error", path="/videos")
    assert PERHAPS_BILLED not in text(await call(client, prompt="x"))


async def test_polling_survives_failures_of_openrouter(client, simulator, output) -> None:
    simulator.fail("server_error", path="/videos/gen*", times=4)
    assert not (await call(client, prompt="x")).is_error
    assert len(ordered(simulator)) == 1


@pytest.mark.parametrize("id_", [None, 7, "", "x" * 20_000, "\ud83d", ["gen-vid-1"]], ids=range(6))
async def test_an_order_without_an_id_is_told_with_what_is_known(
    fast, simulator, connect, id_
) -> None:
    fast(OPENROUTER_MAX_COST_PER_DAY="50")
    body = json.dumps({"id": id_, "status": "pending"})
    simulator.answer_raw(body, path="/videos", media_type="application/json", times=None)
    async with connect() as client:
        result = await call(client, prompt="x")
        used = await client.call_tool("get_usage", {})
    assert result.meta[ERROR] == {"code": "UPSTREAM_ERROR", "retryable": False}
    assert "has no id to fetch" in text(result)
    assert PERHAPS_BILLED in text(result)
    assert len(ordered(simulator)) == 1
    # What is not known counts as all that it could have cost.
    (row,) = used.structured_content["here"]
    assert row["usd_not_settled"] == 4.8


async def test_an_id_that_stands_only_in_the_address_to_look_at_is_read(
    client, simulator, output
) -> None:
    address = "https://openrouter.ai/api/v1/videos/gen-vid%2D1"
    order = json.dumps({"id": None, "polling_url": address, "status": "pending"})
    film = {"status": "completed", "unsigned_urls": ["https://a/0"], "usage": {"cost": 0.5}}
    kind = "application/json"
    simulator.answer_raw(order, path="/videos", media_type=kind)
    simulator.answer_raw(json.dumps(film), path="/videos/gen-vid-1", media_type=kind)
    simulator.answer_raw(media.VIDEO, path="/videos/gen-vid-1/content*", media_type="video/mp4")
    result = await call(client, prompt="x")
    assert not result.is_error, text(result)
    assert result.meta[RECEIPT]["cost"] == "0.5"


ODD_LOOKS = ["", "null", "[]", "{}", "<html>busy</html>", '{"status": 7}', b"\xff\xfe{"]


@pytest.mark.parametrize("body", ODD_LOOKS, ids=repr)
async def test_a_look_that_cannot_be_read_is_taken_again(client, simulator, body) -> None:
    kind = "application/json"
    simulator.answer_raw(body, path="/videos/gen*", media_type=kind, times=2)
    result = await call(client, prompt="x")
    assert not result.is_error, text(result)
    assert len(ordered(simulator)) == 1


@pytest.mark.parametrize("body", ODD_LOOKS, ids=repr)
async def test_looks_that_can_never_be_read_say_so_and_lose_no_video(
    fast, simulator, connect, body
) -> None:
    fast(OPENROUTER_VIDEO_MAX_WAIT_MS="30")
    kind = "application/json"
    simulator.answer_raw(body, path="/videos/gen*", media_type=kind, times=None)
    async with connect() as client:
        result = await call(client, prompt="x")
        assert result.meta[ERROR] == {"code": "UPSTREAM_TIMEOUT", "retryable": False}
        assert "not readable" in text(result) or "reply was" in text(result)
        assert "Call again" not in text(result)
        simulator.faults.clear()
        job = text(result).partition('get_job(job_id="')[2].partition('"')[0]
        async with asyncio.timeout(20):
            # On a busy machine the few milliseconds pass before the first look has an answer.
            while RECEIPT not in (again := await get_job(client, job)).meta:
                pass
        assert again.meta[RECEIPT]["cost"] == "3.2"
    assert len(ordered(simulator)) == 1


async def test_a_look_that_is_refused_loses_no_video(client, simulator) -> None:
    simulator.fail("invalid_credentials", path="/videos/gen*", times=None)
    result = await call(client, prompt="x")
    assert result.meta[ERROR]["code"] == "AUTH"
    assert "nothing is paid again" in text(result)
    simulator.faults.clear()
    job = text(result).partition('get_job(job_id="')[2].partition('"')[0]
    assert not (await get_job(client, job)).is_error
    assert len(ordered(simulator)) == 1


async def test_a_video_that_takes_too_long_is_waited_for_again(fast, simulator, output, connect):
    fast(OPENROUTER_VIDEO_MAX_WAIT_MS="50")
    simulator.film = Film(looks=1000)
    async with connect() as client:
        result = await call(client, prompt="x")
        assert result.meta[ERROR]["code"] == "UPSTREAM_TIMEOUT"
        simulator.film = Film(looks=0)
        job = text(result).partition('get_job(job_id="')[2].partition('"')[0]
        assert not (await get_job(client, job)).is_error
    assert len(ordered(simulator)) == 1


@both_eras
async def test_a_cancelled_wait_does_not_abandon_the_video(client, simulator, output) -> None:
    simulator.film = Film(looks=1000)
    waiting = asyncio.create_task(call(client, prompt="x"))
    await until(lambda: any("/videos/gen" in r.path for r in simulator.requests))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    simulator.film = Film(looks=0)
    listed = await client.call_tool("get_job", {})
    job = listed.meta[JOB][0]["job_id"]
    assert not (await get_job(client, job)).is_error
    assert len(ordered(simulator)) == 1


async def test_cancelling_the_job_says_that_it_is_billed_on(fast, simulator, connect) -> None:
    fast(OPENROUTER_WAIT_SECONDS="0.05")
    simulator.film = Film(looks=100_000)
    async with connect() as client:
        job = (await call(client, prompt="x")).meta[JOB]["job_id"]
        stopped = await get_job(client, job, cancel=True)
        assert "billed all the same" in text(stopped)
        assert stopped.meta[JOB]["state"] == "cancelled"


async def test_a_cancelled_video_is_fetched_by_the_call_that_the_reply_names(
    fast, simulator, connect, output
) -> None:
    fast(OPENROUTER_WAIT_SECONDS="0.05")
    simulator.film = Film(looks=100_000)
    async with connect() as client:
        job = (await call(client, prompt="x")).meta[JOB]["job_id"]
        stopped = text(await get_job(client, job, cancel=True))
        assert f'get_job(job_id="{job}", save_to="./")' in stopped
        assert "Call again" not in stopped
        simulator.film = Film(looks=0)
        # Looking at it does not undo that it was cancelled.
        assert (await get_job(client, job)).meta[JOB]["state"] == "cancelled"
        while "Still working" in text(got := await get_job(client, job, save_to="./")):
            pass
        assert not got.is_error, text(got)
        assert saved(simulator, output / "x.mp4")
        assert float(got.meta[RECEIPT]["seconds"]) > 0
    assert len(ordered(simulator)) == 1


async def test_a_killed_server_loses_no_video_and_pays_nothing_twice(
    fast, connect, environment, simulator, output
) -> None:
    fast(OPENROUTER_MAX_COST_PER_DAY="50")
    variables = {**environment, **QUICK, "OPENROUTER_MAX_COST_PER_DAY": "50"}
    simulator.film = Film(looks=1_000_000)
    async with python(("-c", SERVER), variables) as process:
        await process.initialize()
        process.call("generate_video", prompt="fox", save_to="deep/fox.mp4")
        await until(lambda: any("/videos/gen" in r.path for r in simulator.requests))
        os.kill(process.process.pid, signal.SIGKILL)
        await process.process.wait()
    simulator.film = Film()
    async with connect() as client:
        (job,) = (await client.call_tool("get_job", {})).meta[JOB]
        async with asyncio.timeout(20):
            while RECEIPT not in (got := await get_job(client, job["job_id"], wait=1)).meta:
                assert not got.is_error, text(got)
    assert saved(simulator, output / "deep" / "fox.mp4")
    assert len(ordered(simulator)) == 1
    assert "3.2" in got.meta[RECEIPT]["cost"]
    assert "today $3.20 of $50.00" in text(got)


FILMS = {
    ".mkv": b"\x1aE\xdf\xa3\x93B\x82\x88matroska" + bytes(90),
    ".avi": b"RIFF\0\1\0\0AVI LIST" + bytes(90),
    ".ts": (b"\x47" + bytes(187)) * 4,
    ".ogv": b"OggS\0\2" + bytes(22) + b"\x80theora" + bytes(90),
    ".bin": b"\x93\0new container" + bytes(90),
}


@pytest.mark.parametrize("suffix", FILMS)
async def test_a_film_in_an_unlisted_container_is_saved_with_a_note(
    client, simulator, output, suffix: str
) -> None:
    data = FILMS[suffix]
    simulator.answer_raw(data, path="/videos/*/content*", media_type="video/mp4")
    result = await call(client, prompt="x")
    assert not result.is_error, text(result)
    assert (output / f"x{suffix}").read_bytes() == data
    assert "Not every player" in text(result) or "no video of a kind that is known" in text(result)


@pytest.mark.parametrize(
    "error",
    [
        "Too violent.",
        {"message": "Too violent.", "code": 400},
        {"error": {"message": "Too violent."}},
        '{"error": {"code": 400, "message": "Too violent.", "metadata": {"raw": []}}}',
        [{"message": "Too violent."}],
    ],
    ids=repr,
)
async def test_the_failure_of_a_video_is_told_in_words(client, simulator, error) -> None:
    look = json.dumps({"id": "gen-vid-1", "status": "failed", "error": error})
    simulator.answer_raw(look, path="/videos/gen*", media_type="application/json")
    result = await call(client, prompt="x")
    assert result.meta[ERROR]["code"] == "JOB_FAILED"
    assert "failed at OpenRouter (Too violent)." in text(result)


@pytest.mark.parametrize(
    "status", ["COMPLETED", "succeeded", "Success", "done", "finished", " complete "]
)
@pytest.mark.parametrize("wrapped", [False, True])
async def test_the_end_of_a_video_is_known_by_other_words(
    client, simulator, output, status: str, wrapped
) -> None:
    kind = "application/json"
    film = {"status": status, "unsigned_urls": ["https://a/0"], "usage": {"cost": 0.5}}
    order = {"id": "gen-vid-1", "status": "PENDING"}
    order, film = ({"data": each} if wrapped else each for each in (order, film))
    simulator.answer_raw(json.dumps(order), path="/videos", media_type=kind)
    simulator.answer_raw(json.dumps(film), path="/videos/gen-vid-1", media_type=kind)
    simulator.answer_raw(media.VIDEO, path="/videos/gen-vid-1/content*", media_type="video/mp4")
    result = await call(client, prompt="x")
    assert not result.is_error
    assert result.meta[RECEIPT]["cost"] == "0.5"


@pytest.mark.parametrize(
    ("status", "told"),
    [("canceled", "was cancelled"), ("CANCELLED", "was cancelled"), ("error", "failed")],
)
async def test_so_is_that_of_one_which_is_not_made(client, simulator, output, status, told) -> None:
    kind = "application/json"
    film = {"data": {"status": status, "error": {"message": "Too hot"}}, "usage": {"cost": 0}}
    simulator.answer_raw('{"id": "gen-vid-1"}', path="/videos", media_type=kind)
    simulator.answer_raw(json.dumps(film), path="/videos/gen-vid-1", media_type=kind)
    result = await call(client, prompt="x")
    assert f"The video {told} at OpenRouter (Too hot). Nothing was billed" in text(result)
