"""The messages of a chat, checked as strictly as the contract is written."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Json = dict[str, Any]


class Strict(BaseModel):
    """No coercion, no unknown field."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Text(Strict):
    """A text part."""

    type: Literal["text"]
    text: str
    cache_control: Json | None = None
    prompt_cache_breakpoint: Json | None = None


class ImageUrl(Strict):
    """Where an image is."""

    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class Image(Strict):
    """An image part."""

    type: Literal["image_url"]
    image_url: ImageUrl
    cache_control: Json | None = None


class InputAudio(Strict):
    """Raw base64 and its format."""

    data: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/=]+$")]
    format: Literal["wav", "mp3", "aiff", "aac", "ogg", "flac", "m4a", "pcm16", "pcm24"]


class Audio(Strict):
    """An audio part."""

    type: Literal["input_audio"]
    input_audio: InputAudio
    cache_control: Json | None = None


class VideoUrl(Strict):
    """Where a video is."""

    url: str
    processing: Literal["agentic", "static"] | None = None


class Video(Strict):
    """A video part."""

    type: Literal["video_url"]
    video_url: VideoUrl
    cache_control: Json | None = None


class FileSource(Strict):
    """A file by its data or by the id of an upload."""

    filename: str | None = None
    file_data: str | None = None
    file_id: str | None = None


class File(Strict):
    """A file part."""

    type: Literal["file"]
    file: FileSource
    cache_control: Json | None = None


Part = Annotated[Text | Image | Audio | Video | File, Field(discriminator="type")]
Content = str | list[Part]


class User(Strict):
    """A user message."""

    role: Literal["user"]
    content: Content
    name: str | None = None


class System(Strict):
    """A system or developer message."""

    role: Literal["system", "developer"]
    content: str | list[Text]
    name: str | None = None
    configuration_update: Json | None = None


class FunctionCall(Strict):
    """The function of a tool call."""

    name: str
    arguments: str


class ToolCall(Strict):
    """A tool call of an earlier turn."""

    id: str
    type: Literal["function"]
    function: FunctionCall
    index: int | None = None


class Assistant(Strict):
    """An earlier answer, handed back unmodified."""

    role: Literal["assistant"]
    content: Content | None = None
    tool_calls: list[ToolCall] | None = None
    reasoning: str | None = None
    reasoning_details: list[Json] | None = None
    annotations: list[Json] | None = None
    images: list[Json] | None = None
    audio: Json | None = None
    model: str | None = None
    refusal: str | None = None
    name: str | None = None


class Tool(Strict):
    """The result of a tool call."""

    role: Literal["tool"]
    tool_call_id: str
    content: Content


Message = Annotated[User | System | Assistant | Tool, Field(discriminator="role")]
