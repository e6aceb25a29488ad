"""One call of each tool, with which it does what it is for."""

import wave
from pathlib import Path
from typing import Any

from PIL import Image


def arguments(folder: Path) -> dict[str, dict[str, Any]]:
    """The arguments by the name of the tool; what they read is written into the folder.

    Only `complete_text` names a model: it needs one.
    """
    Image.new("RGB", (40, 30), "red").save(folder / "a.png")
    with wave.open(str(folder / "a.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16_000))
    texts = ["a fox", "a dog"]
    return {
        "chat": {"prompt": "Hi", "effort": ""},
        "complete_text": {"prompt": "Once", "model": "openai/gpt-5-mini"},
        "compare_models": {"prompt": "Hi"},
        "run_agent": {"task": "Tidy up"},
        "list_threads": {},
        "find_models": {"query": "gpt", "sort": ""},
        "get_model": {"model": "openai/gpt-5-mini"},
        "recommend_model": {"task": "coding"},
        "get_rankings": {"kind": "models"},
        "list_providers": {},
        "analyze_media": {"files": [str(folder / "a.png")]},
        "generate_image": {"prompt": "a fox", "n": 2},
        "generate_audio": {"text": "Hello"},
        "generate_video": {"prompt": "a fox"},
        "transcribe_audio": {"file": str(folder / "a.wav"), "save_to": "a.srt"},
        "embed_texts": {"texts": texts},
        "rerank_documents": {"query": "dog", "documents": texts},
        "get_account": {},
        "get_usage": {},
        "get_generation": {"generation_id": "gen-none"},
        "get_job": {},
        "send_feedback": {"generation_id": "gen-none", "category": "other"},
        "search_docs": {"query": "streaming"},
    }
