"""Every failure as a code and an instruction: what happened, why, what to do next.

`OpenRouterError` is the one exception that reaches the tool boundary. Where its codes come from
("OpenRouter" is an error of its own, which `api.failures` maps):

    what was asked for
        INVALID_INPUT        OpenRouter; middleware: arguments, variables; whatever plans a call
        MODEL_NOT_FOUND      OpenRouter; models: no id or name of the catalogue matches
        MODEL_UNAVAILABLE    OpenRouter; models, chat: no model or endpoint can do this
        NOT_FOUND            OpenRouter; files, jobs, threads, docs, account: no such path, id, page
        UNSUPPORTED_FORMAT   OpenRouter; files, multimodal: not a readable file of that kind
        TOO_LARGE            OpenRouter; files, multimodal, docs: above a limit of bytes or length
        CONTEXT_TOO_LONG     OpenRouter
        UNSAFE_PATH          files: a secret, or a path outside of the allowed directories
        UNSAFE_URL           files, docs: a private address, or one of another site
    key and money
        AUTH                 OpenRouter; api: there is no key
        PERMISSION           OpenRouter
        NO_CREDITS           OpenRouter
        BUDGET_EXCEEDED      spending: a cap, `max_cost`, or the user's no
        RATE_LIMITED         OpenRouter; threads: another turn of the conversation still runs
    the answer
        REFUSED              OpenRouter; completions, multimodal: the model or a filter declined
        UPSTREAM_TIMEOUT     OpenRouter; api, files, docs: silence, or a deadline has passed
        UPSTREAM_ERROR       OpenRouter; api, completions, docs: a reply broke or means nothing
        NETWORK              api, files, docs: no connection
        JOB_FAILED           jobs, multimodal: the server of a job died, or its video failed
        CANCELLED            OpenRouter; jobs, files: the caller has gone, or wanted it
    this server
        INTERNAL             middleware, jobs: a defect; the log has the traceback
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from fastmcp.exceptions import ToolError

from openrouter_mcp.text import without_middle

LONGEST_MESSAGE = 2000
"""Characters: a message may quote what callers and others wrote, who write at any length."""
MOST_SUGGESTIONS = 20
OR_ELSE = re.compile(r"Call again\b[^,;]*?(?:, or|,|;) (\w)")
CALL_AGAIN = re.compile(r" ?Call again\b.*?\.(?= |$)")


class Code(StrEnum):
    """The closed set of error codes, in `_meta["openrouter/error"]["code"]`."""

    INVALID_INPUT = "INVALID_INPUT"
    MODEL_NOT_FOUND = "MODEL_NOT_FOUND"
    MODEL_UNAVAILABLE = "MODEL_UNAVAILABLE"
    NOT_FOUND = "NOT_FOUND"
    AUTH = "AUTH"
    PERMISSION = "PERMISSION"
    NO_CREDITS = "NO_CREDITS"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    RATE_LIMITED = "RATE_LIMITED"
    REFUSED = "REFUSED"
    CONTEXT_TOO_LONG = "CONTEXT_TOO_LONG"
    UNSUPPORTED_FORMAT = "UNSUPPORTED_FORMAT"
    TOO_LARGE = "TOO_LARGE"
    UNSAFE_PATH = "UNSAFE_PATH"
    UNSAFE_URL = "UNSAFE_URL"
    UPSTREAM_TIMEOUT = "UPSTREAM_TIMEOUT"
    UPSTREAM_ERROR = "UPSTREAM_ERROR"
    NETWORK = "NETWORK"
    JOB_FAILED = "JOB_FAILED"
    CANCELLED = "CANCELLED"
    INTERNAL = "INTERNAL"


NEXT_STEP = {
    Code.INVALID_INPUT: "Correct that and call again.",
    Code.MODEL_NOT_FOUND: "Use find_models to find a live id.",
    Code.MODEL_UNAVAILABLE: "Loosen the provider options, or choose another model (find_models).",
    Code.NOT_FOUND: "Check the id or address; statistics of a generation can take some seconds to "
    "appear.",
    Code.AUTH: "Set OPENROUTER_API_KEY to a valid key from https://openrouter.ai/keys in the MCP "
    "client's configuration and restart this server.",
    Code.PERMISSION: "Use a key that may do this, or ask the owner of the account to allow it.",
    Code.NO_CREDITS: "Add credits at https://openrouter.ai/credits, or ask for less.",
    Code.RATE_LIMITED: "Call again later, or name another model.",
    Code.REFUSED: "Rephrase the request or choose another model.",
    Code.CONTEXT_TOO_LONG: "Shorten the input, or choose a model with a larger context "
    "(find_models, min_context).",
    Code.UNSUPPORTED_FORMAT: "Send the file in a format that the model takes (see get_model).",
    Code.TOO_LARGE: "Send less, or smaller files.",
    Code.UPSTREAM_TIMEOUT: "Call again, or choose a faster model.",
    Code.UPSTREAM_ERROR: "Call again, or choose another model or provider.",
    Code.NETWORK: "Check the network, the proxy and OPENROUTER_BASE_URL, then call again.",
    Code.CANCELLED: "Call again if the answer is still wanted.",
    Code.INTERNAL: "This is a defect of openrouter-mcp: its log (stderr) says more.",
}


class OpenRouterError(ToolError):
    """A failure that a caller can act on: `message` ends with the next step.

    A `ToolError`, so that FastMCP passes it on as it is. `retry_after` is seconds; `availability`
    is OpenRouter's own object, as it came; `suggestions` are model ids or argument names to use
    instead; `reply` is the JSON that told of the failure, which may tell what it has cost too.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        http_status: int | None = None,
        availability: Mapping[str, Any] | None = None,
        suggestions: Sequence[str] = (),
        reply: Mapping[str, Any] | None = None,
    ) -> None:
        message = without_middle(message, LONGEST_MESSAGE)
        super().__init__(message, log_level=logging.DEBUG)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after
        self.http_status = http_status
        self.availability = availability
        self.suggestions = list(suggestions)[:MOST_SUGGESTIONS]
        self.reply = reply or {}

    def advised(self, step: str) -> OpenRouterError:
        """The same failure with one more next step."""
        return self._saying(f"{self.message} {step}")

    @property
    def once_paid(self) -> OpenRouterError:
        """The same failure without the advice to call again, which would be paid again."""
        said = OR_ELSE.sub(lambda found: found[1].upper(), self.message)
        said = CALL_AGAIN.sub("", said)
        return self if said == self.message else self._saying(said)

    def _saying(self, message: str) -> OpenRouterError:
        return OpenRouterError(
            self.code,
            message,
            retryable=self.retryable,
            retry_after=self.retry_after,
            http_status=self.http_status,
            availability=self.availability,
            suggestions=self.suggestions,
            reply=self.reply,
        )

    def meta(self) -> dict[str, Any]:
        """What a program switches on: `_meta["openrouter/error"]`."""
        optional = {
            "retry_after": self.retry_after,
            "http_status": self.http_status,
            "availability": self.availability,
            "suggestions": self.suggestions,
        }
        present = {name: value for name, value in optional.items() if value not in (None, [])}
        return {"code": self.code.value, "retryable": self.retryable, **present}
