"""What surely is a secret: files by their names, texts by what they hold.

The rules for texts are those of gitleaks whose tokens begin with a mark of their own, so that they
are few and certain: https://github.com/gitleaks/gitleaks/blob/master/config/gitleaks.toml
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Iterator, Sequence

NAMES = (
    *(".env*", "*.env", ".netrc", "_netrc", ".npmrc", ".yarnrc.yml", ".yarnrc", ".pypirc"),
    *(".htpasswd", ".htdigest", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "ssh_host_*key"),
    *("*.pem", "*.key", "*.ppk", "*.p8", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.ovpn"),
    *("*.kdb", "*.kdbx", "*.keychain", "*.keychain-db", "*.wallet", "wallet.dat", "utc--*"),
    *("credentials", "credentials.json", "credentials.y*ml", "credentials.toml", "credentials.ini"),
    *(".credentials*", ".git-credentials", "client_secret*.json", "service[-_]account*.json"),
    *("application_default_credentials.json", "accesstokens.json", ".claude.json"),
    *("secrets.json", "secrets.y*ml", "secrets.toml", ".secrets", ".vault-token", ".xauthority"),
    *("*.tfstate", "*.tfvars", "*.tfvars.json", ".terraformrc", "terraform.rc", "logins.json"),
    *("key[34].db", "login data", "cookies.sqlite", ".pgpass", "pgpass.conf", ".my.cnf"),
    *(".mylogin.cnf", ".s3cfg", ".boto", ".dockercfg", ".*_history", "kubeconfig", "*.kubeconfig"),
    *("kube.config", "claude_desktop_config.json", "mcp.json", ".mcp.json", "mcp_config.json"),
)
EXAMPLE = re.compile(r"(?:\.env.*[._-])?(?:example|sample|template)(?:\.env)?")
IN_FOLDERS = {
    ".git": {"config", "config.worktree"},
    ".docker": {"config.json"},
    ".kube": {"config"},
}
"""Folders, by the ends of their names, and what holds secrets in them at any depth."""
BACKUPS = (".bak", ".backup", ".back", ".old", ".orig", ".save", ".swp", ".swo", ".tmp", ".copy")
MARKS = ("-bak", "_bak", "-backup", "_backup", "-old", "_old", "-copy", "_copy", " copy", "~", "#")
NUMBER = re.compile(r"(?:\.\d{1,14}| ?\(\d{1,3}\))$")
MOST_MARKS = 4
"""Marks of copies that are taken off a name, one after another."""

BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
KEY_BODY = re.compile(r"[A-Za-z0-9+/]{20}")
KEY_SEEN = 2000
"""Characters after the first line of a private key in which the key begins."""
TOKENS = {
    "a key of OpenRouter": ("sk-or-v1-", r"[0-9a-f]{64}"),
    "a key of Anthropic": ("sk-ant-", r"(?:api|admin|oat|ort)\d\d-[\w-]{80,120}"),
    "a key of OpenAI": ("T3BlbkFJ", r"[\w-]{20,74}"),
    "a key of AWS": ("AKIA", r"[A-Z2-7]{16}\b"),
    "a passing key of AWS": ("ASIA", r"[A-Z2-7]{16}\b"),
    "a token of GitHub": ("ghp_", r"[0-9a-zA-Z]{36}"),
    "an OAuth token of GitHub": ("gho_", r"[0-9a-zA-Z]{36}"),
    "a user token of GitHub": ("ghu_", r"[0-9a-zA-Z]{36}"),
    "a server token of GitHub": ("ghs_", r"[0-9a-zA-Z]{36}"),
    "a refresh token of GitHub": ("ghr_", r"[0-9a-zA-Z]{36}"),
    "a fine-grained token of GitHub": ("github_pat_", r"\w{82}"),
    "a token of GitLab": ("glpat-", r"[\w-]{20}"),
    "a token of Slack": ("xoxb-", r"[0-9]{8,14}-[a-zA-Z0-9-]{18,}"),
    "a user token of Slack": ("xoxp-", r"[0-9]{8,14}-[a-zA-Z0-9-]{18,}"),
    "a live key of Stripe": ("sk_live_", r"[a-zA-Z0-9]{10,99}"),
    "a restricted key of Stripe": ("rk_live_", r"[a-zA-Z0-9]{10,99}"),
    "a key of Google": ("AIza", r"[\w-]{35}(?![\w-])"),
    "a token of npm": ("npm_", r"[a-zA-Z0-9]{36}\b"),
    "a token of PyPI": ("pypi-AgEIcHlwaS5vcmc", r"[\w-]{50}"),
    "a token of Hugging Face": ("hf_", r"[a-zA-Z]{34}\b"),
    "a key of SendGrid": ("SG.", r"[\w-]{22}\.[\w-]{43}"),
    "a token of DigitalOcean": ("dop_v1_", r"[a-f0-9]{64}"),
    "a token of Shopify": ("shpat_", r"[a-fA-F0-9]{32}"),
    "a token of Vault": ("hvs.", r"[\w-]{90}"),
    "a token of Databricks": ("dapi", r"[a-f0-9]{32}\b"),
    "a key of age": ("AGE-SECRET-KEY-1", r"[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"),
}
"""What it is, how it begins (of OpenAI's keys: a mark in their middle), and how it goes on."""
FILLER = "x*.0#_-"


def is_secret_path(folded: Sequence[str]) -> bool:
    """Whether a file may hold secrets by its name, or the folder that it is in.

    The parts of its path are folded: in the one form that all file systems take for the same.
    """
    *folders, name = folded
    for kind, names in IN_FOLDERS.items():
        if name in names and any(folder.endswith(kind) for folder in folders):
            return True
    spelled = [*_originals(name)]
    return any(map(_named().match, spelled)) and not any(map(EXAMPLE.fullmatch, spelled))


@functools.cache
def _named() -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in NAMES))


def _originals(name: str) -> Iterator[str]:
    """The name, and those of which it may be a copy: `.env~`, `key.pem.bak`, `secrets (1).json`."""
    for _ in range(MOST_MARKS):
        yield name
        stem, dot, ending = name.rpartition(".")
        if dot and (shorter := _unmarked(stem)) != stem:
            yield f"{shorter}.{ending}"
        shorter = _unmarked(name)
        if shorter == name:
            return
        if name.endswith((".swp", ".swo", "#")):
            yield shorter.lstrip(".#")
        name = shorter


def _unmarked(name: str) -> str:
    for mark in (*BACKUPS, *MARKS):
        if name.endswith(mark):
            return name.removesuffix(mark)
    for mark in ("copy of ", "backup of ", ".#", "#"):
        if name.startswith(mark):
            return name.removeprefix(mark)
    return NUMBER.sub("", name)


def found_in(text: str) -> str:
    """Which secret a text holds, as "a private key"; empty if none is known. Linear in the text."""
    if _holds_private_key(text):
        return "a private key"
    for kind, (mark, rest) in TOKENS.items():
        start = text.find(mark)
        while start >= 0:
            end = start + len(mark)
            match = _compiled(rest).match(text, end)
            alone = not text[max(start - 1, 0) : start].isalnum() or mark == "T3BlbkFJ"
            if match and alone and not _is_filler(match[0]):
                return kind
            start = text.find(mark, end)
    return ""


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _holds_private_key(text: str) -> bool:
    """Whether a private key begins the text, or stands in it with more than its first line."""
    for match in BEGIN.finditer(text):
        body = text[match.end() : match.end() + KEY_SEEN].partition("-----END")[0]
        if KEY_BODY.search(body) or not text[: match.start()].strip():
            return True
    return False


def _is_filler(token: str) -> bool:
    """Whether it stands for a token, as in documentation."""
    return set(token.lower()) <= set(FILLER) or "example" in token.lower()
