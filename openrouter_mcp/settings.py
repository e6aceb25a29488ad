"""Every OPENROUTER_* variable: typed, defaulted, explained. The only reader of the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from openrouter_mcp import credentials
from openrouter_mcp.text import parse_json, validation_reason

NAME = "openrouter-mcp"
PREFIX = "OPENROUTER_"
KEYS = {"api_key", "management_key"}
LAST_PORT = 65_535
MEGABYTE = 1_000_000
POPULAR = "empty = a popular, well-priced one"
GROUPS = {
    "api_key": "Key and addresses",
    "default_model": "Models",
    "confirm_above": "Money",
    "output_dir": "Files",
    "image_max_dimension": "Media limits",
    "max_tokens": "Requests and routing",
    "tools": "Tools, state, jobs and conversations",
    "mcp_config": "Delegation",
    "log_level": "Logging and attribution",
}
"""The groups of `docs/variables.md`, each by the field that it begins with."""


def _items(value: object) -> object:
    """A list from `a, b` or from a JSON array."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return parse_json(value)
    return [item.strip() for item in value.split(",") if item.strip()]


def _json(value: object) -> object:
    return parse_json(value) if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _http_url(value: object) -> object:
    url = str(value).strip().rstrip("/")
    match = re.fullmatch(r"https?://(?:\[[\da-f:.]+\]|[^\s/@:[]+)(?::(\d{1,5}))?(?:/\S*)?", url)
    if not match or int(match[1] or 0) > LAST_PORT:
        raise ValueError("takes an http(s) address without user name or spaces")
    return url


def _header(value: object) -> object:
    """A value that is sent as an HTTP header: printable ASCII."""
    text = str(value.get_secret_value() if isinstance(value, SecretStr) else value).strip()
    if not text.isascii() or not text.isprintable():
        raise ValueError("takes printable ASCII characters only")
    return text


def _directories(value: object) -> object:
    """A list from what the system's PATH looks like."""
    if not isinstance(value, str):
        return value
    return [item.strip() for item in value.split(os.pathsep) if item.strip()]


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_items)]
Directories = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_directories)]
Url = Annotated[str, BeforeValidator(_http_url)]
Header = Annotated[str, BeforeValidator(_header)]
Key = Annotated[SecretStr, BeforeValidator(_header)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Milliseconds = Annotated[int, Field(ge=1, le=86_400_000)]
Bytes = Annotated[int, Field(ge=1)]
Redirects = Annotated[int, Field(ge=0, le=50)]
Usd = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]


class Settings(BaseSettings):
    """The configuration of one server, read once at its start. Empty variables count as unset."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

    # Key and addresses.
    api_key: Key | None = Field(None, description="Your key from https://openrouter.ai/keys.")
    management_key: Key | None = Field(
        None,
        description="A management key, for the balance and the activity of the whole account.",
    )
    base_url: Url = Field(
        "https://openrouter.ai/api/v1", description="Where OpenRouter's API answers."
    )
    docs_url: Url = Field(
        "https://openrouter.ai/docs", description="Where its documentation is; never gets the key."
    )
    skills_url: Url = Field(
        "https://openrouter.ai/skills", description="Where its skills are; never gets the key."
    )

    # Models.
    default_model: str = Field(
        "openrouter/auto",
        validation_alias=AliasChoices("OPENROUTER_DEFAULT_MODEL", "DEFAULT_MODEL"),
        description="Model of a call that names none; DEFAULT_MODEL is an alias.",
    )
    default_image_model: str = Field("", description=f"Model of generate_image; {POPULAR}.")
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
    default_speech_model: str = Field("", description=f"Model of generate_audio; {POPULAR}.")
    default_transcription_model: str = Field(
        "", description=f"Model of transcribe_audio; {POPULAR}."
    )
    default_embedding_model: str = Field("", description=f"Model of embed_texts; {POPULAR}.")
    default_rerank_model: str = Field("", description=f"Model of rerank_documents; {POPULAR}.")
    model_cache_ttl_ms: Annotated[int, Field(ge=0)] = Field(
        3_600_000, description="Age in ms from which the model catalogue is fetched anew."
    )

    # Money.
    confirm_above: Usd = Field(
        Decimal(0),
        description="Ask the user before a call that can cost more (USD); 0 = never ask.",
    )
    max_cost_per_call: Usd = Field(
        Decimal(0), description="Most that one call may cost, in USD; 0 = no cap."
    )
    max_cost_per_session: Usd = Field(
        Decimal(0), description="Most that the calls of one server process may cost, in USD."
    )
    max_cost_per_day: Usd = Field(
        Decimal(0), description="Most that all servers may spend on one UTC day, in USD."
    )

    # Files.
    output_dir: Path = Field(Path("~/openrouter-output"), description="Where files are saved.")
    input_dirs: Directories = Field(
        (),
        description="Directories that files may be read from, beside the output directory; "
        "separated as in PATH. Default: home, the temporary directory and, unless it is the "
        "system's, the working directory.",
    )
    allow_unsafe_paths: bool = Field(
        False,
        description="Allow reading and writing anywhere: secrets, hidden names, scripts.",
    )
    allow_private_urls: bool = Field(
        False, description="Allow files to be fetched from your own network and this computer."
    )
    max_files: Annotated[int, Field(ge=1)] = Field(
        500, description="Most files that one call may read."
    )
    max_files_bytes: Annotated[int, Field(ge=1)] = Field(
        10_000_000, description="Most bytes that the files of one call may have together."
    )
    max_file_bytes: Annotated[int, Field(ge=1)] = Field(
        5_000_000, description="Most bytes that one text file may have."
    )

    # Media limits.
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
    video_poll_interval_ms: Milliseconds = Field(
        15_000, description="Longest time in ms between two questions whether a video is done."
    )
    video_max_wait_ms: Milliseconds = Field(
        3_600_000, description="Time in ms after which a video that is not done is given up."
    )
    video_gen_max_bytes: Bytes = Field(
        1000 * MEGABYTE, description="Most bytes of a video that is made and downloaded."
    )

    # Requests and routing.
    max_tokens: Annotated[int, Field(ge=0)] = Field(
        0,
        description="Output limit (tokens, reasoning included) of a call that sets none; 0 = none.",
    )
    max_continuations: Annotated[int, Field(ge=0, le=10)] = Field(
        2, description="How often an answer cut by the output limit is continued; 0 = never."
    )
    max_reply_chars: Annotated[int, Field(ge=1000)] = Field(
        40_000, description="Longest reply in characters; a longer one is saved, its head shown."
    )
    include_reasoning: bool = Field(
        False, description="Show the reasoning before each answer (2,000 characters)."
    )
    cache_responses: bool = Field(
        False,
        description="Let OpenRouter answer identical requests from its cache, free of charge.",
    )
    request_timeout_seconds: Seconds = Field(
        900, description="Longest time that one request may take, retries included."
    )
    stall_timeout_seconds: Seconds = Field(
        120,
        description="Longest silence of OpenRouter in a request; images, speech: at least 300.",
    )
    provider_sort: Literal["", "price", "throughput", "latency", "exacto"] = Field(
        "", description="Order of the providers: price, throughput, latency or exacto."
    )
    provider_order: Names = Field((), description="Providers to try first, in this order.")
    provider_only: Names = Field((), description="The only providers to use.")
    provider_ignore: Names = Field((), description="Providers never to use.")
    provider_quantizations: Names = Field((), description="Quantizations to accept, as fp8, bf16.")
    provider_data_collection: Literal["", "allow", "deny"] = Field(
        "", description="deny = only providers that do not keep or train on prompts."
    )
    provider_require_parameters: bool | None = Field(
        None, description="Only providers that support every parameter sent."
    )
    provider_allow_fallbacks: bool | None = Field(
        None, description="false = only the first provider; its error is shown."
    )
    provider_max_price: Annotated[
        dict[Literal["prompt", "completion", "request", "image", "audio"], Usd],
        NoDecode,
        BeforeValidator(_json),
    ] = Field(
        {}, description='Price ceiling in USD per million tokens: {"prompt": 3, "completion": 15}.'
    )
    provider_zdr: bool | None = Field(
        None, description="true = only endpoints with zero data retention."
    )

    # Tools, state, jobs and conversations.
    tools: Names = Field(
        (), description="Modules (chat, models, ...) or tools to offer; empty = all."
    )
    state_dir: Path = Field(
        default_factory=lambda: platformdirs.user_state_path(NAME),
        description="Where catalogue, ledger, jobs and conversations are kept, readable by you "
        "only. Default: the system's place for state.",
    )
    wait_seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = Field(
        45, description="Seconds after which a call goes on as a job; 0 = calls always wait."
    )
    job_ttl_hours: Annotated[float, Field(gt=0, le=87_600, allow_inf_nan=False)] = Field(
        72, description="Hours for which jobs and their results are kept."
    )
    threads: bool = Field(True, description="off = no conversation is kept, and none continued.")
    thread_ttl_days: Annotated[float, Field(gt=0, le=3_650, allow_inf_nan=False)] = Field(
        30, description="Days after its last turn for which a conversation is kept."
    )

    # Delegation.
    mcp_config: Path | None = Field(
        None, description="MCP configuration (JSON) with the servers that run_agent may use."
    )
    agent_allow: Names = Field(
        (), description="Tools run_agent may use though not read-only: globs, as files__write_*."
    )
    agent_max_steps: Annotated[int, Field(ge=1, le=1000)] = Field(
        20, description="Most turns of the model in one run of run_agent."
    )
    agent_max_seconds: Seconds = Field(600, description="Longest time of one run of run_agent.")
    agent_result_chars: Annotated[int, Field(ge=500)] = Field(
        20_000, description="Most characters of a tool result that run_agent shows its model."
    )
    inside_agent: bool = Field(
        False, description="Set by run_agent for the servers that it starts: no run inside a run."
    )

    # Logging and attribution.
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)
    ] = Field("INFO", description="How much is logged to stderr.")
    audit_prompts: bool = Field(
        True, description="Include an 80-character prompt preview in the audit lines on stderr."
    )
    http_referer: Header = Field(
        "https://github.com/openrouter-mcp/openrouter-mcp",
        description="App address for OpenRouter's attribution.",
    )
    app_title: Header = Field(NAME, description="App name for the attribution.")
    attribution: bool = Field(True, description="false = send no attribution headers at all.")

    _problems: tuple[str, ...] = PrivateAttr(())
    _flaws: dict[str, str] = PrivateAttr(default_factory=dict)
    _own_keys: list[str] = PrivateAttr(default_factory=list)

    @model_validator(mode="wrap")
    @classmethod
    def _without_what_is_none(
        cls, variables: dict[str, Any], handler: ModelWrapValidatorHandler[Settings]
    ) -> Settings:
        """Take blanks and what can be no key for unset, and note why it can be none."""
        given = {k: v for k, v in variables.items() if not (isinstance(v, str) and v.isspace())}
        flaws, foreign = {}, []
        for name in KEYS:
            key = given.get(name)
            if not isinstance(key, str):
                continue
            given[name] = key = credentials.cleaned(key)
            if flaw := credentials.flaw(key):
                del given[name]
                flaws[name] = f"{variable(name)} {flaw}."
                if not credentials.is_placeholder(key):
                    foreign.append(key)
        settings = handler(given)
        settings._flaws.update(flaws)  # noqa: SLF001 - filled once, here
        keys = (settings.api_key, settings.management_key)
        for key in (*foreign, *(key.get_secret_value() for key in keys if key)):
            settings.add_own_key(key)
        return settings

    @property
    def flaws(self) -> Mapping[str, str]:
        """By field, why what is in its variable can be no key, and counts as unset: a sentence."""
        return self._flaws

    @property
    def own_keys(self) -> Sequence[str]:
        """The secrets of this server, which are in no text that is sent, kept or shown.

        The sequence is always the same one: it grows when the keyring's key is found.
        """
        return self._own_keys

    def add_own_key(self, key: str) -> None:
        """Hide this key too, from now on."""
        if key and key not in self._own_keys:
            self._own_keys.append(key)

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each variable that was not understood; its default is in force."""
        return self._problems


def load() -> Settings:
    """The settings from the environment; what is not understood becomes a problem, not a crash."""
    try:
        return Settings()
    except ValidationError as error:
        problems = {_field(issue["loc"][0]): issue for issue in error.errors(include_input=False)}
    fields = Settings.model_fields
    settings = Settings(
        **{name: fields[name].get_default(call_default_factory=True) for name in problems}
    )
    settings._problems = tuple(  # noqa: SLF001 - filled once, here
        f"{variable(name)}: {validation_reason(issue['msg'])}. ({fields[name].description})"
        for name, issue in problems.items()
    )
    return settings


def environment() -> Mapping[str, str]:
    """All variables, for the placeholders in the user's MCP configuration."""
    return os.environ


def variable(field: str) -> str:
    """The environment variable of a field."""
    return PREFIX + field.upper()


def _field(location: object) -> str:
    """The field that a validation error is about: pydantic names it, or one of its aliases."""
    name = str(location)
    return name.removeprefix(PREFIX).lower()
