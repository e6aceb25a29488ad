import re

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.names import Names, answers, tokens
from openrouter_mcp.simulator.catalogue import build

# id, display name, created, what it makes, alias target, intelligence index
ROWS = [
    ("acme/sage-owl-4.1", "Acme: Sage Owl 4.1", 100, "text", "", 40),
    ("acme/sage-owl-4.6", "Acme: Sage Owl 4.6", 200, "text", "", 50),
    ("acme/sage-owl-5", "Acme: Sage Owl 5", 300, "text", "", 60),
    ("acme/sage-owl-5:batch", "Acme: Sage Owl 5 (batch)", 300, "text", "", 60),
    ("acme/sage-owl-5-fast", "Acme: Sage Owl 5 (Fast)", 310, "text", "", 60),
    ("acme/sage-robin-4.5", "Acme: Sage Robin 4.5", 220, "text", "", 45),
    ("acme/sage-robin-5", "Acme: Sage Robin 5", 280, "text", "", 55),
    ("~acme/sage-owl-latest", "Acme: Sage Owl Latest", 50, "text", "acme/sage-owl-5", 0),
    ("~acme/sage-robin-latest", "Acme: Sage Robin Latest", 50, "text", "acme/sage-robin-5", 0),
    ("birch-ai/oak-5", "Birch: Oak-5", 100, "text", "", 40),
    ("birch-ai/oak-5-mini", "Birch: Oak-5 Mini", 100, "text", "", 30),
    ("birch-ai/oak-5.4-mini", "Birch: Oak-5.4 Mini", 200, "text", "", 35),
    ("birch-ai/oak-5.5", "Birch: Oak-5.5", 210, "text", "", 50),
    ("birch-ai/oak-5.5-pro", "Birch: Oak-5.5 Pro", 211, "text", "", 55),
    ("birch-ai/oak-5.6-iris", "Birch: Oak-5.6 Iris", 300, "text", "", 60),
    ("birch-ai/oak-5.6-fern", "Birch: Oak-5.6 Fern", 300, "text", "", 50),
    ("birch-ai/oak-4o", "Birch: Oak-4o", 60, "text", "", 20),
    ("birch-ai/oak-painter-2", "Birch: Oak Painter 2", 320, "image", "", 0),
    ("~birch-ai/oak-latest", "Birch: Oak Latest", 50, "text", "birch-ai/oak-5.6-iris", 0),
    ("~birch-ai/oak-mini-latest", "Birch: Oak Mini Latest", 50, "text", "birch-ai/oak-5.4-mini", 0),
    ("deepdale/deepdale-v3", "Deepdale: Deepdale Chat", 90, "text", "", 0),
    ("deepdale/deepdale-v3.1-terminal", "Deepdale: V3.1 Terminal", 210, "text", "", 0),
    ("deepdale/deepdale-v3.2", "Deepdale: V3.2", 200, "text", "", 30),
    ("deepdale/deepdale-r1", "Deepdale: R1", 80, "text", "", 0),
    ("deepdale/deepdale-r1-distill-lemur-70b", "Deepdale: R1 Distill Lemur 70B", 85, "text", "", 0),
    ("deepdale/deepdale-v4-pro", "Deepdale: V4 Pro", 300, "text", "", 50),
    ("deepdale/deepdale-v4-flash", "Deepdale: V4 Flash", 301, "text", "", 45),
    ("lemur-labs/lemur-2-70b-instruct", "Lemur 2 70B Instruct", 100, "text", "", 10),
    ("lemur-labs/lemur-3-70b-instruct", "Lemur 3 70B Instruct", 200, "text", "", 20),
    ("lemur-labs/lemur-3-70b-instruct:free", "Lemur 3 70B (free)", 200, "text", "", 0),
    ("lemur-labs/lemur-3-8b-instruct", "Lemur 3 8B Instruct", 200, "text", "", 0),
    ("tuner/dusk-lemur-70b", "Tuner: Lemur Dusk 70B", 290, "text", "", 0),
    ("mist/mist-large", "Mist Large", 100, "text", "", 0),
    ("mist/mist-large-2612", "Mist: Mist Large 3", 200, "text", "", 0),
    ("mist/mist-flash-2", "Mist: Mist Flash 2", 200, "text", "", 0),
    ("quill/quill3-coder", "Quill3 Coder", 100, "text", "", 0),
    ("quill/quill3-coder-next", "Quill3 Coder Next", 200, "text", "", 0),
    ("mist/mist-fast-2", "Mist: Mist Fast 2", 200, "text", "", 0),
    ("wood/wren-3", "Wood: Wren 3", 100, "text", "", 0),
    ("wood/wren-3-day", "Wood: Wren 3 Day", 200, "text", "", 0),
    ("~wood/wren-latest", "Wood: Wren Latest", 50, "text", "wood/wren-3-day", 0),
    ("openrouter/auto", "Auto Router", 10, "text", "", 0),
    ("big/tiger-1", "Tiger 1", 10, "text", "", 0),
    ("ratly/ratly-1", "Ratly 1", 10, "text", "", 0),
    ("birch-ai/oak-5.3-code", "Birch: Oak-5.3 Code", 205, "text", "", 45),
]


def model(id_, name, created, output, target, intelligence):
    row = {
        "id": id_,
        "canonical_slug": f"{id_.partition(':')[0]}-dated",
        "name": name,
        "created": created,
        "architecture": {"output_modalities": [output]},
        "benchmarks": {"artificial_analysis": {"intelligence_index": intelligence}},
        "alias_target": {"slug": target},
    }
    parsed = Model.parse(row)
    assert parsed
    return parsed


NAMES = Names([model(*row) for row in ROWS])


@pytest.mark.parametrize(
    ("name", "found"),
    [
        # Families: the newest plain member, as the alias rows show.
        ("owl", "acme/sage-owl-5"),
        ("robin", "acme/sage-robin-5"),
        ("sage", "acme/sage-owl-5"),
        ("Acme: Sage Robin 5", "acme/sage-robin-5"),
        ("acme's latest owl", "acme/sage-owl-5"),
        ("oak", "birch-ai/oak-5.6-iris"),
        ("wren", "wood/wren-3-day"),
        ("oak mini", "birch-ai/oak-5.4-mini"),
        ("oak pro", "birch-ai/oak-5.5-pro"),
        ("birch oak", "birch-ai/oak-5.6-iris"),
        ("lemur", "lemur-labs/lemur-3-70b-instruct"),
        ("mist large", "mist/mist-large-2612"),
        ("quill coder", "quill/quill3-coder"),
        ("r1", "deepdale/deepdale-r1"),
        ("deepdale", "deepdale/deepdale-v4-pro"),
        ("owl fast", "acme/sage-owl-5-fast"),
        # Versions and sizes that are given must be right.
        ("owl 4.1", "acme/sage-owl-4.1"),
        ("oak 5.6", "birch-ai/oak-5.6-iris"),
        ("oak 5.5", "birch-ai/oak-5.5"),
        ("oak 5", "birch-ai/oak-5"),
        ("oak 5 mini", "birch-ai/oak-5-mini"),
        ("oak4o", "birch-ai/oak-4o"),
        ("deepdale v3.2", "deepdale/deepdale-v3.2"),
        ("deepdale terminal v3.1", "deepdale/deepdale-v3.1-terminal"),
        ("oak 5.0", "birch-ai/oak-5"),
        ("deepdale 3.2", "deepdale/deepdale-v3.2"),
        ("robin 4 5", "acme/sage-robin-4.5"),
        ("lemur 70b", "lemur-labs/lemur-3-70b-instruct"),
        ("lemur 8b", "lemur-labs/lemur-3-8b-instruct"),
        ("lemur 2", "lemur-labs/lemur-2-70b-instruct"),
        # Spelling.
        ("sage-robin-4-5", "acme/sage-robin-4.5"),
        ("OWL 5", "acme/sage-owl-5"),
        ("robbin", "acme/sage-robin-5"),
        ("lemmur 70b", "lemur-labs/lemur-3-70b-instruct"),
        ("deep dale v4 flash", "deepdale/deepdale-v4-flash"),
        ("oakmini", "birch-ai/oak-5.4-mini"),
        ("ralty", "ratly/ratly-1"),
        ("tigre", "big/tiger-1"),
        # Variants.
        ("lemur 70b free", "lemur-labs/lemur-3-70b-instruct:free"),
        ("lemur 70b:free", "lemur-labs/lemur-3-70b-instruct:free"),
        ("owl batch", "acme/sage-owl-5:batch"),
        ("owl:nitro", "acme/sage-owl-5:nitro"),
        ("acme/sage-owl-5:Online", "acme/sage-owl-5:online"),
        ("lemur 3 70b instruct:free:online", "lemur-labs/lemur-3-70b-instruct:free:online"),
        ("owl@preset/mail", "acme/sage-owl-5@preset/mail"),
        # Exact ones in another spelling.
        ("ACME/Sage-Owl-5", "acme/sage-owl-5"),
        ("sage-owl-5", "acme/sage-owl-5"),
        ("mist-large", "mist/mist-large"),
        ("acme/sage-owl-5-dated", "acme/sage-owl-5"),
        ("lemur-labs/lemur-3-70b-instruct-dated:free", "lemur-labs/lemur-3-70b-instruct:free"),
        ("auto", "openrouter/auto"),
        # As other programs, vendors and OpenRouter's own pages spell them.
        ("openrouter/acme/sage-owl-5", "acme/sage-owl-5"),
        ("openrouter:acme/sage-owl-5:nitro", "acme/sage-owl-5:nitro"),
        ("openrouter/openrouter/auto", "openrouter/auto"),
        ("openrouter/~acme/sage-owl-latest", "~acme/sage-owl-latest"),
        ("acme/sage-owl-latest", "~acme/sage-owl-latest"),
        ("acme:sage-owl-5", "acme/sage-owl-5"),
        ("https://openrouter.ai/acme/sage-owl-5", "acme/sage-owl-5"),
        ("http://www.openrouter.ai/acme/sage-owl-5/", "acme/sage-owl-5"),
        ("openrouter.ai/acme/sage-owl-5/providers?sort=price#top", "acme/sage-owl-5"),
        ("https://openrouter.ai/models/acme/sage-owl-5", "acme/sage-owl-5"),
        ("https://openrouter.ai/acme/sage-owl-5%3Abatch", "acme/sage-owl-5:batch"),
        ("https://openrouter.ai/api/v1/models/acme/sage-owl-5/endpoints", "acme/sage-owl-5"),
    ],
)
def test_a_loose_name_means_what_a_person_means(name, found):
    resolution = NAMES.resolve(name)
    assert resolution.id == found
    assert resolution.how == f'understood from "{name}"'
    assert resolution.model
    assert found.startswith(resolution.model.id)


@pytest.mark.parametrize(
    "name",
    [
        "acme/sage-owl-4.1",
        "acme/sage-owl-5:batch",
        "birch-ai/oak-painter-2",
        "~acme/sage-owl-latest",
        "openrouter/auto",
        "acme/sage-owl-5:nitro",
        "lemur-labs/lemur-3-70b-instruct:free:online",
        "acme/sage-owl-5@preset/mail",
    ],
)
def test_an_exact_id_of_any_kind_needs_no_explanation(name):
    resolution = NAMES.resolve(name)
    assert resolution.id == name
    assert resolution.how == ""
    assert resolution.model


@pytest.mark.parametrize(
    "name",
    ["@preset/mail", "~acme/sage-wren-latest", "openrouter/unlisted", "openrouter/unlisted:nitro"],
)
def test_what_only_openrouter_knows_passes_through(name):
    resolution = NAMES.resolve(name)
    assert (resolution.id, resolution.model, resolution.how) == (name, None, "")


@pytest.mark.parametrize(
    "name",
    [
        *("clod", "owl 9", "oak 4.1", "lemur 9b", "the best model", "", "?"),
        # A version that is not there is not another one, nor another product of that version.
        *("owl 4", "deepdale v3.0-terminal", "oak 5.3", "oak-5-pro", "deepdale terminal v3"),
        # An id is an id, and another site's address is none of OpenRouter's.
        *("acme/sage-owl-4", "acme/sage-owl-5.0", "acme/owl", "acme/sage-owll-5", "other/oak-5"),
        "https://openrouter.ai.example/acme/sage-owl-5",
        # A typo is a letter: these are other names.
        *("rally", "tiler", "gemmur", "lemmmur", "lom", "eoak"),
    ],
)
def test_an_unknown_name_gets_the_three_nearest_ids(name):
    with pytest.raises(OpenRouterError) as caught:
        NAMES.resolve(name)
    error = caught.value
    assert error.code is Code.MODEL_NOT_FOUND
    assert len(error.suggestions) == 3
    assert error.message == (
        f'No model matches "{name}". Nearest: {", ".join(error.suggestions)}. '
        "Use one of these ids, or find_models to search."
    )


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("acme/sage-owl-5:max", "acme/sage-owl-5"),
        ("sage-owl-5:Max:nitro", "acme/sage-owl-5"),
        ("openrouter/auto:max", "openrouter/auto"),
        ("https://openrouter.ai/acme/sage-owl-5:max", "acme/sage-owl-5"),
    ],
)
def test_a_suffix_that_openrouter_does_not_know_is_refused(name, base):
    with pytest.raises(OpenRouterError) as caught:
        NAMES.resolve(name)
    assert caught.value.code is Code.MODEL_NOT_FOUND
    assert caught.value.suggestions == [base]
    assert caught.value.message == (
        f'"{name}" ends in :max, which OpenRouter does not know. The suffixes are :batch, '
        f":exacto, :extended, :floor, :free, :nitro, :online, :thinking. Use {base}, or "
        "find_models to search."
    )


def test_a_version_of_several_siblings_is_not_guessed():
    rows = [*ROWS, ("acme/sage-robin-4.1", "Acme: Sage Robin 4.1", 90, "text", "", 30)]
    with pytest.raises(OpenRouterError) as caught:
        Names([model(*row) for row in rows]).resolve("sage 4.1")
    assert caught.value.suggestions == ["acme/sage-owl-4.1", "acme/sage-robin-4.1"]


def dated(id_, day):
    row = {"id": id_, "canonical_slug": f"{id_.partition(':')[0]}-{day}", "created": 1}
    parsed = Model.parse(row | {"architecture": {"output_modalities": ["text"]}})
    assert parsed
    return parsed


DATED = Names(
    [
        dated("acme/sage-owl-4.5", "20310315"),
        dated("acme/sage-owl-4.5:batch", "20310315"),
        dated("birch-ai/oak-4o", "20300101"),
        dated("birch-ai/oak-4o-2030-05-13", "20300513"),
        dated("wood/wren-3-2031-02-10", "20310210"),
    ]
)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("acme/sage-owl-4.5-20310315", "acme/sage-owl-4.5"),
        ("sage-owl-4-5-20310315", "acme/sage-owl-4.5"),
        ("acme/sage-owl-4-5-2031-03-15", "acme/sage-owl-4.5"),
        ("sage-owl-4-5@20310301", "acme/sage-owl-4.5"),
        ("sage-owl-4-5-20310301:nitro", "acme/sage-owl-4.5:nitro"),
        ("acme.sage-owl-4-5-20310301-v1:0", "acme/sage-owl-4.5"),
        ("eu.acme.sage-owl-4-5-20310301-v1:0", "acme/sage-owl-4.5"),
        ("oak-4o-2030-05-13", "birch-ai/oak-4o-2030-05-13"),
        ("oak-4o", "birch-ai/oak-4o"),
    ],
)
def test_a_vendors_date_means_the_model_of_that_time(name, found):
    assert DATED.resolve(name).id == found


@pytest.mark.parametrize(
    "name",
    [
        # A later release, an earlier one, no date at all, and a version that is not there.
        *("sage-owl-4-5-20320315", "sage-owl-4-5-20300315", "sage-owl-4-5-20311399"),
        *("sage-owl-4-20310315", "acme/sage-owl-4-6-20310315"),
        # Where rows differ by their dates, each means itself.
        *(
            "oak-4o-2030-01-02",
            "oak-4o-2030-05-14",
            "wren-3-2031-02-11",
            "wood/wren-3-20310211",
        ),
    ],
)
def test_another_date_is_another_model(name):
    with pytest.raises(OpenRouterError) as caught:
        DATED.resolve(name)
    assert caught.value.code is Code.MODEL_NOT_FOUND
    assert caught.value.suggestions


SIMULATED = [parsed for row in build(1_790_000_000) if (parsed := Model.parse(row))]
OFFERED = Names(SIMULATED)
SPELLINGS = [
    (spelling, parsed)
    for parsed in SIMULATED
    for spelling in (parsed.id, parsed.name, parsed.canonical_slug)
]
KNOWN = {spelling.lower() for spelling, _ in SPELLINGS}


@given(st.sampled_from(SPELLINGS))
def test_every_id_and_display_name_and_permanent_slug_means_its_own_row(known):
    spelling, row = known
    found = OFFERED.resolve(spelling, output="").model
    assert found
    assert spelling in (found.id, found.name, found.canonical_slug)
    assert spelling == row.canonical_slug or found is row


@given(st.data())
def test_a_version_with_another_digit_is_never_replaced(data):
    row = data.draw(st.sampled_from([row for row in SIMULATED if re.search(r"\d", row.id)]))
    slug = row.id.partition("/")[2]
    spelling = data.draw(st.sampled_from([row.id, slug, slug.replace("-", " "), row.name]))
    places = [at for at, character in enumerate(spelling) if character.isdigit()]
    assume(places)
    place = data.draw(st.sampled_from(places))
    digit = data.draw(st.sampled_from(sorted({*"0123456789"} - {spelling[place]})))
    changed = f"{spelling[:place]}{digit}{spelling[place + 1 :]}"
    program = data.draw(st.sampled_from(["", "azure/", "models/", "bedrock/"]))
    try:
        found = OFFERED.resolve(program + changed, output="").model
    except OpenRouterError as error:
        event(str(error.code))
        return
    assert found
    numbers = [word for word in tokens(changed) if re.search(r"\d", word)]
    named = {*tokens(found.id), *tokens(found.name)}
    assert all(any(answers(number, word) for word in named) for number in numbers)
    assert found.id == row.id or "/" not in changed or changed.lower() in KNOWN


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("~ACME/SAGE-OWL-LATEST", "~acme/sage-owl-latest"),
        ("oak-5mini", "birch-ai/oak-5-mini"),
        ("birch-ai/oak-5.4mini", "birch-ai/oak-5.4-mini"),
        ("azure/oak-5-mini", "birch-ai/oak-5-mini"),
        ("Azure/birch-ai/Oak-5.5:floor", "birch-ai/oak-5.5:floor"),
        ("vertex_ai/sage-robin-4-5", "acme/sage-robin-4.5"),
        ("litellm_proxy/openrouter/acme/sage-owl-5", "acme/sage-owl-5"),
        ("bedrock/acme.sage-owl-5", "acme/sage-owl-5"),
        ("models/wood/wren-3", "wood/wren-3"),
        ("models/openrouter/auto", "openrouter/auto"),
    ],
)
def test_the_spellings_of_other_programs_are_understood(name, found):
    resolution = NAMES.resolve(name)
    assert resolution.id == found
    assert resolution.how


@pytest.mark.parametrize(
    "name",
    [
        # The version is another one, or no model has exactly this name.
        *("azure/oak-9", "vertex_ai/sage-owl-4-7", "azure/oak", "azure/my-deployment", "oak-9mini"),
        *("models/", "nobody/oak-5-mini"),
        *("azure/" * 100_000 + "oak-5", "openrouter/" * 100_000 + "oak-5"),
    ],
    ids=lambda name: name[:30],
)
def test_a_place_before_a_name_makes_it_no_looser(name):
    with pytest.raises(OpenRouterError) as caught:
        NAMES.resolve(name)
    assert caught.value.code is Code.MODEL_NOT_FOUND
    assert caught.value.suggestions


def test_the_nearest_ids_share_what_was_right_about_the_name():
    with pytest.raises(OpenRouterError) as caught:
        NAMES.resolve("sage owl 9")
    assert all(id_.startswith("acme/sage-owl") for id_ in caught.value.suggestions)


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("flash", "deepdale/deepdale-v4-flash", "mist/mist-flash-2"),
        # Nearly as plain is as good where the family is not named.
        ("fast", "acme/sage-owl-5-fast", "mist/mist-fast-2"),
    ],
)
def test_a_name_that_fits_several_authors_is_not_guessed(name, first, second):
    with pytest.raises(OpenRouterError) as caught:
        NAMES.resolve(name)
    assert caught.value.suggestions == [first, second]
    assert caught.value.message == (
        f'"{name}" may be {first} or {second}. Use one of these ids, or find_models to search.'
    )


@pytest.mark.parametrize(
    ("name", "variant"),
    [("acme/sage-owl-5:free", ":free"), ("owl free", "free"), ("owl:free", "free")],
)
def test_a_variant_that_is_not_there_names_the_paid_model(name, variant):
    with pytest.raises(OpenRouterError) as caught:
        NAMES.resolve(name)
    assert caught.value.suggestions == ["acme/sage-owl-5"]
    assert caught.value.message.startswith(f"acme/sage-owl-5 has no {variant} variant.")


def test_the_kind_of_output_decides():
    assert NAMES.resolve("oak", output="image").id == "birch-ai/oak-painter-2"
    assert NAMES.resolve("oak painter", output="").id == "birch-ai/oak-painter-2"
    with pytest.raises(OpenRouterError, match="oak-painter-2 makes image, not text"):
        NAMES.resolve("oak painter")


def test_without_an_alias_a_new_version_wins_over_the_plain_older_one():
    names = Names([model(*row) for row in ROWS if not row[0].startswith("~")])
    assert names.resolve("oak").id == "birch-ai/oak-5.6-iris"
    assert names.resolve("wren").id == "wood/wren-3"


def test_the_order_of_the_rows_changes_nothing():
    backwards = Names([model(*row) for row in reversed(ROWS)])
    for name in ["owl", "sage", "oak", "lemur", "deepdale", "r1", "lemur 70b free", "mist"]:
        assert backwards.resolve(name).id == NAMES.resolve(name).id


PIECES = ["owl", " oak ", "5", "-", ":", "free", "/", "~", "@preset/", "mini", ".", "70b", "v"]


@given(st.text() | st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_text_resolves_or_says_that_it_does_not(name):
    try:
        resolution = NAMES.resolve(name)
    except OpenRouterError as error:
        outcome = error.code, bool(error.suggestions)
    else:
        outcome = bool(resolution.id), resolution == NAMES.resolve(name)
    assert outcome in [(Code.MODEL_NOT_FOUND, True), (True, True)]


def test_a_kind_that_no_model_makes_has_nothing_to_suggest():
    with pytest.raises(OpenRouterError) as caught:
        NAMES.resolve("clod", output="rerank")
    assert (
        caught.value.message == 'No model matches "clod". Name another, or find_models to search.'
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("OpenLab: Oak-4o (2031-11-20)", ("openlab", "oak", "4o", "20311120")),
        ("quill3.8-2.4t-a95b", ("quill", "3.8", "2.4t", "a95b")),
        ("k2.6", ("k2.6",)),
        ("deepdale v3-1", ("deepdale", "3.1")),
        ("fern-02-23", ("fern", "02", "23")),
        ("mist 8x22b", ("mist", "8x22b")),
        ("Élan's owl", ("elan", "owl")),
    ],
)
def test_names_split_into_words_versions_and_sizes(text, words):
    assert tokens(text) == words


@pytest.mark.parametrize(
    ("asked", "token", "fits"),
    [
        ("3", "3.2", False),
        ("3", "k3", True),
        ("3", "k3.2", False),
        ("3.2", "k3.2", True),
        ("k2", "k2.6", False),
        ("4.2", "4.20", False),
        ("k2", "2.6", False),
        ("4.1", "4.6", False),
        ("4", "40", False),
        ("5.0", "5", True),
        ("4", "4o", False),
        ("2512", "2512", True),
        ("1", "0123", False),
    ],
)
def test_a_version_stands_for_itself(asked, token, fits):
    assert answers(asked, token) is fits
