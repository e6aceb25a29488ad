"""What tasks in words and needs mean."""

import pytest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.recommend.tasks import needed, understand


@pytest.mark.parametrize(
    ("words", "profile"),
    [
        ("coding", "coding"),
        ("Fix a BUG in my TypeScript service", "coding"),
        ("an autonomous agent that calls tools", "agents"),
        ("prove a theorem, hard reasoning", "reasoning"),
        ("describe what is in these photos", "vision"),
        ("OCR of receipts", "vision"),
        ("images", "images"),
        ("a logo for my bakery", "images"),
        ("video", "video"),
        ("summarize a video", "video understanding"),
        ("question about an audio recording", "listening"),
        ("text to speech", "speech"),
        ("narrate an audiobook", "speech"),
        ("a pop song", "music and sound"),
        ("transcribe a podcast", "transcription"),
        ("embeddings for semantic search", "embeddings"),
        ("rerank search results", "reranking"),
        ("translate a website into French", "translation"),
        ("translation into French", "translation"),
        ("landing page UI", "web design"),
        ("roleplay companion", "roleplay"),
        ("a question about contracts", "law"),
        ("firmware of an embedded system", "coding"),
        ("a vector illustration", "images"),
        ("CSS animation", "web design"),
        ("an explanation of biological terms", "general"),
        ("chat about anything", "general"),
        ("", "general"),
    ],
)
def test_a_task_is_known_by_its_words(words: str, profile: str):
    assert understand(words).profile.name == profile


def test_traits_come_beside_the_profile():
    task = understand("cheap bulk classification")
    assert (task.profile.name, task.frugal, task.fast, task.long) == ("general", True, False, False)
    assert task.name == "general, cheap"
    assert understand("low latency chat").fast
    assert not understand("quicksort in Python").fast
    assert understand("summarize long documents").long


def test_a_long_task_reckons_with_a_long_prompt():
    assert understand("long documents").tokens[0] > understand("coding").tokens[0]


def test_length_means_nothing_to_a_model_that_draws():
    assert not understand("images for a long book").long


def test_needs_are_inputs_parameters_listings_and_flags():
    needs = needed(["Vision", "pdf", "tools", "json", "zdr", "free", "region: eu"], ["tools"])
    assert needs.input == ("image", "file")
    assert needs.supports == ("tools", "json")
    assert needs.listings == ("zdr", "eu")
    assert needs.flags == {"free"}


def test_an_unknown_need_is_refused_with_the_nearest():
    with pytest.raises(OpenRouterError) as caught:
        needed(["tolls"], ["tools", "seed"])
    assert caught.value.code is Code.INVALID_INPUT
    assert caught.value.suggestions[0] == "tools"
