"""`/videos`: strict about orders, done after some looks, downloadable in parts."""

import hashlib
from decimal import Decimal

from openrouter_mcp.simulator import media
from openrouter_mcp.simulator.state import Film, Simulator
from tests.simulator.conftest import Api
from tests.support import oracle

ORDER = {
    "model": "google/veo-3.1",
    "prompt": "a red fox",
    "duration": 4,
    "resolution": "1080p",
    "frame_images": [
        {
            "type": "image_url",
            "image_url": {"url": "https://example.org/a.png"},
            "frame_type": "first_frame",
        }
    ],
}


def done(api: Api) -> dict:
    reply = api.http.post("/videos", json=ORDER)
    assert reply.status_code == 202
    assert oracle.check_response("/videos", reply.json()) == []
    path = f"/videos/{reply.json()['id']}"
    seen = []
    while (status := api.get(path).json())["status"] in {"pending", "in_progress"}:
        seen.append(status["status"])
    assert seen == ["pending", "in_progress"]
    assert oracle.check_response(path, status) == []
    return status


def test_an_order_is_one_that_openrouter_documents():
    assert oracle.check_request("/videos", ORDER) == []


def test_a_wrong_order_is_refused(api: Api):
    wrong = ORDER | {"modle": "x"}
    assert api.http.post("/videos", json=wrong).json()["error"]["name"] == "ZodError"


def test_a_finished_video_is_charged_and_its_bytes_can_be_had_in_parts(
    api: Api, simulator: Simulator
):
    before = simulator.balance
    status = done(api)
    assert before - simulator.balance == Decimal("2.4") == Decimal(str(status["usage"]["cost"]))
    known = api.get("/generation", id=status["id"]).json()
    assert oracle.check_response("/generation", known) == []
    path = f"/videos/{status['id']}/content"
    whole = api.get(path, index=0).content
    assert hashlib.sha256(whole).hexdigest() == media.video_digest(status["id"], len(whole))
    part = api.http.get(path, headers={"Range": "bytes=70000-"})
    assert part.status_code == 206
    assert whole[70_000:] == part.content


def test_a_video_that_failed_says_why_and_has_no_bytes(api: Api, simulator: Simulator):
    simulator.film = Film(status="failed")
    status = done(api)
    assert status["error"] == "Content policy violation"
    assert api.get(f"/videos/{status['id']}/content").status_code == 404


def test_an_unknown_video_is_not_found(api: Api):
    assert api.get("/videos/nothing").status_code == 404
