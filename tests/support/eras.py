"""The two eras of the protocol: since 2026-07-28, and the handshake before it."""

import pytest

both_eras = pytest.mark.parametrize("mode", ["auto", "legacy"])
"""Runs a test whose `mode` or `client` fixture decides what it is about in either era."""
