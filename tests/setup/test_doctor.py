"""`openrouter-mcp doctor` finds what was broken on purpose, and its advice mends it."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from openrouter_mcp import __version__, cli, settings
from openrouter_mcp.api import keychain
from openrouter_mcp.setup import checks, doctor
from openrouter_mcp.setup.checks import Finding
from openrouter_mcp.setup.machine import Machine
from openrouter_mcp.simulator.state import INFERENCE_KEY, MANAGEMENT_KEY, Simulator
from tests.support import mcp_peer
from tests.support.keyring import Memory

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the planted commands are shell scripts")


@dataclass
class Patient:
    """A computer with this server and one client, Cursor, all of it in order."""

    home: Path
    configure: Callable[..., None]
    simulator: Simulator
    keyring: Memory
    variables: pytest.MonkeyPatch

    @property
    def bin(self) -> Path:
        return self.home / "bin"

    @property
    def cursor(self) -> Path:
        return self.home / ".cursor" / "mcp.json"

    def program(self, name: str, says: str) -> Path:
        """Put a program on the PATH."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\necho '{says}'\n")
        path.chmod(0o700)
        return path

    def start_in_cursor(self, command: str, **fields: object) -> None:
        entry = {"command": command, "args": ["serve"], **fields}
        self.cursor.write_text(json.dumps({"mcpServers": {"openrouter": entry}}))

    async def broken(self) -> list[Finding]:
        """What the doctor says is broken."""
        environment = {**os.environ, "PATH": str(self.bin)}
        machine = Machine("linux", self.home, environment)
        findings = await doctor.examine(settings.load(), machine, call=False)
        return [finding for finding in findings if finding.state == "broken"]


@pytest.fixture
def patient(configure, keyring, simulator, monkeypatch, tmp_path: Path) -> Patient:
    configure(OPENROUTER_API_KEY=INFERENCE_KEY)
    patient = Patient(tmp_path / "home", configure, simulator, keyring, monkeypatch)
    patient.bin.mkdir(parents=True)
    patient.cursor.parent.mkdir()
    command = patient.program("openrouter-mcp", f"openrouter-mcp {__version__}")
    patient.program("ffmpeg", "ffmpeg")
    patient.start_in_cursor(str(command))
    return patient


Mend = Callable[[], object]
FAULTS: dict[str, tuple[Callable[[Patient], Mend], str, str]] = {}
"""By name: what plants it and gives back what the advice says to do; the topic; the advice."""


def fault(topic: str, advice: str) -> Callable[[Callable[[Patient], Mend]], None]:
    def enter(plant: Callable[[Patient], Mend]) -> None:
        FAULTS[plant.__name__] = plant, topic, advice

    return enter


@fault("key", "openrouter-mcp login")
def no_key(patient: Patient) -> Mend:
    patient.configure(OPENROUTER_API_KEY="")
    return lambda: keychain.write(settings.load().base_url, INFERENCE_KEY)


@fault("key", "openrouter-mcp login")
def a_key_that_openrouter_does_not_know(patient: Patient) -> Mend:
    patient.configure(OPENROUTER_API_KEY="")
    keychain.write(settings.load().base_url, "sk-or-v1-deleted-long-ago")
    return lambda: keychain.write(settings.load().base_url, INFERENCE_KEY)


@fault("key", "openrouter-mcp login")
def a_management_key(patient: Patient) -> Mend:
    patient.configure(OPENROUTER_API_KEY=MANAGEMENT_KEY)
    return lambda: patient.configure(OPENROUTER_API_KEY=INFERENCE_KEY)


@fault("key limit", "https://openrouter.ai/keys")
def a_key_whose_limit_is_used_up(patient: Patient) -> Mend:
    patient.simulator.key_limit = Decimal(0)
    return lambda: setattr(patient.simulator, "key_limit", Decimal(5))


@fault("credits", "https://openrouter.ai/credits")
def no_credits(patient: Patient) -> Mend:
    patient.configure(OPENROUTER_MANAGEMENT_KEY=MANAGEMENT_KEY)
    patient.simulator.balance = Decimal(0)
    return lambda: setattr(patient.simulator, "balance", Decimal(5))


@fault("network", "unset OPENROUTER_BASE_URL")
def an_address_where_nobody_answers(patient: Patient) -> Mend:
    address = settings.load().base_url
    patient.configure(OPENROUTER_BASE_URL="http://127.0.0.1:9/api/v1")
    # The simulator is what its own address is to everybody else.
    return lambda: patient.configure(OPENROUTER_BASE_URL=address)


@fault("state", "Set OPENROUTER_STATE_DIR to another folder")
def a_file_in_place_of_the_state_directory(patient: Patient) -> Mend:
    (patient.home / "state").write_text("")
    patient.configure(OPENROUTER_STATE_DIR=str(patient.home / "state"))
    return lambda: patient.configure(OPENROUTER_STATE_DIR=str(patient.home / "other"))


@fault("state", "Set OPENROUTER_STATE_DIR to another folder")
def state_of_a_newer_version(patient: Patient) -> Mend:
    (patient.home / "state").mkdir()
    with closing(sqlite3.connect(patient.home / "state" / "state.db")) as connection:
        connection.execute("PRAGMA user_version = 9999")
    patient.configure(OPENROUTER_STATE_DIR=str(patient.home / "state"))
    return lambda: patient.configure(OPENROUTER_STATE_DIR=str(patient.home / "other"))


@fault("state", "Set OPENROUTER_STATE_DIR to another folder")
def damaged_state(patient: Patient) -> Mend:
    (patient.home / "state").mkdir()
    (patient.home / "state" / "state.db").write_bytes(b"no database" * 500)
    patient.configure(OPENROUTER_STATE_DIR=str(patient.home / "state"))
    return lambda: patient.configure(OPENROUTER_STATE_DIR=str(patient.home / "other"))


@fault("output", "Set OPENROUTER_OUTPUT_DIR")
def a_file_in_place_of_the_output_directory(patient: Patient) -> Mend:
    (patient.home / "output").write_text("")
    patient.configure(OPENROUTER_OUTPUT_DIR=str(patient.home / "output"))
    return lambda: patient.configure(OPENROUTER_OUTPUT_DIR=str(patient.home / "other"))


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_folder_that_takes_no_files_is_no_output_directory() -> None:
    assert not checks._is_writable(Path("/proc/self/output"))


@fault("input", "mkdir -p")
def an_input_directory_that_is_not_there(patient: Patient) -> Mend:
    folder = patient.home / "pictures"
    patient.configure(OPENROUTER_INPUT_DIRS=str(folder))
    return folder.mkdir


@fault("variables", "unset OPENROUTER_MAX_COST_PER_DAY")
def a_variable_that_is_no_number(patient: Patient) -> Mend:
    patient.configure(OPENROUTER_MAX_COST_PER_DAY="five dollars")
    return lambda: patient.configure(OPENROUTER_MAX_COST_PER_DAY="")


@fault("variables", "unset OPENROUTER_DAILY_BUDGET")
def a_limit_that_is_none(patient: Patient) -> Mend:
    patient.configure(OPENROUTER_DAILY_BUDGET="5")
    return lambda: patient.configure(OPENROUTER_DAILY_BUDGET="")


@fault("key", "openrouter-mcp login")
def a_key_that_the_client_did_not_fill_in(patient: Patient) -> Mend:
    patient.configure(OPENROUTER_API_KEY="${input:openrouter-key}")
    return lambda: keychain.write(settings.load().base_url, INFERENCE_KEY)


@fault("variables", "unset OPENROUTER_WAIT_SECONDS")
def a_wait_that_is_no_time(patient: Patient) -> Mend:
    patient.configure(OPENROUTER_WAIT_SECONDS="soon")
    return lambda: patient.configure(OPENROUTER_WAIT_SECONDS="")


@fault("variables", "unset OPENROUTER_DAILY_BUDGET")
def a_variable_that_nobody_reads(patient: Patient) -> Mend:
    patient.configure(OPENROUTER_DAILY_BUDGET="5")
    return lambda: patient.configure(OPENROUTER_DAILY_BUDGET="")


@fault("variables", "unset OPENROUTER_TOOLS")
def a_module_that_is_none(patient: Patient) -> Mend:
    patient.configure(OPENROUTER_TOOLS="media")
    return lambda: patient.configure(OPENROUTER_TOOLS="")


@fault("key", "openrouter-mcp login")
def a_placeholder_in_place_of_the_key(patient: Patient) -> Mend:
    patient.configure(OPENROUTER_API_KEY="YOUR_KEY")
    return lambda: patient.configure(OPENROUTER_API_KEY=INFERENCE_KEY)


@fault("Cursor", "openrouter-mcp install cursor")
def a_command_that_is_not_there(patient: Patient) -> Mend:
    patient.start_in_cursor(str(patient.bin / "gone" / "openrouter-mcp"))
    return lambda: patient.start_in_cursor(str(patient.bin / "openrouter-mcp"))


@fault("Cursor", "openrouter-mcp install cursor")
def a_command_that_never_stops_talking(patient: Patient) -> Mend:
    patient.variables.setattr(checks, "ENDING", 0.05)
    (patient.bin / "loud").mkdir()
    loud = patient.program("loud/openrouter-mcp", "")
    loud.write_text(f"#!{sys.executable}\nwhile True: print(1)\n")
    patient.start_in_cursor(str(loud))

    def mend() -> None:
        patient.variables.setattr(checks, "ENDING", 5.0)
        patient.start_in_cursor(str(patient.bin / "openrouter-mcp"))

    return mend


@fault("Cursor", "openrouter-mcp install cursor")
def a_command_of_another_version(patient: Patient) -> Mend:
    (patient.bin / "old").mkdir()
    old = patient.program("old/openrouter-mcp", "openrouter-mcp 0.0.1")
    patient.start_in_cursor(str(old))
    return lambda: patient.start_in_cursor(str(patient.bin / "openrouter-mcp"))


@fault("Cursor", "Correct that")
def a_configuration_that_is_no_json(patient: Patient) -> Mend:
    text = patient.cursor.read_text()
    patient.cursor.write_text(text + "}")
    return lambda: patient.cursor.write_text(text)


@fault("command", "Uninstall what")
def another_program_of_the_same_name(patient: Patient) -> Mend:
    ours = patient.bin / "ours"
    ours.mkdir()
    (patient.bin / "openrouter-mcp").rename(ours / "openrouter-mcp")
    patient.start_in_cursor(str(ours / "openrouter-mcp"))
    stranger = patient.program("openrouter-mcp", "1.0.0 of somebody else")
    return stranger.unlink


@fault("run_agent", "Correct")
def a_list_of_servers_that_is_no_json(patient: Patient) -> Mend:
    listed = patient.home / "servers.json"
    listed.write_text('{"mcpServers": {')
    patient.configure(OPENROUTER_MCP_CONFIG=str(listed))
    return lambda: listed.write_text(json.dumps({"mcpServers": {"peer": PEER}}))


@fault("run_agent: lost", "Correct or remove it in")
def a_server_that_does_not_start(patient: Patient) -> Mend:
    listed = patient.home / "servers.json"
    lost = {"command": str(patient.bin / "nothing")}
    listed.write_text(json.dumps({"mcpServers": {"lost": lost, "peer": PEER}}))
    patient.configure(OPENROUTER_MCP_CONFIG=str(listed))
    return lambda: listed.write_text(json.dumps({"mcpServers": {"peer": PEER}}))


@fault("network", "unset HTTP_PROXY or OPENROUTER_BASE_URL")
def a_proxy_whose_address_is_none(patient: Patient) -> Mend:
    patient.variables.setenv("HTTP_PROXY", "http://[::1")
    return lambda: patient.variables.delenv("HTTP_PROXY")


@fault("network", "unset OPENROUTER_BASE_URL or SSL_CERT_FILE")
def certificates_that_are_not_there(patient: Patient) -> Mend:
    patient.variables.setenv("SSL_CERT_FILE", str(patient.home / "gone.pem"))
    return lambda: patient.variables.delenv("SSL_CERT_FILE")


@fault("key", "https://openrouter.ai/credits")
def an_account_that_owes(patient: Patient) -> Mend:
    patient.simulator.answer_raw("no", status=402, path="/key", times=None)
    return patient.simulator.faults.clear


@fault("key", "doctor again later")
def a_service_that_is_down(patient: Patient) -> Mend:
    patient.simulator.answer_raw("no", status=500, path="/key", times=None)
    return patient.simulator.faults.clear


@fault("ffmpeg", "Install it again")
def an_ffmpeg_that_does_not_run(patient: Patient) -> Mend:
    path = patient.bin / "ffmpeg"
    path.write_text("#!/bin/sh\nexit 127\n")
    return lambda: patient.program("ffmpeg", "ffmpeg")


@fault("output", "Set OPENROUTER_OUTPUT_DIR")
def an_output_directory_with_a_name_that_no_folder_can_have(patient: Patient) -> Mend:
    patient.configure(OPENROUTER_OUTPUT_DIR=str(patient.home / ("long" * 100) / "output"))
    return lambda: patient.configure(OPENROUTER_OUTPUT_DIR=str(patient.home / "other"))


@fault("input", "correct OPENROUTER_INPUT_DIRS")
def an_input_directory_with_a_name_that_no_folder_can_have(patient: Patient) -> Mend:
    patient.configure(OPENROUTER_INPUT_DIRS=str(patient.home / ("long" * 100)))
    return lambda: patient.configure(OPENROUTER_INPUT_DIRS="")


@fault("Cursor", "Correct that")
def a_pipe_in_place_of_a_configuration(patient: Patient) -> Mend:
    text = patient.cursor.read_text()
    patient.cursor.unlink()
    os.mkfifo(patient.cursor)

    def mend() -> None:
        patient.cursor.unlink()
        patient.cursor.write_text(text)

    return mend


PEER = {"command": sys.executable, "args": [mcp_peer.__file__]}


async def test_where_nothing_is_broken_nothing_is_said_to_be(patient) -> None:
    assert await patient.broken() == []


@pytest.mark.parametrize("name", FAULTS)
async def test_what_is_broken_is_found_and_the_advice_mends_it(patient, name: str) -> None:
    plant, topic, advice = FAULTS[name]
    mend = plant(patient)
    found = await patient.broken()
    assert [finding.topic for finding in found] == [topic]
    assert advice in found[0].mend
    mend()
    assert await patient.broken() == []


async def test_a_spent_cap_is_found_and_the_advice_mends_it(patient, connect) -> None:
    async with connect() as client:
        await client.call_tool("chat", {"prompt": "Hello"})
    patient.configure(OPENROUTER_MAX_COST_PER_DAY="0.000001")
    (found,) = await patient.broken()
    assert found.topic == "caps"
    advised = re.search(r"OPENROUTER_MAX_COST_PER_DAY=(\S+)", found.mend)
    assert advised
    patient.configure(OPENROUTER_MAX_COST_PER_DAY=advised[1])
    assert await patient.broken() == []


async def test_a_free_model_is_asked_on_request_only(patient, simulator) -> None:
    machine = Machine("linux", patient.home, {"PATH": str(patient.bin)})
    await doctor.examine(settings.load(), machine, call=False)
    assert not [request for request in simulator.requests if request.method == "POST"]
    (*_, answer) = await doctor.examine(settings.load(), machine, call=True)
    assert answer.state == "ok"
    (request,) = [request for request in simulator.requests if request.method == "POST"]
    assert request.body["model"] == "openrouter/free"


async def test_without_a_network_a_key_that_is_missing_is_found_too(patient) -> None:
    patient.configure(OPENROUTER_API_KEY="", OPENROUTER_BASE_URL="http://127.0.0.1:9/api/v1")
    key, network = await patient.broken()
    assert key.topic == "key"
    assert "No OpenRouter key is set" in key.text
    assert "openrouter-mcp login" in key.mend
    assert network.topic == "network"
    assert "could not be reached" in network.text


async def test_a_key_of_the_client_alone_is_no_fault(patient) -> None:
    patient.configure(OPENROUTER_API_KEY="")
    patient.start_in_cursor(
        str(patient.bin / "openrouter-mcp"), env={"OPENROUTER_API_KEY": INFERENCE_KEY}
    )
    assert await patient.broken() == []


def test_the_command_prints_a_page_or_json_and_fails_where_something_is_broken(
    configure, environment: dict[str, str], tmp_path: Path, monkeypatch, capsys
) -> None:
    place = {"PATH": "", "HOME": str(tmp_path)}
    healthy = subprocess.run(
        [sys.executable, "-m", "openrouter_mcp", "doctor"],
        env={**environment, **place},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert healthy.returncode == 0, healthy.stdout
    assert re.search(r"^ok +key ", healthy.stdout, re.MULTILINE)
    configure(**place, OPENROUTER_WAIT_SECONDS="soon")
    monkeypatch.setattr(sys, "argv", ["openrouter-mcp", "doctor", "--json"])
    with pytest.raises(SystemExit) as sick:
        cli.main()
    assert sick.value.code == 1
    printed = capsys.readouterr().out
    page = json.loads(printed)
    assert page["healthy"] is False
    assert [each["topic"] for each in page["findings"] if each["state"] == "broken"] == [
        "variables"
    ]
    assert INFERENCE_KEY not in healthy.stdout + printed


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_that_does_not_have_every_sign_gets_the_page(
    environment: dict[str, str], tmp_path: Path, encoding: str
) -> None:
    arguments = ["install", "--dry-run", "cursor"] if encoding == "ascii" else ["doctor", "--json"]
    home = tmp_path / "\u0434\u043e\u043c"
    (home / ".cursor").mkdir(parents=True)
    variables = {"OPENROUTER_OUTPUT_DIR": str(home), "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [sys.executable, "-m", "openrouter_mcp", *arguments],
        env={"PATH": "", "HOME": str(home), **environment, **variables},
        capture_output=True,
        timeout=50,
        check=False,
    )
    told = done.stdout.decode("ascii")
    assert done.returncode == 0, told
    assert "\\u0434" in told
