"""Every way in which OpenRouter says no, as a code and a next step."""

import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.api.failures import AVAILABILITY_STEP, failure
from openrouter_mcp.errors import NEXT_STEP, Code, OpenRouterError
from openrouter_mcp.text import clean, duration

LONGEST_MESSAGE = 1500
KEY = "sk-or-v1-" + "0e6f" * 16
DOCS = "https://openrouter.ai/docs/errors#"

ERROR_TYPES = {
    "context_length_exceeded": (400, Code.CONTEXT_TOO_LONG),
    "max_tokens_exceeded": (400, Code.CONTEXT_TOO_LONG),
    "token_limit_exceeded": (400, Code.CONTEXT_TOO_LONG),
    "string_too_long": (400, Code.CONTEXT_TOO_LONG),
    "invalid_request": (400, Code.INVALID_INPUT),
    "invalid_prompt": (400, Code.INVALID_INPUT),
    "content_policy_violation": (400, Code.REFUSED),
    "refusal": (400, Code.REFUSED),
    "invalid_image": (400, Code.UNSUPPORTED_FORMAT),
    "image_too_large": (400, Code.TOO_LARGE),
    "image_too_small": (400, Code.UNSUPPORTED_FORMAT),
    "unsupported_image_format": (400, Code.UNSUPPORTED_FORMAT),
    "image_download_failed": (400, Code.INVALID_INPUT),
    "authentication": (401, Code.AUTH),
    "payment_required": (402, Code.NO_CREDITS),
    "permission_denied": (403, Code.PERMISSION),
    "not_found": (404, Code.MODEL_UNAVAILABLE),
    "image_not_found": (404, Code.NOT_FOUND),
    "precondition_failed": (412, Code.INVALID_INPUT),
    "payload_too_large": (413, Code.TOO_LARGE),
    "unprocessable": (422, Code.INVALID_INPUT),
    "rate_limit_exceeded": (429, Code.RATE_LIMITED),
    "server": (500, Code.UPSTREAM_ERROR),
    "unmapped": (500, Code.UPSTREAM_ERROR),
    "provider_unavailable": (502, Code.UPSTREAM_ERROR),
    "provider_overloaded": (503, Code.UPSTREAM_ERROR),
    "timeout": (504, Code.UPSTREAM_TIMEOUT),
}
AVAILABILITY = {
    "model_not_found": (400, False, Code.MODEL_NOT_FOUND),
    "wrong_endpoint": (400, False, Code.INVALID_INPUT),
    "no_endpoints": (404, False, Code.MODEL_UNAVAILABLE),
    "model_deprecated": (404, False, Code.MODEL_UNAVAILABLE),
    "model_unavailable_upstream": (404, False, Code.MODEL_UNAVAILABLE),
    "capacity_exhausted": (429, True, Code.RATE_LIMITED),
    "temporarily_unavailable": (503, True, Code.MODEL_UNAVAILABLE),
    "region_restricted": (403, False, Code.PERMISSION),
    "privacy_restricted": (404, False, Code.MODEL_UNAVAILABLE),
    "constraint_filtered": (404, False, Code.MODEL_UNAVAILABLE),
    "free_variant_ended": (404, False, Code.MODEL_UNAVAILABLE),
}
STATUSES = {
    400: (Code.INVALID_INPUT, False),
    401: (Code.AUTH, False),
    402: (Code.NO_CREDITS, False),
    403: (Code.PERMISSION, False),
    404: (Code.MODEL_UNAVAILABLE, False),
    408: (Code.UPSTREAM_TIMEOUT, True),
    409: (Code.INVALID_INPUT, False),
    410: (Code.NOT_FOUND, False),
    412: (Code.INVALID_INPUT, False),
    413: (Code.TOO_LARGE, False),
    422: (Code.INVALID_INPUT, False),
    429: (Code.RATE_LIMITED, True),
    499: (Code.CANCELLED, False),
    500: (Code.UPSTREAM_ERROR, True),
    502: (Code.UPSTREAM_ERROR, True),
    503: (Code.UPSTREAM_ERROR, True),
    504: (Code.UPSTREAM_TIMEOUT, True),
    524: (Code.UPSTREAM_TIMEOUT, True),
    529: (Code.UPSTREAM_ERROR, True),
}


def standard(code: object, message: str = "Something failed", **metadata: object) -> dict:
    error = {"code": code, "message": message}
    return {"error": {**error, "metadata": metadata} if metadata else error}


def unavailable(status: int, code: str, **availability: object) -> dict:
    return {
        "error": {
            "message": f"This is {code}.",
            "http_status": status,
            "availability": {
                "code": code,
                "retryable": False,
                "requested_models": ["acme/fake-1"],
                "docs_url": DOCS + code,
                **availability,
            },
        }
    }


@pytest.mark.parametrize(("status", "expected"), STATUSES.items())
@pytest.mark.parametrize("in_json", [True, False])
def test_every_status_has_a_code(status: int, expected: tuple[Code, bool], in_json: bool):
    step = NEXT_STEP[expected[0]]
    if status == 404 and not in_json:
        # Whoever answers without JSON is not OpenRouter.
        expected, step = (Code.UPSTREAM_ERROR, True), NEXT_STEP[Code.NETWORK]
    error = failure(status, standard(status) if in_json else "")
    assert (error.code, error.retryable) == expected
    assert error.http_status == status
    assert error.message.endswith(step)


@pytest.mark.parametrize(("error_type", "expected"), ERROR_TYPES.items())
@pytest.mark.parametrize("place", ["metadata", "error", "top"])
def test_every_error_type_has_a_code_wherever_it_stands(
    error_type: str, expected: tuple[int, Code], place: str
):
    status, code = expected
    body = standard(status)
    target = {"metadata": body["error"].setdefault("metadata", {}), "error": body["error"]}
    target.get(place, body)["error_type"] = error_type
    assert failure(status, body).code is code


def test_the_error_type_weighs_more_than_the_status():
    assert failure(400, standard(400, error_type="refusal")).code is Code.REFUSED
    inside_ok = failure(200, standard(400, error_type="context_length_exceeded"))
    assert (inside_ok.code, inside_ok.http_status) == (Code.CONTEXT_TOO_LONG, 400)


@pytest.mark.parametrize(("code", "expected"), AVAILABILITY.items())
def test_every_availability_code_has_a_code_and_keeps_its_object(
    code: str, expected: tuple[int, bool, Code]
):
    status, retryable, mapped = expected
    body = unavailable(status, code, retryable=retryable)
    error = failure(status, body)
    assert (error.code, error.retryable) == (mapped, retryable)
    assert error.availability == body["error"]["availability"]
    assert error.message.endswith(AVAILABILITY_STEP.get(code, NEXT_STEP[mapped]))


@pytest.mark.parametrize("retryable", [True, False])
@pytest.mark.parametrize("code", AVAILABILITY)
def test_openrouters_word_on_retrying_wins_over_the_code(code: str, retryable: bool):
    assert failure(404, unavailable(404, code, retryable=retryable)).retryable is retryable


def test_an_unknown_availability_code_falls_back_to_the_status():
    error = failure(404, unavailable(404, "eaten_by_mice"))
    assert error.code is Code.MODEL_UNAVAILABLE


def test_what_excluded_a_model_is_named():
    body = unavailable(
        404,
        "constraint_filtered",
        excluded_by=["max_price", "quantization"],
        constraint={"field": "max_price", "detail": "prompt 0.1"},
    )
    assert "[max_price, quantization, prompt 0.1]" in failure(404, body).message


def test_the_standard_envelope_quotes_openrouter_and_says_what_to_do():
    error = failure(402, standard(402, "Insufficient credits. Add more."))
    assert error.message == f"OpenRouter: Insufficient credits. Add more. {NEXT_STEP[error.code]}"


def test_the_capacity_fixture_gives_seconds_and_models_to_use_instead():
    body = unavailable(
        429,
        "capacity_exhausted",
        retryable=True,
        retry_after=40,
        fallback_models=["acme/other", "acme/third"],
    )
    error = failure(429, body, {"Retry-After": "41"})
    assert (error.code, error.retryable, error.retry_after) == (Code.RATE_LIMITED, True, 40)
    assert error.suggestions == ["acme/other", "acme/third"]
    assert "acme/other" in error.message
    assert error.message.endswith("Call again in 40 s, or name another model.")


def test_validation_issues_are_told_as_prose():
    issues = '[{"code":"invalid_type","path":["messages",0,"role"],"message":"Required"}]'
    body = {"success": False, "error": {"name": "ZodError", "message": issues}}
    error = failure(400, body)
    assert error.code is Code.INVALID_INPUT
    assert error.message.startswith("OpenRouter: messages.0.role: Required. ")


@pytest.mark.parametrize(
    ("issues", "said"),
    [
        ('[{"code":"invalid_type","path":["messages"]}]', "messages: invalid_type"),
        ('[{"message":"a","path":7}, "b", null]', "a; b"),
        ("[broken", "[broken"),
        ('{"error":{"message":"inner"}}', "inner"),
        ('{"message":"flat"}', "flat"),
        ("[" * 100_000, "[[["),
    ],
)
def test_odd_validation_messages_are_still_told(issues: str, said: str):
    body = {"success": False, "error": {"name": "ZodError", "message": issues}}
    assert failure(400, body).message.startswith(f"OpenRouter: {said}")


def test_a_choice_level_error_is_read_from_its_choice():
    choice = {
        "finish_reason": "error",
        "error": {
            "code": 502,
            "message": "Provider disconnected mid-stream",
            "metadata": {"error_type": "provider_unavailable"},
        },
    }
    error = failure(200, choice)
    assert (error.code, error.http_status) == (Code.UPSTREAM_ERROR, 502)
    assert error.retryable


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        (429, 429, Code.RATE_LIMITED),
        ("429", 429, Code.RATE_LIMITED),
        ("server_error", 502, Code.UPSTREAM_ERROR),
        ("rate_limit_exceeded", 502, Code.RATE_LIMITED),
        (None, 502, Code.UPSTREAM_ERROR),
        (7, 502, Code.UPSTREAM_ERROR),
        ("9" * 5000, 502, Code.UPSTREAM_ERROR),
    ],
    ids=["integer", "digits", "word", "error type", "missing", "no status", "endless"],
)
def test_an_error_inside_ok_may_carry_any_code(code: object, status: int, expected: Code):
    error = failure(200, {**standard(code), "choices": [{"finish_reason": "error"}]})
    assert (error.http_status, error.code) == (status, expected)


def test_the_responses_and_messages_envelopes_are_understood():
    responses = {"error": {"code": "invalid_prompt", "message": "No"}, "error_type": "refusal"}
    assert failure(400, responses).code is Code.REFUSED
    del responses["error_type"]
    assert failure(400, responses).code is Code.INVALID_INPUT
    messages = {
        "type": "error",
        "error": {
            "type": "overloaded_error",
            "message": "Overloaded",
            "error_type": "provider_overloaded",
        },
        "request_id": "gen-x",
    }
    assert failure(529, messages).code is Code.UPSTREAM_ERROR
    del messages["error"]["error_type"]
    assert failure(200, messages).code is Code.UPSTREAM_ERROR


@pytest.mark.parametrize("body", ["<html><b>timeout</b></html>", "", None, [], 5, {"error": None}])
def test_pages_and_empty_bodies_are_reported_by_status(body: object):
    error = failure(524, body)
    assert error.code is Code.UPSTREAM_TIMEOUT
    assert error.message.startswith("OpenRouter answered HTTP 524 without saying why. ")


def test_an_error_may_be_a_bare_string():
    assert failure(400, {"error": "Nope"}).message.startswith("OpenRouter: Nope. ")


@pytest.mark.parametrize(
    ("metadata", "word"), [({"reasons": ["violence"]}, "violence"), ({"patterns": ["x y"]}, "x y")]
)
def test_moderation_and_guardrails_are_refusals_with_their_reason(metadata: dict, word: str):
    error = failure(403, standard(403, "Input was flagged", **metadata))
    assert error.code is Code.REFUSED
    assert word in error.message


def test_a_wrong_kind_of_key_is_a_matter_of_permission():
    body = standard(403, "Only management keys can perform this operation")
    assert failure(403, body).code is Code.PERMISSION


def test_the_providers_own_words_are_quoted():
    body = standard(502, "Provider returned error", provider_name="Google", raw="upstream 503")
    assert "(Google: upstream 503)" in failure(200, body).message


def test_not_found_means_the_model_unless_something_was_looked_up():
    body = standard(404, "Nothing here")
    assert failure(404, body).code is Code.MODEL_UNAVAILABLE
    assert failure(404, body, look_up=True).code is Code.NOT_FOUND
    typed = standard(404, error_type="not_found")
    assert failure(404, typed).code is Code.MODEL_UNAVAILABLE
    assert failure(404, typed, look_up=True).code is Code.NOT_FOUND


def test_retry_after_is_read_as_seconds_under_any_spelling():
    assert failure(429, standard(429), {"Retry-After": "7"}).retry_after == 7
    assert failure(503, "", {"retry-after": "2.5"}).retry_after == 2.5
    assert failure(429, standard(429), {"Retry-After": "-3"}).retry_after == 0


def test_retry_after_may_be_a_date():
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert failure(429, standard(429), {"Retry-After": soon}).retry_after == pytest.approx(
        90, abs=2
    )
    past = {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert failure(503, "", past).retry_after == 0


def test_no_wait_is_longer_than_a_day():
    error = failure(429, standard(429), {"Retry-After": "1e99"})
    assert error.retry_after == 86_400
    assert error.message.endswith("Call again in 24 h, or name another model.")


def test_whatever_may_be_repeated_says_when():
    error = failure(503, standard(503), {"Retry-After": "3600"})
    assert error.message.endswith("Call again in 60 min, or name another model.")


@pytest.mark.parametrize("value", ["soon", "nan", "inf", ""])
def test_a_retry_after_without_a_time_is_left_out(value: str):
    assert failure(429, standard(429), {"Retry-After": value}).retry_after is None


def test_the_reset_of_a_limit_is_in_milliseconds():
    reset = {"X-RateLimit-Reset": str(int((time.time() + 5 * 3600) * 1000))}
    by_header = failure(429, standard(429, "Rate limit exceeded"), reset)
    in_body = failure(429, standard(429, "Rate limit exceeded", headers=reset))
    for error in (by_header, in_body):
        assert error.retry_after == pytest.approx(5 * 3600, abs=2)
        assert error.message.endswith("Call again in 5 h, or name another model.")


def test_a_reset_in_the_past_means_now():
    error = failure(429, standard(429), {"X-RateLimit-Reset": "1763769600000"})
    assert error.retry_after == 0


def test_availability_has_the_first_word_on_waiting():
    body = unavailable(429, "capacity_exhausted", retry_after=3)
    headers = {"Retry-After": "9", "X-RateLimit-Reset": "1763769600000"}
    assert failure(429, body, headers).retry_after == 3
    assert failure(429, standard(429), headers).retry_after == 9


def test_meta_holds_only_what_is_known():
    plain = OpenRouterError(Code.AUTH, "No key.")
    assert plain.meta() == {"code": "AUTH", "retryable": False}
    full = failure(429, unavailable(429, "capacity_exhausted", retry_after=0)).meta()
    assert full["retry_after"] == 0
    assert full["http_status"] == 429
    assert full["availability"]["code"] == "capacity_exhausted"
    assert "suggestions" not in full


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\r\n and\ttabs\u2028", "two lines and tabs"),
        ("<h1>Bad</h1><br/>gateway<!-- x -->", "Bad gateway"),
        ("cut in the middle <div class='x", "cut in the middle"),
        ("must be < 128000 and > 0", "must be < 128000 and > 0"),
        (f"key {KEY} is wrong", "key sk-... is wrong"),
        (f"api_key={KEY}", "api_key=sk-..."),
        (f"key_{KEY}", "key_sk-..."),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ..."),
        ("a risk-assessment for a task-force", "a risk-assessment for a task-force"),
        ("x" * 301, "x" * 297 + "..."),
        (None, "None"),
    ],
)
def test_foreign_text_is_made_fit_to_show(text: object, shown: str):
    assert clean(text) == shown


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (40, "40 s"), (119, "119 s"), (720, "12 min"), (18_000, "5 h")],
)
def test_a_duration_is_said_as_people_say_it(seconds: float, said: str):
    assert duration(seconds) == said


SPITE = f"<b>bold\nfaced</b>\r\n{KEY} " + "long " * 500


def test_spite_in_any_field_is_tamed():
    body = unavailable(429, "capacity_exhausted", fallback_models=[SPITE] * 9, excluded_by=[SPITE])
    metadata = {"provider_name": SPITE, "raw": SPITE, "reasons": [SPITE] * 200}
    body["error"] |= {"message": SPITE, "metadata": metadata}
    message = failure(429, body).message
    assert len(message) < LONGEST_MESSAGE
    assert KEY not in message
    assert "\n" not in message
    assert "<b>" not in message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
NAMED = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("code", "message", "http_status", "error_type", "type"), JSON)
    | {
        "availability": JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "code": st.sampled_from([*AVAILABILITY]) | JSON,
                "retryable": JSON,
                "retry_after": JSON,
                "fallback_models": JSON,
                "excluded_by": JSON,
                "constraint": JSON | st.fixed_dictionaries({"field": JSON, "detail": JSON}),
            },
        ),
        "metadata": JSON
        | st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(
                ("error_type", "reasons", "patterns", "raw", "provider_name", "headers"), JSON
            ),
        ),
    },
)


@given(
    status=st.sampled_from([200, 307, *STATUSES]),
    body=JSON | st.text() | st.fixed_dictionaries({"error": NAMED | JSON}),
    headers=st.dictionaries(
        st.sampled_from(["Retry-After", "X-RateLimit-Reset", "Date"]), st.text(max_size=20)
    ),
    look_up=st.booleans(),
)
def test_whatever_comes_ends_with_a_next_step(status, body, headers, look_up):
    error = failure(status, body, headers, look_up=look_up)
    steps = (*NEXT_STEP.values(), *AVAILABILITY_STEP.values(), "name another model.")
    assert error.message.endswith(tuple(steps))
    assert len(error.message) < LONGEST_MESSAGE
    assert len(error.message.splitlines()) == 1
    assert set(error.meta()) >= {"code", "retryable"}
    assert error.retry_after is None or error.retry_after >= 0


def test_a_page_where_openrouter_should_be_is_not_about_the_model() -> None:
    assert failure(404, "<html>Not found</html>").code is Code.UPSTREAM_ERROR


@pytest.mark.parametrize("code", ["model_deprecated", "model_unavailable_upstream"])
def test_for_a_model_that_is_gone_no_provider_option_is_blamed(code: str):
    error = failure(404, {"error": {"message": "Gone.", "availability": {"code": code}}})
    assert error.message == "OpenRouter: Gone. Choose another model (find_models)."


def test_a_price_ceiling_that_left_nobody_is_named_once_with_what_may_have_set_it():
    said = "No allowed providers are available"
    constraint = {"field": "provider.max_price", "detail": f"{said}."}
    availability = {
        "code": "constraint_filtered",
        "excluded_by": ["max_price"],
        "constraint": constraint,
    }
    error = failure(404, {"error": {"message": said, "availability": availability}})
    assert error.message == (
        f"OpenRouter: {said} [max_price, provider.max_price]. Raise max_cost or "
        "provider.max_price, or name a cheaper model (find_models)."
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"message": "No such deployment"}, "No such deployment"),
        ({"detail": "Not authenticated"}, "Not authenticated"),
        (
            {"detail": [{"loc": ["body", "model"], "msg": "field required"}]},
            "body.model: field required",
        ),
        ({"errors": [{"message": "first"}, {"message": "second"}]}, "first; second"),
        ({"error": ["too long", "too dear"]}, "too long; too dear"),
        ({"error": {"message": {"detail": "deep"}}}, "deep"),
        ({"error": {"message": None, "detail": "elsewhere"}}, "elsewhere"),
        ({"error": "plain", "error_description": "more"}, "plain"),
        ({"type": "error", "message": "Overloaded", "code": 529}, "Overloaded"),
        ([{"error": {"message": "in a list"}}], "in a list"),
        (["just", "words"], "just; words"),
        ("upstream connect error", "upstream connect error"),
        (
            {
                "error": {
                    "message": "Provider returned error",
                    "metadata": {"raw": {"error": {"message": "boom"}}},
                }
            },
            "Provider returned error (boom)",
        ),
        (
            {
                "error": {
                    "message": "Provider returned error",
                    "metadata": {"raw": [{"msg": "boom"}]},
                }
            },
            "Provider returned error (boom)",
        ),
        (
            {
                "error": {
                    "message": "Provider returned error",
                    "metadata": {"raw": '{"message": "boom"}'},
                }
            },
            "Provider returned error (boom)",
        ),
    ],
    ids=json.dumps,
)
def test_an_error_is_told_in_its_own_words_wherever_they_stand(body: object, said: str):
    error = failure(400, body)
    assert error.message.startswith(f"OpenRouter: {said}. ")
    assert error.code is Code.INVALID_INPUT


@pytest.mark.parametrize(
    "body", [None, [], {}, 7, "", [[[]]], {"error": {}}, "<html><b>x</b></html>"]
)
def test_an_error_without_words_is_told_by_its_status(body: object):
    assert failure(500, body).message.startswith("OpenRouter answered HTTP 500 without saying why")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"errors": {"prompt": ["is too long", "is odd"]}}, "prompt: is too long; is odd"),
        (
            {"errors": {"prompt": "is too long", "n": [{"message": "odd"}]}},
            "prompt: is too long; n: odd",
        ),
        ({"errors": [{"message": "Too hot"}, {"message": "too cold"}]}, "Too hot; too cold"),
        ({"error": {"errors": [{"message": "Too hot"}]}}, "Too hot"),
        ({"error": {"errors": {"prompt": ["is too long"]}}}, "prompt: is too long"),
        ({"error": {"message": "Invalid.", "errors": ["too hot"]}}, "Invalid: too hot"),
        ({"message": "Invalid", "errors": {"n": ["is odd"]}}, "Invalid: n: is odd"),
        ({"title": "Invalid", "errors": {"n": ["is odd"]}}, "n: is odd"),
    ],
)
def test_what_is_wrong_with_each_field_is_told(body: dict, said: str):
    assert failure(400, body).message.startswith(f"OpenRouter: {said}.")
