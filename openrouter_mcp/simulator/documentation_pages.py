"""What the simulated documentation says: short pages of our own, with the real one's structure."""

from __future__ import annotations

PAGES = {
    "quickstart": (
        "Quickstart",
        "Send the first request",
        """\
OpenRouter gives many models behind one address and one key.

## With the OpenAI SDK

Change the base URL and the key; all else stays.

```python theme={null}
from openai import OpenAI

# The one line that differs
client = OpenAI(base_url="https://openrouter.ai/api/v1", api_key=key)
```

## App attribution

The optional headers `HTTP-Referer` and `X-OpenRouter-Title` put your app on the leaderboard.
""",
    ),
    "api_reference/authentication": (
        "Authentication",
        "API keys and where they go",
        """\
Send the key as a Bearer token in the `Authorization` header.

## If a key leaks

Delete it in the settings and make another. Keys found in public repositories are disabled, and
their owners get an email.

## Limits of a key

A key can have a credit limit in dollars, which resets daily, weekly or monthly.
""",
    ),
    "api_reference/limits": (
        "Rate Limits and Credits",
        "How many requests an account may send",
        """\
Ask `GET /api/v1/key` for the limits of a key and what is left.

## Free models

Models whose id ends in `:free` allow 20 requests per minute. Accounts that never bought 10
credits get 50 requests a day, all others 1000.

## Negative balance

With a negative balance every model answers 402, free ones included, until credits are added.
""",
    ),
    "api_reference/streaming": (
        "Streaming",
        "Receive the answer while it is written",
        """\
Set `stream` to true. Chunks come as server-sent events and end with `data: [DONE]`.

## Comments

Lines such as `: OPENROUTER PROCESSING` keep the connection open. Ignore them.

## Cancelling a stream

Close the connection. Providers that support cancellation stop and bill at once; with the others
the answer is completed, and billed, unseen.
""",
    ),
    "api_reference/errors-and-debugging": (
        "Errors and Debugging",
        "Status codes and what they mean",
        """\
Failures come as JSON with `error.code` and `error.message`.

| Status | Meaning |
|---|---|
| 401 | The key is missing or wrong |
| 402 | Insufficient credits |
| 403 | Input was flagged by moderation |
| 408 | The request timed out |
| 429 | Too many requests |
| 502 | The chosen model is down |
| 503 | No provider meets your routing requirements |

## Debugging upstream requests

Set `debug` with `echo_upstream_body` to see what is sent to the provider.
""",
    ),
    "guides/routing/provider-selection": (
        "Provider Routing",
        "Choose which providers answer",
        """\
By default requests are balanced across providers by price, leaving out those with recent outages.

## Ordering providers

`provider.order` lists providers to try first; `allow_fallbacks: false` keeps to the list.

```json theme={null}
{"provider": {"order": ["anvil-cloud", "northwind"], "allow_fallbacks": false}}
```

## Sorting by throughput or latency

`provider.sort` with `throughput`, `latency` or `price` switches the balancing off.

## Maximum price

`provider.max_price` refuses endpoints above a price per million tokens.

## Data policies

`provider.data_collection: "deny"` leaves out providers that store or train on prompts.
""",
    ),
    "guides/routing/model-fallbacks": (
        "Model Fallbacks",
        "Name models to try when the first one fails",
        """\
The `models` array holds further models in order of preference. If the first is down, rate-limited
or refuses for moderation, the next one is tried. You pay for the model that answers.
""",
    ),
    "guides/features/structured-outputs": (
        "Structured Outputs",
        "Answers that fit a JSON schema",
        """\
Set `response_format` to a `json_schema` with `strict: true`, and every key must be there.

## Which models can

Filter the models by `supported_parameters=structured_outputs`. With
`provider.require_parameters` only endpoints that enforce the schema are used.

## With streaming

The chunks are partial JSON that is valid once it is complete.
""",
    ),
    "guides/features/response-caching": (
        "Response Caching",
        "Identical requests answered from a cache",
        """\
With `X-OpenRouter-Cache: true` an identical request is answered from the cache at no charge.

## Lifetime

`X-OpenRouter-Cache-TTL` sets the seconds, up to a day. The header `X-OpenRouter-Cache-Age` of a hit
tells its age.
""",
    ),
    "guides/features/zdr": (
        "Zero Data Retention",
        "Keep prompts from being stored",
        """\
`provider.zdr: true` routes only to endpoints that retain no prompts. It can also be enforced for
the whole account, in the privacy settings.
""",
    ),
    "guides/features/plugins/web-search": (
        "Web Search",
        "Ground answers in search results",
        """\
Append `:online` to a model id, or use the `web` plugin. Sources come as `url_citation` annotations.

## Pricing

A search costs $4 per 1000 results; five results are fetched unless `max_results` says otherwise.
""",
    ),
    "guides/best-practices/prompt-caching": (
        "Prompt Caching",
        "Pay less for repeated prompts",
        """\
Providers keep the beginning of a prompt and charge less when it is repeated.

## Breakpoints

Some providers need `cache_control` on the part where the repeated text ends. The cache lives for
five minutes unless `ttl` says `1h`.

## How much was saved

`usage.prompt_tokens_details.cached_tokens` counts what was read from the cache.
""",
    ),
    "guides/best-practices/reasoning-tokens": (
        "Reasoning Tokens",
        "Let a model think before it answers",
        """\
`reasoning.effort` goes from `minimal` to `max`; `reasoning.max_tokens` sets a budget in tokens.

## Hide the reasoning

`reasoning.exclude: true` leaves it out of the answer. It is billed as output all the same.
""",
    ),
    "guides/overview/auth/byok": (
        "BYOK",
        "Bring your own provider keys",
        """\
Add the key of a provider in the settings and requests use your own account there. The first
million requests a month are free of our fee; after that it is 5 percent.
""",
    ),
}
"""Title, description and text of each page, by its path."""

MOVED = {
    "features/provider-routing": "guides/routing/provider-selection",
    "features/web-search": "guides/features/plugins/web-search",
    "api-reference/limits": "api_reference/limits",
}
"""Where former paths lead."""

SKILLS = {
    "openrouter-models": (
        "Find, compare and resolve models. Use for any question about which models there are.",
        "Ask `GET /api/v1/models`. Resolve a loose name to an id before sending it.",
    ),
    "openrouter-images": (
        "Generate and edit images. Use when the user wants a picture.",
        "Ask `GET /api/v1/images/models`, choose one, then `POST /api/v1/images`.",
    ),
    "openrouter-tts": (
        "Turn text into speech. Use for narration and voice-over.",
        "Choose a voice from `supported_voices`. Split long texts at sentences.",
    ),
    "openrouter-video": (
        "Generate videos from text or images.",
        "Submit to `POST /api/v1/videos`, poll every 30 seconds, then download.",
    ),
    "spawn-ori-eval": (
        "Write and run a first evaluation of models on a code base.",
        "Install the harness, let it read the repository, and compare the models per task.",
    ),
}
"""Description and text of each skill, by its name."""
