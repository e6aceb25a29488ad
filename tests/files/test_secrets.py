"""What surely is a secret is kept back: by its name, by what it holds, under any other name."""

import os
import random
import string
import tempfile
from pathlib import Path

import pytest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import secrets
from openrouter_mcp.files.attach import Attachments, Files
from openrouter_mcp.settings import Settings

CANARY = "the canary sings"
KEY = "sk-or-v1-0f" + "1e2d3c4b5a69788796a5b4c3d2e1f00f" * 2
NAMED = [
    *(".mcp.json", "mcp.json", "claude_desktop_config.json", "prod.tfstate.backup", "prod.tfvars"),
    *("prod.auto.tfvars.json", ".Xauthority", ".yarnrc.yml", ".terraformrc", "kube.config"),
    *(
        "logins.json",
        ".git/config",
        "repo.git/config",
        ".git/modules/x/config",
        ".env~",
        ".env.bak",
    ),
    *("id_rsa.old", "key.pem.bak", "server.key.1", "secrets (1).json", "Copy of credentials.json"),
    *("#.env#", ".#.env", ".id_rsa.swp", "credentials-old.json", "MCP.JSON", "terraform.tfstate.1"),
    *(".docker/config.json", ".kube/config", "server.pem.orig.bak", "secrets.yaml~"),
]


def random_text(size: int, letters: str = string.ascii_letters + string.digits) -> str:
    return "".join(random.Random(size).choices(letters, k=size))  # noqa: S311 - no secret


TOKENS = [
    "AKIA" + random_text(16, string.ascii_uppercase + "234567"),
    "ghp_" + random_text(36),
    "github_pat_" + random_text(82),
    "glpat-" + random_text(20),
    "xoxb-123456789012-" + random_text(24),
    "sk_live_" + random_text(24),
    "AIza" + random_text(35),
    "npm_" + random_text(36),
    "pypi-AgEIcHlwaS5vcmc" + random_text(60),
    "hf_" + random_text(34, string.ascii_letters),
    "sk-ant-api03-" + random_text(93) + "AA",
    "sk-proj-" + random_text(74) + "T3BlbkFJ" + random_text(74),
    "sk-or-v1-" + random_text(64, string.hexdigits[:16]),
    "SG." + random_text(22) + "." + random_text(43),
    "dop_v1_" + random_text(64, "0123456789abcdef"),
    f"-----BEGIN RSA PRIVATE KEY-----\n{random_text(64)}\n-----END RSA PRIVATE KEY-----",
    '{"private_key": "-----BEGIN PRIVATE KEY-----\\n' + random_text(64) + "\\n-----END PRIVATE KEY",
    f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n{random_text(64)}",
]
HARMLESS = [
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "AKIAIOSFODNN7EXAMPLE",
    "sk-or-v1-...",
    "begin with -----BEGIN OPENSSH PRIVATE KEY----- and end it",
    "-----BEGIN CERTIFICATE-----\n" + random_text(64),
    "the xghp_" + random_text(36),
    "AKIATOOSHORT",
    "hf_" + random_text(33, string.ascii_letters) + " hf_hub_download",
]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("home/.ssh", "work", "temporary"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "work"


async def attach(*names: str, **fields) -> Attachments:
    settings = Settings(state_dir=Path("~/state"), api_key=KEY, **fields)
    return await Files(settings).parts(names)


async def refused(*names: str, **fields) -> str:
    with pytest.raises(OpenRouterError) as caught:
        await attach(*names, **fields)
    assert caught.value.code == Code.UNSAFE_PATH
    assert CANARY not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("name", NAMED)
async def test_files_that_hold_secrets_are_refused_by_name(work: Path, name: str) -> None:
    (work / name).parent.mkdir(parents=True, exist_ok=True)
    (work / name).write_text(CANARY)
    assert "may hold secrets" in await refused(name)
    assert CANARY in str((await attach(name, allow_unsafe_paths=True)).parts)
    link = work / "innocent.txt"
    link.symlink_to(work / name)
    await refused("innocent.txt")


@pytest.mark.parametrize(
    "name",
    [
        "config",
        "config.json",
        ".env.example.bak",
        "mcp.py",
        "auth.json",
        "backup.md",
        "notes (1).txt",
    ],
)
async def test_other_names_are_read(work: Path, name: str) -> None:
    (work / name).write_text(CANARY)
    assert CANARY in str((await attach(name)).parts)


async def test_the_configuration_of_other_servers_is_no_file_to_read(work: Path) -> None:
    (work / "servers.json").write_text(CANARY)
    (work / "link.json").symlink_to("servers.json")
    os.link(work / "servers.json", work / "hard.json")
    for name in ("servers.json", "link.json", "hard.json"):
        await refused(name, mcp_config=work / "servers.json")
        assert CANARY in str((await attach(name)).parts)


@pytest.mark.parametrize("token", TOKENS, ids=lambda token: token[:16])
async def test_a_text_with_a_token_is_refused_if_named_and_left_out_if_found(
    work: Path, token: str
) -> None:
    (work / "deploy.sh").write_text(f"#!/bin/sh\nexport TOKEN='{token}'\n")
    (work / "a.txt").write_text(CANARY)
    said = await refused("deploy.sh")
    assert "deploy.sh holds a" in said
    assert token not in said
    found = await attach(".")
    assert found.notes == ["Skipped 1 protected file (deploy.sh)."]
    assert token not in str(found.parts)
    allowed = await attach("deploy.sh", allow_unsafe_paths=True)
    assert token in allowed.parts[0]["text"]


@pytest.mark.parametrize("text", HARMLESS, ids=lambda text: text[:16])
async def test_what_only_looks_like_a_token_is_read(work: Path, text: str) -> None:
    (work / "notes.md").write_text(f"Use `{text}` here.")
    assert (await attach("notes.md")).parts


async def test_our_own_key_leaves_in_no_file_whatever_is_allowed(work: Path) -> None:
    (work / "notes.md").write_text(f"mine: {KEY}")
    for allowed in (True, False):
        said = await refused("notes.md", allow_unsafe_paths=allowed)
        assert "a key of this server" in said
        assert KEY not in said


async def test_another_name_of_a_secret_opens_nothing(work: Path, tmp_path: Path) -> None:
    secret = tmp_path / "home" / ".ssh" / "known"
    secret.write_text(CANARY)
    os.link(secret, work / "notes.txt")
    (work / ".env").write_text(CANARY)
    os.link(work / ".env", work / "readme.md")
    for name in ("notes.txt", "readme.md"):
        assert "another name" in await refused(name)
        assert CANARY in str((await attach(name, allow_unsafe_paths=True)).parts)
    (work / "plain.txt").write_text("innocent")
    os.link(work / "plain.txt", work / "twin.txt")
    found = await attach(".")
    assert [Path(path).name for path in found.paths] == ["plain.txt", "twin.txt"]


def test_the_search_is_linear() -> None:
    for hostile in ("-----BEGIN " * 50_000, "ghp_" * 100_000, "xoxb-1" * 50_000, "AKIA" * 99_999):
        assert secrets.found_in(hostile) == ""
