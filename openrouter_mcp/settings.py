"""Every OPENROUTER_* variable: typed, defaulted, explained. The only reader of the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
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

from openrouter_mcp import WEBSITE, credentials
from openrouter_mcp.text import did_you_mean, nearest, parse_json, showable, validation_reason

NAME = "openrouter-mcp"
PREFIX = "OPENROUTER_"
KEYS = {"api_key", "management_key"}
OURS = re.compile(r"OPEN_?ROUTER_?(.+)")
"""Names that somebody meant for this server, also with an underscore too many or too few."""
LONGEST_NAME = 80
LIMITING = ("COST", "BUDGET", "LIMIT", "SPEND", "USD", "DOLLAR", "CONFIRM")
CAPS = {"max_cost_per_call", "max_cost_per_session", "max_cost_per_day"}
LIMITS = {
    "CALL": "max_cost_per_call",
    "REQUEST": "max_cost_per_call",
    "SESSION": "max_cost_per_session",
    "DAY": "max_cost_per_day",
    "DAILY": "max_cost_per_day",
    "CONFIRM": "confirm_above",
}
"""What limits the cost, by the words that people use for it."""
LAST_PORT = 65_535
MEGABYTE = 1_000_000
MOST_USD = 1_000_000_000
"""What is above it is a mistake, and may be too much for a double."""
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
    return value.upper() if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


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
Usd = Annotated[Decimal, Field(ge=0, le=MOST_USD, allow_inf_nan=False)]


class Settings(BaseSettings):
    """The configuration of one server, read once at its start. Empty variables count as unset."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

    # Key and addresses.
    api_key: Key | None = Field(
        None,
        description="Your key from https://openrouter.ai/keys. Unset: the key that "
        "`openrouter-mcp login` kept.",
    )
    management_key: Key | None = Field(
        None,
        description="A management key, for the balance and the activity of the whole account.",
    )
    base_url: Url = Field(
        "https://openrouter.ai/api/v1", description="Where OpenRouter's API answers."
    )
    docs_url: Url = Field(
        "https://openrouter.ai/docs",
        description="Where OpenRouter's documentation is. The key is never sent there.",
    )
    skills_url: Url = Field(
        "https://openrouter.ai/skills",
        description="Where OpenRouter's skills are. The key is never sent there.",
    )

    # Models.
    default_model: str = Field(
        "openrouter/auto",
        validation_alias=AliasChoices("OPENROUTER_DEFAULT_MODEL", "DEFAULT_MODEL"),
        description="Model of a call that names none. DEFAULT_MODEL is another name of this "
        "variable.",
    )
    default_image_model: str = Field("", description=f"Model of generate_image; {POPULAR}.")
    default_vision_model: str = Field(
        "", description="Model of analyze_media; empty = a popular, well-priced one."
    )
    default_video_model: str = Field(
        "",
        description="Model of analyze_media for files with a video; empty = a popular, "
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
        3_600_000, description="Age (ms) at which the model catalogue is fetched again."
    )

    # Money.
    confirm_above: Usd = Field(
        Decimal(0),
        description="Ask the user before a call that can cost more than this (USD); 0 = never ask.",
    )
    max_cost_per_call: Usd = Field(
        Decimal(0), description="The most that one call may cost (USD); 0 = no cap."
    )
    max_cost_per_session: Usd = Field(
        Decimal(0),
        description="The most that all calls of one server process may cost together (USD); 0 = "
        "no cap.",
    )
    max_cost_per_day: Usd = Field(
        Decimal(0),
        description="The most that all servers may spend on one UTC day (USD); 0 = no cap.",
    )

    # Files.
    output_dir: Path = Field(Path("~/openrouter-output"), description="Where new files are saved.")
    input_dirs: Directories = Field(
        (),
        description="Folders that files may be read from, besides the output folder; separated "
        "as in PATH. Default: your home, the temporary folder and, unless it "
        "belongs to the system, the working directory.",
    )
    allow_unsafe_paths: bool = Field(
        False,
        description="true = read and write anywhere: secrets, hidden names, scripts.",
    )
    allow_private_urls: bool = Field(
        False, description="true = fetch files from your own network and this computer, too."
    )
    max_files: Annotated[int, Field(ge=1)] = Field(
        500, description="The most files that one call may read."
    )
    max_files_bytes: Annotated[int, Field(ge=1)] = Field(
        10_000_000, description="The most bytes that the files of one call may have together."
    )
    max_file_bytes: Annotated[int, Field(ge=1)] = Field(
        5_000_000, description="The most bytes that one text file may have."
    )

    # Media limits.
    image_max_dimension: Annotated[int, Field(ge=16)] = Field(
        1568,
        description="Longest side in pixels. Larger images are scaled down before they are sent.",
    )
    image_jpeg_quality: Annotated[int, Field(ge=1, le=100)] = Field(
        85, description="Quality of the images that are scaled down and sent as JPEG or WebP."
    )
    image_max_bytes: Bytes = Field(
        50 * MEGABYTE, description="The most bytes that one image may have."
    )
    audio_max_bytes: Bytes = Field(
        100 * MEGABYTE, description="The most bytes that one audio file may have."
    )
    video_max_bytes: Bytes = Field(
        500 * MEGABYTE, description="The most bytes that one video may have."
    )
    pdf_max_bytes: Bytes = Field(
        100 * MEGABYTE, description="The most bytes that one PDF may have."
    )
    image_max_download_bytes: Bytes = Field(
        25 * MEGABYTE, description="The most bytes of an image that is fetched from a URL."
    )
    audio_max_download_bytes: Bytes = Field(
        50 * MEGABYTE, description="The most bytes of an audio file that is fetched from a URL."
    )
    video_max_download_bytes: Bytes = Field(
        200 * MEGABYTE,
        description="The most bytes of a video or PDF that is fetched from a URL.",
    )
    image_max_data_url_bytes: Bytes = Field(
        20 * MEGABYTE, description="The most bytes of an image in a data URL, decoded."
    )
    audio_max_data_url_bytes: Bytes = Field(
        20 * MEGABYTE, description="The most bytes of an audio file in a data URL, decoded."
    )
    video_max_data_url_bytes: Bytes = Field(
        20 * MEGABYTE, description="The most bytes of a video or PDF in a data URL, decoded."
    )
    image_fetch_timeout_ms: Milliseconds = Field(
        30_000, description="The longest time (ms) to fetch an image from a URL."
    )
    audio_fetch_timeout_ms: Milliseconds = Field(
        60_000, description="The longest time (ms) to fetch an audio file from a URL."
    )
    video_fetch_timeout_ms: Milliseconds = Field(
        120_000, description="The longest time (ms) to fetch a video or PDF from a URL."
    )
    image_max_redirects: Redirects = Field(
        5, description="The most redirects on the way to an image or a text."
    )
    audio_max_redirects: Redirects = Field(
        5, description="The most redirects on the way to an audio file."
    )
    video_max_redirects: Redirects = Field(
        5, description="The most redirects on the way to a video or PDF."
    )
    video_poll_interval_ms: Milliseconds = Field(
        15_000, description="The longest pause (ms) between two checks whether a video is done."
    )
    video_max_wait_ms: Milliseconds = Field(
        3_600_000, description="How long (ms) to wait for a video before the job fails."
    )
    video_gen_max_bytes: Bytes = Field(
        1000 * MEGABYTE, description="The most bytes of a generated video that is downloaded."
    )

    # Requests and routing.
    max_tokens: Annotated[int, Field(ge=0)] = Field(
        0,
        description="Output limit (tokens, with reasoning) of a call that sets none; 0 = no limit.",
    )
    max_continuations: Annotated[int, Field(ge=0, le=10)] = Field(
        2, description="How often an answer that the output limit cut is continued; 0 = never."
    )
    max_reply_chars: Annotated[int, Field(ge=1000)] = Field(
        20_000,
        description="Longest reply (characters). Of a longer one a part is shown, and all of it is "
        "saved as a file.",
    )
    previews: bool = Field(
        True, description="Small copies of images in replies, beside their files; off = none."
    )
    include_reasoning: bool = Field(
        False, description="true = show the reasoning (2,000 characters) before each answer."
    )
    cache_responses: bool = Field(
        False,
        description="true = OpenRouter may answer identical requests from its cache, free of "
        "charge.",
    )
    request_timeout_seconds: Seconds = Field(
        900, description="The longest time of one request, with all retries."
    )
    stall_timeout_seconds: Seconds = Field(
        120,
        description="The longest time without a byte from OpenRouter; at least 300 for images "
        "and speech.",
    )
    provider_sort: Annotated[
        Literal["", "price", "throughput", "latency", "exacto"], BeforeValidator(_lower)
    ] = Field("", description="Which providers come first: price, throughput, latency or exacto.")
    provider_order: Names = Field((), description="Providers to try first, in this order.")
    provider_only: Names = Field((), description="The only providers to use.")
    provider_ignore: Names = Field((), description="Providers never to use.")
    provider_quantizations: Names = Field(
        (), description="Quantizations to accept, such as fp8, bf16."
    )
    provider_data_collection: Annotated[Literal["", "allow", "deny"], BeforeValidator(_lower)] = (
        Field("", description="deny = only providers that do not keep or train on prompts.")
    )
    provider_require_parameters: bool | None = Field(
        None, description="true = only providers that support every parameter sent."
    )
    provider_allow_fallbacks: bool | None = Field(
        None, description="false = only the first provider, and its error if it fails."
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
        (),
        description="Tools or groups of tools (chat, models, multimodal, account) to offer; "
        "empty = all.",
    )
    state_dir: Path = Field(
        default_factory=lambda: platformdirs.user_state_path(NAME),
        description="Where the catalogue, the ledger, jobs and conversations are kept; only you "
        "can read it. Default: where the system keeps state.",
    )
    wait_seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = Field(
        45,
        description="Seconds after which a call goes on as a job; 0 = every call waits until it "
        "is done.",
    )
    job_ttl_hours: Annotated[float, Field(gt=0, le=87_600, allow_inf_nan=False)] = Field(
        72, description="How long (hours) jobs and their results are kept."
    )
    threads: bool = Field(True, description="off = keep and continue no conversations.")
    thread_ttl_days: Annotated[float, Field(gt=0, le=3_650, allow_inf_nan=False)] = Field(
        30, description="How long (days) a conversation is kept after its last turn."
    )

    # Delegation.
    mcp_config: Path | None = Field(
        None, description="The MCP configuration (JSON) with the servers that run_agent may use."
    )
    agent_allow: Names = Field(
        (),
        description="Tools that run_agent may use although they are not read-only; patterns "
        "such as files__write_*.",
    )
    agent_commands: Names = Field(
        (),
        description="Commands that run_agent may run in the copy of a workspace: patterns of whole "
        "commands such as pytest*, npm test.",
    )
    agent_max_steps: Annotated[int, Field(ge=1, le=1000)] = Field(
        20, description="The most turns of the model in one run of run_agent."
    )
    agent_max_seconds: Seconds = Field(
        600, description="The longest time (seconds) of one run of run_agent."
    )
    agent_result_chars: Annotated[int, Field(ge=500)] = Field(
        20_000, description="The most characters of a tool result that run_agent shows its model."
    )
    inside_agent: bool = Field(
        False,
        description="run_agent sets it for the servers that it starts, so that no run starts "
        "another.",
    )

    # Logging and attribution.
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)
    ] = Field(
        "INFO", description="What is logged to stderr: DEBUG, INFO, WARNING, ERROR or CRITICAL."
    )
    audit_prompts: bool = Field(
        True,
        description="true = the log on stderr shows the first 80 characters of each paid prompt.",
    )
    http_referer: Header = Field(
        WEBSITE,
        description="Address of the app, which OpenRouter's rankings show.",
    )
    app_title: Header = Field(
        NAME, description="Name of the app, which OpenRouter's rankings show."
    )
    attribution: bool = Field(True, description="false = do not tell OpenRouter which app asks.")

    _problems: dict[str, str] = PrivateAttr(default_factory=dict)
    _unknown: dict[str, str] = PrivateAttr(default_factory=dict)
    _flaws: dict[str, str] = PrivateAttr(default_factory=dict)
    _own_keys: list[str] = PrivateAttr(default_factory=list)

    @model_validator(mode="wrap")
    @classmethod
    def _without_what_is_none(
        cls, variables: dict[str, Any], handler: ModelWrapValidatorHandler[Settings]
    ) -> Settings:
        """Take blanks and what can be no key for unset, and note why it can be none."""
        given = {k: v.strip() if isinstance(v, str) else v for k, v in variables.items()}
        given = {name: value for name, value in given.items() if value != ""}
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
        return tuple(self._problems.values())

    def is_wrong(self, field: str) -> bool:
        """Whether the variable of this field was not understood."""
        return field in self._problems

    @property
    def unknown(self) -> Mapping[str, str]:
        """By name, a sentence on each variable that is meant for this server and is none of it."""
        return self._unknown

    @property
    def unknown_limits(self) -> tuple[str, ...]:
        """The sentences on those by which somebody believes to have limited the cost."""
        return tuple(said for name, said in self._unknown.items() if _seems_a_limit(name))


def load() -> Settings:
    """The settings from the environment; what is not understood becomes a problem, not a crash."""
    fields = Settings.model_fields
    problems = {}
    try:
        settings = Settings()
    except ValidationError as error:
        problems = {_field(issue["loc"][0]): issue for issue in error.errors(include_input=False)}
        defaults = {name: fields[name].get_default(call_default_factory=True) for name in problems}
        settings = Settings(**defaults)
    for name, issue in problems.items():
        reason = f"{validation_reason(issue['msg'])}. ({fields[name].description})"
        settings._problems[name] = f"{variable(name)}: {reason}"  # noqa: SLF001 - filled once, here
    settings._unknown.update(_unknown())  # noqa: SLF001 - filled once, here
    return settings


def _unknown() -> Iterator[tuple[str, str]]:
    """Each variable that is meant for this server and is none of it, and what to say of it."""
    known = {name.upper(): variable(name) for name in Settings.model_fields}
    for name, value in os.environ.items():
        match = OURS.fullmatch(name.upper())
        if not match or not value.strip() or name.upper() in known.values():
            continue
        said = showable(name)[:LONGEST_NAME]
        limits = _seems_a_limit(name)
        near = [known[each] for each in nearest(match[1], known, most=1, likeness=0.8)]
        if limits and not near:
            words = {field for word, field in LIMITS.items() if word in name.upper()}
            near = [variable(field) for field in sorted(words or CAPS)]
        near = near or [known[each] for each in nearest(match[1], known, most=1, likeness=0.6)]
        nothing = ", so it limits nothing" if limits else ""
        guess = did_you_mean(near, "docs/variables.md has them all.")
        yield name, f"{said} is no variable of {NAME}{nothing}. {guess}"


def _seems_a_limit(name: str) -> bool:
    """Whether somebody who sets this variable believes to have limited the cost."""
    words = {*name.upper().split("_")}
    return bool(words & {"CAP", "CAPS"}) or any(word in name.upper() for word in LIMITING)


def environment() -> Mapping[str, str]:
    """All variables of this process: to find programs, and to fill placeholders."""
    return os.environ


def variable(field: str) -> str:
    """The environment variable of a field."""
    return PREFIX + field.upper()


def _field(location: object) -> str:
    """The field that a validation error is about: pydantic names it, or one of its aliases."""
    name = str(location)
    return name.removeprefix(PREFIX).lower()
