"""Keyrings of tests, in place of the system's."""

import json
import os
import threading
from pathlib import Path

from keyring.backend import KeyringBackend


class Memory(KeyringBackend):
    """A keyring of one test; while it is locked, it lets everybody wait."""

    priority = 5
    name = "a test's keyring"

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.unlocked = threading.Event()
        self.unlocked.set()
        self.asked = 0

    def get_password(self, service: str, username: str) -> str | None:
        self.asked += 1
        self.unlocked.wait()
        return self.kept.get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[f"{service} {username}"] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[f"{service} {username}"]


class JsonFile(Memory):
    """A keyring that processes share: the file that TEST_KEYRING names."""

    @property
    def _file(self) -> Path:
        return Path(os.environ["TEST_KEYRING"])

    def get_password(self, service: str, username: str) -> str | None:
        self.kept = json.loads(self._file.read_text()) if self._file.exists() else {}
        return super().get_password(service, username)

    def set_password(self, service: str, username: str, password: str) -> None:
        super().set_password(service, username, password)
        self._file.write_text(json.dumps(self.kept))

    def delete_password(self, service: str, username: str) -> None:
        super().delete_password(service, username)
        self._file.write_text(json.dumps(self.kept))
