"""The environment: what it sets, and what happens when it is wrong."""

import os
from decimal import Decimal
from pathlib import Path

import pytest

from openrouter_mcp.settings import Settings, load, variable

KEY = "sk-or-v1-not-for-your-eyes"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in [name for name in os.environ if name.upper().startswith("OPENROUTER_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("DEFAULT_MODEL", raising=False)
    monkeypatch.chdir(tmp_path)


def test_nothing_need_be_set():
    settings = load()
    assert settings.problems == ()
    assert settings.api_key is None
    assert settings.base_url == "https://openrouter.ai/api/v1"
    assert settings.default_model == "openrouter/auto"
    assert settings.model_cache_ttl_ms == 3_600_000
    assert settings.attribution is True
    assert settings.provider_order == ()
    assert settings.provider_max_price == {}
    assert settings.provider_zdr is None


@pytest.mark.parametrize("blank", ["", "  "])
def test_every_blank_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch, blank: str):
    unset = load()
    for field in Settings.model_fields:
        monkeypatch.setenv(variable(field), blank)
    assert load() == unset
    assert load().problems == ()


def test_default_model_has_an_alias(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DEFAULT_MODEL", "acme/short")
    assert load().default_model == "acme/short"
    monkeypatch.setenv("OPENROUTER_DEFAULT_MODEL", "")
    assert load().default_model == "acme/short"
    monkeypatch.setenv("OPENROUTER_DEFAULT_MODEL", "acme/long")
    assert load().default_model == "acme/long"


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("azure", ("azure",)),
        ("azure, openai ,", ("azure", "openai")),
        ('["azure", "openai"]', ("azure", "openai")),
        (' ["azure"]', ("azure",)),
        (",", ()),
        ("[]", ()),
    ],
    ids=repr,
)
def test_lists_come_with_commas_or_as_json(
    monkeypatch: pytest.MonkeyPatch, value: str, names: tuple[str, ...]
):
    monkeypatch.setenv("OPENROUTER_PROVIDER_ORDER", value)
    settings = load()
    assert settings.provider_order == names
    assert settings.problems == ()


def test_directories_are_separated_as_in_path(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENROUTER_INPUT_DIRS", os.pathsep.join(["/one", " /two, too ", ""]))
    assert load().input_dirs == (Path("/one"), Path("/two, too"))


def test_prices_are_exact(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENROUTER_PROVIDER_MAX_PRICE", '{"prompt": 0.1, "completion": "15"}')
    assert load().provider_max_price == {"prompt": Decimal("0.1"), "completion": Decimal(15)}


def test_an_address_loses_its_last_slash(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENROUTER_BASE_URL", "https://eu.openrouter.ai/api/v1/")
    assert load().base_url == "https://eu.openrouter.ai/api/v1"


@pytest.mark.parametrize(
    ("field", "written", "value"),
    [
        ("log_level", "debug", "DEBUG"),
        ("provider_sort", "Price", "price"),
        ("provider_data_collection", "DENY", "deny"),
        ("max_cost_per_day", "5", 5),
        ("default_model", "acme/good", "acme/good"),
        *(
            (field, no, False)
            for field in ("previews", "threads", "attribution", "provider_zdr")
            for no in ("off", "OFF", "0", "False", "no")
        ),
    ],
)
@pytest.mark.parametrize("around", ["{}", " {}\r\n"])
def test_a_value_is_taken_as_people_write_it(
    monkeypatch: pytest.MonkeyPatch, field: str, written: str, value: object, around: str
):
    monkeypatch.setenv(variable(field), around.format(written))
    loaded = load()
    assert loaded.problems == ()
    assert getattr(loaded, field) == value


BAD = {
    "OPENROUTER_API_KEY": "sk-ключ",
    "OPENROUTER_BASE_URL": "ftp://secret-host",
    "OPENROUTER_MAX_TOKENS": "secret",
    "OPENROUTER_MAX_CONTINUATIONS": "11",
    "OPENROUTER_MAX_REPLY_CHARS": "secret",
    "OPENROUTER_INCLUDE_REASONING": "secret",
    "OPENROUTER_CACHE_RESPONSES": "secret",
    "OPENROUTER_PROVIDER_SORT": "secret",
    "OPENROUTER_PROVIDER_ORDER": '["secret"',
    "OPENROUTER_PROVIDER_ONLY": '[{"secret": 1}]',
    "OPENROUTER_PROVIDER_DATA_COLLECTION": "secret",
    "OPENROUTER_PROVIDER_REQUIRE_PARAMETERS": "secret",
    "OPENROUTER_PROVIDER_ALLOW_FALLBACKS": "secret",
    "OPENROUTER_PROVIDER_MAX_PRICE": "secret",
    "OPENROUTER_PROVIDER_ZDR": "secret",
    "OPENROUTER_MODEL_CACHE_TTL_MS": "-1",
    "OPENROUTER_REQUEST_TIMEOUT_SECONDS": "0",
    "OPENROUTER_STALL_TIMEOUT_SECONDS": "inf",
    "OPENROUTER_HTTP_REFERER": "https://sécret.secret",
    "OPENROUTER_APP_TITLE": "secret\x07",
    "OPENROUTER_ATTRIBUTION": "secret",
    "OPENROUTER_AUDIT_PROMPTS": "secret",
    "OPENROUTER_LOG_LEVEL": "secret",
}


@pytest.mark.parametrize(("name", "value"), BAD.items(), ids=BAD.keys())
def test_a_bad_variable_is_named_with_what_it_takes_but_not_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    field = name.removeprefix("OPENROUTER_").lower()
    default = getattr(load(), field)
    monkeypatch.setenv(name, value)
    settings = load()
    [problem] = settings.problems
    assert problem.startswith(f"{name}: ")
    assert str(Settings.model_fields[field].description) in problem
    assert "secret" not in problem
    assert "ключ" not in problem
    assert getattr(settings, field) == default


def test_all_bad_variables_are_told_at_once_and_the_good_ones_hold(
    monkeypatch: pytest.MonkeyPatch,
):
    for name, value in BAD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DEFAULT_MODEL", "acme/good")
    settings = load()
    assert {problem.partition(":")[0] for problem in settings.problems} == set(BAD)
    assert settings.default_model == "acme/good"


@pytest.mark.parametrize(
    "address",
    [
        "openrouter.ai/api/v1",
        "https://user:password@openrouter.ai",
        "https://open router.ai",
        "https://openrouter.ai:port/api/v1",
        "https://openrouter.ai:99999/api/v1",
        "file:///etc/passwd",
    ],
)
def test_an_address_that_cannot_be_asked_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, address: str
):
    monkeypatch.setenv("OPENROUTER_BASE_URL", address)
    settings = load()
    [problem] = settings.problems
    assert problem.startswith("OPENROUTER_BASE_URL: ")
    assert "password" not in problem
    assert settings.base_url == "https://openrouter.ai/api/v1"


@pytest.mark.parametrize("amount", ["1e400", "1e10", "-1", "nan", "inf", "$5", "5 USD", "5,00"])
def test_a_limit_is_an_amount_that_can_be_counted(monkeypatch: pytest.MonkeyPatch, amount: str):
    monkeypatch.setenv("OPENROUTER_MAX_COST_PER_DAY", amount)
    [problem] = load().problems
    assert problem.startswith("OPENROUTER_MAX_COST_PER_DAY: ")


def test_a_price_may_not_be_negative_nor_of_an_unknown_kind(monkeypatch: pytest.MonkeyPatch):
    for value in ('{"prompt": -1}', '{"prompts": 1}', "[1]"):
        monkeypatch.setenv("OPENROUTER_PROVIDER_MAX_PRICE", value)
        [problem] = load().problems
        assert problem.startswith("OPENROUTER_PROVIDER_MAX_PRICE: ")


def test_a_stray_dotenv_changes_nothing(tmp_path: Path):
    (tmp_path / ".env").write_text("OPENROUTER_API_KEY=sk-or-v1-stray\nDEFAULT_MODEL=acme/stray\n")
    settings = load()
    assert settings.api_key is None
    assert settings.default_model == "openrouter/auto"


def test_the_key_shows_nowhere_but_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", f" {KEY}\n")
    settings = load()
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == KEY
    for shown in (
        repr(settings),
        str(settings),
        str(settings.model_dump()),
        settings.model_dump_json(),
    ):
        assert KEY not in shown


def test_settings_do_not_change(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match="frozen"):
        load().max_tokens = 5  # ty: ignore


def test_every_variable_is_explained():
    for name, field in Settings.model_fields.items():
        assert field.description, name
