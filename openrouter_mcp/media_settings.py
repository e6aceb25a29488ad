"""The OPENROUTER_* variables of images, audio, video and PDF; `settings.Settings` has them all."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

MEGABYTE = 1_000_000

Milliseconds = Annotated[int, Field(ge=1, le=86_400_000)]
Bytes = Annotated[int, Field(ge=1)]
Redirects = Annotated[int, Field(ge=0, le=50)]


class MediaSettings(BaseSettings):
    """What media may be sent, fetched and made."""

    image_max_dimension: Annotated[int, Field(ge=16)] = Field(
        1568, description="Longest side in pixels; larger images are scaled before they are sent."
    )
    image_jpeg_quality: Annotated[int, Field(ge=1, le=100)] = Field(
        85, description="Quality of images that are scaled and sent as JPEG or WebP."
    )
    image_max_bytes: Bytes = Field(50 * MEGABYTE, description="Most bytes that one image may have.")
    audio_max_bytes: Bytes = Field(
        100 * MEGABYTE, description="Most bytes that one audio file may have."
    )
    video_max_bytes: Bytes = Field(
        500 * MEGABYTE, description="Most bytes that one video may have."
    )
    pdf_max_bytes: Bytes = Field(100 * MEGABYTE, description="Most bytes that one PDF may have.")
    image_max_download_bytes: Bytes = Field(
        25 * MEGABYTE, description="Most bytes of an image that is fetched from a URL."
    )
    audio_max_download_bytes: Bytes = Field(
        50 * MEGABYTE, description="Most bytes of an audio file that is fetched from a URL."
    )
    video_max_download_bytes: Bytes = Field(
        200 * MEGABYTE,
        description="Most bytes of a video that is fetched from a URL; also of a PDF.",
    )
    image_max_data_url_bytes: Bytes = Field(
        20 * MEGABYTE, description="Most bytes of an image in a data URL, decoded."
    )
    audio_max_data_url_bytes: Bytes = Field(
        20 * MEGABYTE, description="Most bytes of an audio file in a data URL, decoded."
    )
    video_max_data_url_bytes: Bytes = Field(
        20 * MEGABYTE, description="Most bytes of a video in a data URL, decoded; also of a PDF."
    )
    image_fetch_timeout_ms: Milliseconds = Field(
        30_000, description="Longest time in ms for fetching an image from a URL."
    )
    audio_fetch_timeout_ms: Milliseconds = Field(
        60_000, description="Longest time in ms for fetching an audio file from a URL."
    )
    video_fetch_timeout_ms: Milliseconds = Field(
        120_000, description="Longest time in ms for fetching a video from a URL; also a PDF."
    )
    image_max_redirects: Redirects = Field(
        5, description="Most redirects on the way to an image or a text."
    )
    audio_max_redirects: Redirects = Field(
        5, description="Most redirects on the way to an audio file."
    )
    video_max_redirects: Redirects = Field(
        5, description="Most redirects on the way to a video; also to a PDF."
    )
    allow_private_urls: bool = Field(
        False, description="Allow files to be fetched from your own network and this computer."
    )
    default_vision_model: str = Field(
        "", description="Model of analyze_media; empty = a popular, well-priced one."
    )
    default_video_model: str = Field(
        "",
        description="Model of analyze_media where a video is among the files; empty = a popular, "
        "well-priced one.",
    )
    default_video_gen_model: str = Field(
        "", description="Model of generate_video; empty = a popular, well-priced one."
    )
    video_poll_interval_ms: Milliseconds = Field(
        15_000, description="Longest time in ms between two questions whether a video is done."
    )
    video_max_wait_ms: Milliseconds = Field(
        3_600_000, description="Time in ms after which a video that is not done is given up."
    )
    video_gen_max_bytes: Bytes = Field(
        1000 * MEGABYTE, description="Most bytes of a video that is made and downloaded."
    )
