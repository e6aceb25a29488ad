"""Where one learns what media models take and cost: images, videos, embeddings."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from openrouter_mcp.simulator import providers
from openrouter_mcp.simulator.call import Call
from openrouter_mcp.simulator.media_models import UPSCALER
from openrouter_mcp.simulator.models import find, number, routes_elsewhere
from openrouter_mcp.simulator.replies import Refused, failure

PAGE = 500
IMAGE_PARAMETERS = {
    "resolution": {"type": "enum", "values": ["1K", "2K", "4K"]},
    "aspect_ratio": {"type": "enum", "values": ["1:1", "16:9", "9:16"]},
    "n": {"type": "range", "min": 1, "max": 4},
    "seed": {"type": "boolean"},
}
IMAGE_PRICES = [
    {"billable": "output_image", "unit": "image", "cost_usd": 0.04, "variant": "1k"},
    {"billable": "output_image", "unit": "image", "cost_usd": 0.05, "variant": "2k"},
]
VIDEO_PRICES = {
    "google/veo-3.1": {"per-video-second": "0.40", "per-video-second-1080p": "0.60"},
    "lumen/reel-1": {"per-video-second": "0.05", "per-video-second-1080p": "0.10"},
    UPSCALER: {"per-video-second": "0.40", "per-video-second-1080p": "0.60"},
}
"""The price lines of each model, USD."""


async def list_image_models(call: Call) -> Response:
    """`GET /images/models`."""
    rows = [
        {
            "id": row["id"],
            "name": row["name"],
            "description": row["description"],
            "created": row["created"],
            "architecture": {
                key: row["architecture"][key] for key in ("input_modalities", "output_modalities")
            },
            "supported_parameters": IMAGE_PARAMETERS,
            "supports_streaming": False,
            "endpoints": f"/api/v1/images/models/{row['id']}/endpoints",
        }
        for row in making(call, "image")
    ]
    return JSONResponse({"data": rows})


async def list_image_endpoints(call: Call) -> Response:
    """`GET /images/models/{author}/{slug}/endpoints`: no `data` around it."""
    model = find(call)
    if model not in making(call, "image"):
        raise Refused(failure(404, "Image model not found", error_type="not_found"))
    rows = [
        {
            "provider_name": provider.name,
            "provider_slug": provider.slug,
            "provider_tag": provider.slug,
            "supported_parameters": IMAGE_PARAMETERS,
            "allowed_passthrough_parameters": [],
            "supports_streaming": False,
            "pricing": IMAGE_PRICES,
        }
        for provider in providers.serving(model)
    ]
    return JSONResponse({"id": model["id"], "endpoints": rows})


async def list_video_models(call: Call) -> Response:
    """`GET /videos/models`."""
    rows = [
        {
            "id": row["id"],
            "canonical_slug": row["canonical_slug"],
            "name": row["name"],
            "description": row["description"],
            "created": row["created"],
            "supported_resolutions": ["720p", "1080p"],
            "supported_aspect_ratios": ["16:9", "9:16"],
            "supported_sizes": ["1280x720", "1920x1080"],
            "supported_durations": [4, 6, 8],
            "supported_frame_images": ["first_frame", "last_frame"],
            "generate_audio": True,
            "seed": True,
            "creativity": None,
            "upscale_factor": {"min": 1.0, "max": 4.0} if row["id"] == UPSCALER else None,
            "pricing_skus": VIDEO_PRICES[row["id"]],
            "allowed_passthrough_parameters": ["negativePrompt"],
            "hugging_face_id": None,
        }
        for row in making(call, "video")
    ]
    return JSONResponse({"data": rows})


async def list_embedding_models(call: Call) -> Response:
    """`GET /embeddings/models`."""
    return _paged(call, making(call, "embeddings"))


async def list_own_models(call: Call) -> Response:
    """`GET /models/user`: what this account may use, which is everything."""
    outputs = call.query.get("output_modalities", "text")
    rows = call.simulator.catalogue if outputs == "all" else making(call, *outputs.split(","))
    return _paged(call, rows)


def making(call: Call, *outputs: str) -> list[dict[str, Any]]:
    """The models that make any of `outputs`."""
    return [
        row
        for row in call.simulator.catalogue
        if not {*outputs}.isdisjoint(row["architecture"]["output_modalities"])
        and not (routes_elsewhere(row) and "text" not in outputs)
    ]


def _paged(call: Call, rows: list[dict[str, Any]]) -> Response:
    offset, limit = number(call.query, "offset", 0), number(call.query, "limit", PAGE)
    page = rows[offset : offset + limit]
    following = None
    if offset + limit < len(rows):
        following = f"/api/v1{call.path}?offset={offset + limit}&limit={limit}"
    return JSONResponse({"data": page, "links": {"next": following}, "total_count": len(rows)})
