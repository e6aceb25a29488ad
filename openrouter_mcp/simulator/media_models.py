"""The models whose output is not text, and two that also speak or draw in a chat."""

from __future__ import annotations

from typing import Any

from openrouter_mcp.simulator.rows import SAMPLING, prices, row

UPSCALER = "lumen/upscale-1"
"""Enlarges videos and makes none, which only `/videos/models` tells."""


def medium(
    model_id: str,
    name: str,
    day: str,
    prompt: str,
    completion: str,
    io: str,
    extra: dict[str, str] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A row from its prices (USD per million, `extra` per unit) and `inputs -> outputs`."""
    inputs, _, outputs = io.partition(" -> ")
    price = prices(prompt, completion) | (extra or {})
    options: dict[str, Any] = {"context": 0, "max_output": None, "parameters": []} | more
    return row(model_id, name, day, price, inputs=inputs, outputs=outputs, **options)


# A transcription's price is for a minute (whisper) or a second, which no field tells.
MEDIA = [
    medium(
        "google/gemini-3.1-flash-image-preview",
        "Google: Nano Banana 2",
        "2026-02-26",
        "0.5",
        "3",
        "text image -> text image",
        extra={"image_output": "0.00003", "image": "0.0000003"},
        context=65_536,
        parameters=SAMPLING,
    ),
    medium(
        "bytedance-seed/seedream-4.5",
        "Seedream 4.5",
        "2025-12-23",
        "0",
        "0",
        "text image -> image",
    ),
    medium("lumen/easel-1", "Lumen: Easel 1", "2026-08-20", "0", "0", "text image -> image"),
    medium(
        "openai/gpt-audio",
        "OpenAI: GPT Audio",
        "2026-01-19",
        "2.5",
        "10",
        "text audio -> text audio",
        extra={"audio": "0.00004", "audio_output": "0.00008"},
        context=128_000,
        parameters=SAMPLING,
    ),
    medium("lumen/lyric-1", "Lumen: Lyric 1", "2026-08-20", "0", "0", "text -> audio"),
    medium(UPSCALER, "Lumen: Upscale 1", "2026-09-10", "0", "0", "text video -> video"),
    medium("google/veo-3.1", "Google: Veo 3.1", "2025-10-15", "0", "0", "text image -> video"),
    medium("lumen/reel-1", "Lumen: Reel 1", "2026-08-20", "0", "0", "text image -> video"),
    medium(
        "openai/text-embedding-3-small",
        "OpenAI: Text Embedding 3 Small",
        "2024-01-25",
        "0.02",
        "0",
        "text -> embeddings",
        context=8_192,
    ),
    medium(
        "qwen/qwen3-embedding-0.6b",
        "Qwen3 Embedding 0.6B",
        "2025-06-05",
        "0.01",
        "0",
        "text -> embeddings",
        context=32_768,
    ),
    medium(
        "cohere/rerank-v3.5",
        "Cohere: Rerank v3.5",
        "2024-12-02",
        "0",
        "0",
        "text -> rerank",
        extra={"request": "0.002"},
        context=4_096,
    ),
    medium(
        "lumen/voice-1",
        "Lumen: Voice 1",
        "2026-08-20",
        "15",
        "0",
        "text -> speech",
        voices=["aria", "basil", "clementine"],
    ),
    medium(
        "openai/gpt-4o-mini-tts",
        "OpenAI: GPT-4o Mini TTS",
        "2025-03-20",
        "0.6",
        "12",
        "text -> speech",
        voices=["alloy", "nova"],
    ),
    medium(
        "openai/whisper-1",
        "OpenAI: Whisper 1",
        "2023-03-01",
        "6000",
        "0",
        "audio -> transcription",
    ),
    medium("lumen/scribe-1", "Lumen: Scribe 1", "2026-08-20", "100", "0", "audio -> transcription"),
]
"""One or two models for every output that is not text."""
