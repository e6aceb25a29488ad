"""Arguments that swallowed others are refused; texts about the same markup are not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.protocol.wreckage import TAGS, wreckage
from openrouter_mcp.server import _tools
from tests.support.results import ERROR, call, text
from tests.support.upstream import paid

ARGUMENTS = {"model", "max_cost", "schema", "system", "prompt"}


def closed(*names: str) -> str:
    return "\n".join(f"</{name}>" for name in names)


def parameter(name: str, value: str = "", space: str = "") -> str:
    """The beginning of an argument; the value goes on to the end."""
    return f'<{space}parameter name="{name}">{value}'


SPACE = "antml" + ":"
FULL = "\uff5c"
ENDINGS = [
    closed("prompt"),
    closed("prompt", "max_cost"),
    closed("Parameter") + "\u200b",
    closed("parameter") + "\n<par",
    closed("invoke") + "\n</",
    closed("tool_call") + "<|im_end|>",
    '<parameter  name = "max_cost">0.5',
    parameter("model", "openai/gpt-5-mini"),
    closed("longcat_tool_call"),
    f"<{FULL}DSML",
    "\n" + parameter("schema", '{\n  "type": "object"\n}'),
    closed("parameter"),
    "</parameter",
    closed("parameter", "invoke"),
    closed("parameter", "invoke", "function_calls") + "\n",
    closed(f"{SPACE}parameter", f"{SPACE}invoke"),
    closed("parameter") + "\n" + parameter("model", "openai/gpt-5-mini"),
    closed("parameter") + parameter("max_cost", "0.5") + closed("parameter"),
    closed(f"{SPACE}parameter") + "\n" + parameter("max_cost", "0.5", SPACE),
    closed("parameter") + "\n" + parameter("system", "You are <b>kind</b>.\n" + "Be brief. " * 99),
    "\n" + parameter("model", "openai/gpt-5-mini"),
    parameter("max_cost"),
    "<parameter name=",
    '<parameter name="mod',
    '<invoke name="chat">',
    "<parameter=model>\nopenai/gpt-5-mini\n</parameter>\n</function>\n</tool_call>",
    "</parameter>\n<parameter=model>\nopenai/gpt-5-mini",
    "</arg_value>\n<arg_key>model</arg_key>\n<arg_value>gpt",
    "</arg_value>\n<arg_key>max_cost",
    "<arg_key>",
    "</arg_value>\n</tool_call>",
    "</tool_call>",
    closed("minimax:tool_call"),
    closed("seed:tool_call"),
    closed("xai:function_call"),
    "<|tool_call_end|>",
    "<|tool_calls_section_end|>",
    "<|tool_call_argument_begin|>",
    "<|/tool_call|>",
    "<|tool_call",
    "<|call|>",
    "<|python_tag|>",
    f"<{FULL}tool\u2581calls\u2581end{FULL}>",
    f'</{FULL}DSML{FULL}parameter>\n<{FULL}DSML{FULL}parameter name="model" string="true">gpt',
    closed(f"{FULL}DSML{FULL}invoke"),
    "[TOOL_CALLS]",
    "<end_function_call>",
]
TEXTS = [
    "vector<function>",
    "Is this a Promise<invoke>",
    "Write XML that begins with <arguments>",
    f"What is {parameter('model')} for",
    "Mend this:\n<plugin><arguments><argument>-x</argument></arguments>\n</plugin>",
    "Mend this:\n<parameters>\n<parameter>5</parameter>\n</parameters>",
    'Explain <function name="f"></function>',
    'Hermes writes <tool_call>{"name": "f"}</tool_call>',
    "Here it is: <prompt>Tell me a story</prompt>",
    "<|im_end|>",
    "Hello.",
    "",
    "<",
    "What do <parameter name= and </invoke> mean in a tool call?",
    f"Explain `{parameter('model')}` and `{closed('invoke')}` to me.",
    f"Why does it break? ```{parameter('model', 'gpt') + closed('parameter', 'invoke')}``` Thanks.",
    f"```xml\n{parameter('model', 'gpt')}{closed('parameter', 'invoke')}\n```",
    f"It ended in\n{parameter('model', 'gpt')}{closed('parameter')}\nand the client hung.",
    f'It ended in "{closed("parameter")}".',
    parameter("lambda", "x + 1"),
    "\n" + parameter("lambda", "x + 1"),
    "if a <function and b",
    "vector<function<int",
    "1 < 2 and 3 > 2",
    "<p>Hello</p>",
    "<|endoftext|>",
    "def f():<|fim_middle|>",
    "[INST] Hello [/INST]",
    "<html><body></body></html>",
    "The tool_call",
]


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_swallowed_another_argument_is_told(ending: str) -> None:
    for before in ("Hello", "Hello\n", "Mind <b>this</b>: "):
        assert wreckage(before + ending, ARGUMENTS)


@pytest.mark.parametrize("words", TEXTS)
def test_words_about_calls_are_no_wreckage(words: str) -> None:
    assert wreckage(words, ARGUMENTS) == ""


@pytest.mark.parametrize("token", ["<|a|>", "<|im_end|>\n", "</a>", "<par", "<a=>"])
def test_any_number_of_tokens_is_read(token: str) -> None:
    assert wreckage("Hello" + token * 100_000, ARGUMENTS) == ""


@given(st.text(), st.sampled_from(sorted(TAGS)), st.sampled_from(["", "a:", "x_y:"]))
def test_a_closing_tag_at_the_end_is_found_behind_any_text(before, tag, space) -> None:
    assert wreckage(f"{before}</{space}{tag}>\n", ARGUMENTS)
    assert wreckage(f"{before}</{space}{tag}> is what it says.", ARGUMENTS) == ""


PAID = [tool for tool in _tools() if "max_cost" in tool.parameters["properties"]]


def strings(fields: dict) -> list[tuple[str, bool]]:
    """The arguments that are texts, or lists of them."""
    return [
        (name, field["type"] == "array")
        for name, field in fields.items()
        if "enum" not in field
        and (field["type"] == "string" or field.get("items", {}).get("type") == "string")
    ]


async def test_every_text_of_every_paid_tool_is_looked_at(client, simulator) -> None:
    assert len(PAID) == 11
    for tool in PAID:
        for name, is_list in strings(tool.parameters["properties"]):
            broken = "Hello" + closed("parameter", "invoke")
            result = await call(client, tool.name, **{name: [broken] if is_list else broken})
            assert result.meta[ERROR]["code"] == "INVALID_INPUT"
            assert text(result).startswith(f"{name} of {tool.name} ends in {closed('invoke')}")
    assert paid(simulator) == []


BROKEN = "Hello" + closed("parameter", "invoke")
OTHERS = [{"role": "user", "content": BROKEN}, {"role": "assistant", "content": "Sorry?"}]
NESTED = [
    {"messages": [{"role": "user", "content": BROKEN}]},
    {"messages": json.dumps([{"role": "user", "content": BROKEN}])},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": BROKEN}]}]},
    {"prompt": "Hello", "options": {"user": BROKEN}},
    {"prompt": "Hello", "options": json.dumps({"user": "me"}) + closed("parameter")},
    {"prompt": "Hello", "files": json.dumps([BROKEN])},
]


@pytest.mark.parametrize("arguments", NESTED)
async def test_what_stands_inside_of_others_is_looked_at(client, simulator, arguments) -> None:
    result = await call(client, "chat", **arguments)
    assert result.meta[ERROR]["code"] == "INVALID_INPUT"
    assert "markup of a tool call" in text(result)
    assert paid(simulator) == []


async def test_a_call_in_the_middle_of_a_conversation_is_none(client) -> None:
    asked = [*OTHERS, {"role": "user", "content": "Go on."}]
    assert not (await call(client, "chat", messages=asked)).is_error


async def test_an_answer_may_end_at_a_tag(client) -> None:
    tag = closed("tool_call")
    model = "openai/gpt-5-mini"
    for ending in ({"stop": [tag]}, {"stop": tag}, {"options": {"stop": [tag]}}):
        result = await call(client, "complete_text", prompt="Hi", model=model, **ending)
        assert not result.is_error, text(result)


async def test_what_is_free_or_goes_on_is_not_looked_at(client, simulator) -> None:
    asked = f"What does {closed('parameter')} mean?"
    assert not (await call(client, "chat", prompt=asked)).is_error
    assert not (await call(client, "search_docs", query=closed("parameter"))).is_error
    (request,) = paid(simulator)
    assert asked in json.dumps(request.body, ensure_ascii=False)
