"""The system's keyring, where `login` keeps a key: one for each address that it was made for.

All of this blocks, for as long as the keyring asks the user to unlock it.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "openrouter-mcp"


class KeychainError(Exception):
    """The keyring cannot be used; the text says why."""


def name() -> str:
    """What the keyring is called. Raises `KeychainError` where this system has none."""
    with _backend() as backend:
        return str(backend.name)


def read(address: str) -> str:
    """The key for this address; empty where there is none. Raises `KeychainError`."""
    with _backend() as backend:
        return (backend.get_password(SERVICE, address) or "").strip()


def write(address: str, key: str) -> None:
    """Keep the key for this address, in place of an earlier one. Raises `KeychainError`."""
    with _backend() as backend:
        backend.set_password(SERVICE, address, key)


def delete(address: str) -> bool:
    """Forget the key for this address; whether there was one. Raises `KeychainError`."""
    with _backend() as backend:
        if not backend.get_password(SERVICE, address):
            return False
        backend.delete_password(SERVICE, address)
        return True


@contextmanager
def _backend() -> Generator[KeyringBackend]:
    """The keyring that the user chose, else a safe one of the system."""
    try:
        from keyring import core

        core.init_backend(core.recommended)
        backend = core.get_keyring()
        if backend.priority > 0:
            yield backend
            return
    except Exception as error:
        raise KeychainError(f"it failed ({type(error).__name__})") from error
    raise KeychainError("this system has none that programs can use")
