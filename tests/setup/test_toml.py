"""Changing one table of a TOML document, and nothing else."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.setup import toml

ENTRY = {"command": "C:\\opt\\openrouter-mcp.exe", "args": ["a b"], "env": {"KEY": "v"}}
PATH = ("mcp_servers", "openrouter")
HEADS = ["", "# mine\n", 'model = "a"  # [x]\n', 'a = """\n[mcp_servers.openrouter]\n"""\n']
HEADS += ["a = [\n  [1, 2], # ]\n  [3],\n]\n", "a = '''[''' # ]\n", "a.b = {c = '}'}\n\n\n"]
TABLES = ['[mcp_servers.b]\ncommand = "x"\n', '[mcp_servers."b.c".env]\nK = "["\n', "[z]\n#end\n"]
TABLES += ["[[list]]\na = 1\n[[list]]\n", "[y] # of b\n", "[mcp_servers.b.tools]\n\n"]


@st.composite
def documents(draw) -> str:
    """A configuration of Codex: top-level keys, then tables."""
    parts = draw(st.lists(st.sampled_from(HEADS), max_size=1))
    parts += draw(st.lists(st.sampled_from(TABLES), unique=True, max_size=3))
    text = "\n".join(parts) if draw(st.booleans()) else "".join(parts)
    text = text if draw(st.booleans()) else text.rstrip("\n")
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


@given(documents())
def test_a_table_is_put_in_behind_all_else_and_taken_out_again(text: str) -> None:
    put = toml.put(text, PATH, ENTRY)
    assert put.startswith(text)
    assert tomllib.loads(put)["mcp_servers"]["openrouter"] == ENTRY
    assert toml.put(put, PATH, ENTRY) == put
    assert toml.drop(put, PATH) == text


@given(documents(), documents(), st.sampled_from(["\n", "\r\n"]))
def test_a_table_in_the_middle_is_changed_alone(before: str, after: str, line_end: str) -> None:
    entry = '[mcp_servers.openrouter]\ncommand = "x" # c\n'
    text = f"{before}\n\n{entry}\n# next\n[after]\n{after}".replace("\r\n", "\n")
    text = text.replace("\n", line_end)
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    put = toml.put(text, (*PATH, "command"), "new")
    assert put == text.replace('command = "x" # c', 'command = "new" # c')
    put = toml.put(put, (*PATH, "env", "K"), "v")
    changed = 'command = "new" # c\nenv = {K = "v"}\n'.replace("\n", line_end)
    assert put == text.replace(f'command = "x" # c{line_end}', changed)
    expected = text.replace(f"\n{entry}".replace("\n", line_end), "")
    assert toml.drop(put, PATH) == expected


@pytest.mark.parametrize(
    ("text", "put", "dropped"),
    [
        (
            '[mcp_servers]\nopenrouter = { command = "x" } # c\nb = { command = "y" }\n',
            '[mcp_servers]\nopenrouter = { command = "new" } # c\nb = { command = "y" }\n',
            '[mcp_servers]\nb = { command = "y" }\n',
        ),
        (
            'mcp_servers.openrouter.command = "x"\nmodel = "m"\n',
            'mcp_servers.openrouter.command = "new"\nmodel = "m"\n',
            'model = "m"\n',
        ),
        (
            '[mcp_servers.openrouter]\ncommand = "x"\n\n[b]\n\n[mcp_servers.openrouter.env]\n',
            '[mcp_servers.openrouter]\ncommand = "new"\n\n[b]\n\n[mcp_servers.openrouter.env]\n',
            "\n[b]\n",
        ),
    ],
)
def test_each_spelling_of_a_table_is_changed(text: str, put: str, dropped: str) -> None:
    assert toml.put(text, (*PATH, "command"), "new") == put
    assert toml.drop(text, PATH) == dropped


def test_a_server_is_added_to_an_inline_table() -> None:
    text = 'mcp_servers = { b = { command = "x" } } # mine\n'
    put = toml.put(text, PATH, {"command": "y"})
    assert tomllib.loads(put) == {
        "mcp_servers": {"b": {"command": "x"}, "openrouter": {"command": "y"}}
    }
    assert "# mine" in put


@pytest.mark.parametrize(
    ("text", "problem"),
    [("a = 1\nb = \n", "line 2"), ("mcp_servers = 1\n", "mcp_servers is no table")],
)
def test_what_is_no_such_document_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        toml.put(text, PATH, ENTRY)
