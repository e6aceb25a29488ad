"""The models that chat: the well-known families in undated form, and invented ones."""

from __future__ import annotations

from typing import Any

from openrouter_mcp.simulator.rows import SAMPLING, batch, free, prices, row, scores, thinking

SEES = "text image file"
SENSES = "text image file audio video"


def claude(
    slug: str, day: str, price: str, output: str, benchmarks: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """A Claude model; its cache prices follow from `price`, all in USD per million."""
    cache = f"{float(price) / 10:g}", f"{float(price) * 1.25:g}", f"{float(price) * 2:g}"
    read, write, write_1h = cache
    pricing = prices(
        price,
        output,
        input_cache_read=read,
        input_cache_write=write,
        input_cache_write_1h=write_1h,
        web_search="0.01",
    )
    size: dict[str, Any] = {"context": 200_000, "max_output": 64_000} | more
    name = f"Anthropic: {slug.replace('-', ' ').title()}"
    return row(
        f"anthropic/{slug}",
        name,
        day,
        pricing,
        inputs=SEES,
        tokenizer="Claude",
        moderated=True,
        reasoning=thinking("high", "max", "xhigh", "high", "medium", "low", "none", enabled=False),
        benchmarks=benchmarks,
        **size,
    )


_SONNET = claude(
    "claude-sonnet-5", "2026-07-15", "3", "15", scores(60, 72, 55, 1340), context=1_000_000
)
_SONNET["pricing"]["overrides"] = [
    {"min_prompt_tokens": 200_000} | prices("6", "22.5", input_cache_read="0.6")
]
ANTHROPIC = [
    _SONNET,
    claude("claude-opus-5", "2026-07-23", "5", "25", scores(64, 79, 60, 1370)),
    claude("claude-haiku-5", "2026-06-30", "1", "5", scores(48, 55, 42, 1250)),
    claude("claude-opus-4.8", "2026-04-10", "5", "25", scores(58, 70, 52, 1320)),
    claude("claude-sonnet-4.5", "2025-09-29", "3", "15", scores(50, 60, 44, 1270)),
    claude("claude-haiku-4.5", "2025-10-15", "1", "5", scores(41, 47, 36, 1190)),
]
"""Two generations of each Claude family."""

_MUST_THINK = thinking("medium", "high", "medium", "low", "minimal", mandatory=True)
_MAY_THINK = thinking("medium", "xhigh", "high", "medium", "low", "none")
_GPT: dict[str, Any] = {
    "inputs": SEES,
    "tokenizer": "GPT",
    "context": 400_000,
    "max_output": 128_000,
}
_GPT_NEWEST = row(
    "openai/gpt-5.4",
    "OpenAI: GPT-5.4",
    "2026-03-05",
    prices("2.5", "10", input_cache_read="0.25", web_search="0.01")
    | {"overrides": [{"min_prompt_tokens": 272_000} | prices("5", "15")]},
    reasoning=_MAY_THINK,
    benchmarks=scores(59, 71, 54, 1330),
    **_GPT,
)
_GPT_OSS = row(
    "openai/gpt-oss-20b",
    "OpenAI: gpt-oss-20b",
    "2025-08-05",
    prices("0.04", "0.15"),
    tokenizer="GPT",
    reasoning=thinking("medium", "high", "medium", "low", mandatory=True),
)
OPENAI = [
    _GPT_NEWEST,
    row(
        "openai/gpt-5-mini",
        "OpenAI: GPT-5 Mini",
        "2025-08-07",
        prices("0.25", "2", input_cache_read="0.025", web_search="0.01"),
        reasoning=_MUST_THINK,
        benchmarks=scores(26, 16, 20, 1140),
        **_GPT,
    ),
    row(
        "openai/gpt-5-nano",
        "OpenAI: GPT-5 Nano",
        "2025-08-07",
        prices("0.05", "0.4", input_cache_read="0.005"),
        reasoning=_MUST_THINK,
        **_GPT,
    ),
    row(
        "openai/gpt-5.2",
        "OpenAI: GPT-5.2",
        "2025-12-10",
        prices("1.75", "14", input_cache_read="0.175", web_search="0.01"),
        reasoning=_MAY_THINK,
        benchmarks=scores(51, 62, 46, 1280),
        **_GPT,
    ),
    batch(_GPT_NEWEST),
    _GPT_OSS,
    free(_GPT_OSS),
]
"""They reason by default; the newest can be told not to."""

_GEMINI: dict[str, Any] = {
    "inputs": SENSES,
    "tokenizer": "Gemini",
    "context": 1_048_576,
    "max_output": 65_536,
    "reasoning": thinking("medium", "high", "medium", "low", mandatory=True),
}
_LONG_GEMINI = [{"min_prompt_tokens": 200_000} | prices("4", "18")]
GOOGLE = [
    row(
        "google/gemini-3.5-flash",
        "Google: Gemini 3.5 Flash",
        "2026-05-20",
        prices("0.3", "2.5", input_cache_read="0.03", audio="1", web_search="0.014"),
        benchmarks=scores(52, 68, 45, 1310),
        **_GEMINI,
    ),
    row(
        "google/gemini-3.1-pro-preview",
        "Google: Gemini 3.1 Pro Preview",
        "2026-02-19",
        prices("2", "12", input_cache_read="0.2", web_search="0.014") | {"overrides": _LONG_GEMINI},
        benchmarks=scores(57, 66, 48, 1345),
        **_GEMINI,
    ),
    row(
        "google/gemini-2.5-flash",
        "Google: Gemini 2.5 Flash",
        "2025-06-17",
        prices("0.3", "2.5", input_cache_read="0.03"),
        benchmarks=scores(27, 25, 18, 1150),
        **_GEMINI,
    ),
    row(
        "google/gemini-2.5-pro",
        "Google: Gemini 2.5 Pro",
        "2025-06-17",
        prices("1.25", "10", input_cache_read="0.125"),
        benchmarks=scores(36, 34, 24, 1220),
        **_GEMINI,
    ),
]
"""Two generations of Gemini Pro and Flash, which hear and see video."""

_NIGHT = {"utc_start": 1630, "utc_end": 30} | prices("0.14", "0.21")
_LLAMA = row(
    "meta-llama/llama-3.3-70b-instruct",
    "Meta: Llama 3.3 70B Instruct",
    "2024-12-06",
    prices("0.1", "0.32"),
    tokenizer="Llama3",
)
_BREEZE = row(
    "northwind/breeze-mini",
    "Northwind: Breeze Mini",
    "2026-08-01",
    prices("0.05", "0.2"),
    inputs="text image",
    context=65_536,
)
_LOW_OR_HIGH = thinking("high", "high", "low", enabled=False)
OPEN_WEIGHTS = [
    row(
        "deepseek/deepseek-v3.2",
        "DeepSeek: DeepSeek V3.2",
        "2025-12-01",
        prices("0.28", "0.42", input_cache_read="0.028") | {"overrides": [_NIGHT]},
        context=163_840,
        max_output=65_536,
        tokenizer="DeepSeek",
        reasoning=_LOW_OR_HIGH,
        benchmarks=scores(42, 40, 35, 1230),
    ),
    row(
        "x-ai/grok-4.1-fast",
        "xAI: Grok 4.1 Fast",
        "2025-11-19",
        prices("0.2", "0.5", input_cache_read="0.05", web_search="0.005"),
        inputs="text image",
        context=2_000_000,
        tokenizer="Grok",
        reasoning=_LOW_OR_HIGH,
        benchmarks=scores(39, 38, 40, 1210),
    ),
    row("qwen/qwen3-coder-plus", "Qwen: Qwen3 Coder Plus", "2025-09-23", prices("1", "5")),
    row("moonshotai/kimi-k3", "MoonshotAI: Kimi K3", "2026-06-12", prices("0.6", "2.5")),
    row(
        "z-ai/glm-5.2", "Z.ai: GLM 5.2", "2026-05-28", prices("0.6", "2.2"), reasoning=_LOW_OR_HIGH
    ),
    row("mistralai/mistral-large-3", "Mistral Large 3", "2025-12-02", prices("0.5", "1.5")),
    row(
        "perplexity/sonar-pro",
        "Perplexity: Sonar Pro",
        "2025-03-07",
        prices("3", "15", web_search="0.005", request="0.006"),
        parameters=[*SAMPLING, "web_search_options"],
    ),
    _LLAMA,
    free(_LLAMA),
    _BREEZE,
    free(_BREEZE),
    row(
        "acme-labs/anvil-2",
        "Acme Labs: Anvil 2",
        "2026-09-15",
        prices("0.5", "2"),
        reasoning=thinking("low", "high", "low"),
        benchmarks=scores(45, 51, 39, 1240),
    ),
    row(
        "tessera/mosaic-7b",
        "Tessera: Mosaic 7B",
        "2026-01-20",
        prices("0.02", "0.05"),
        context=8_192,
        max_output=2_048,
        parameters=SAMPLING,
    ),
]
"""Models that many providers serve, among them authors who do not exist."""
