"""How the tests run, whatever they test; what they use is in `fixtures.py`."""

import gc

import pytest
import xdist

# The garbage collector looks at everything that is alive again and again: what the tests import
# stays alive until the end, so that looking at it is a tenth of all their work for nothing.
gc.disable()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Load the fixtures, except into the process that only hands tests out: they load for long."""
    if not xdist.is_xdist_controller(session):
        session.config.pluginmanager.import_plugin("tests.fixtures")


def pytest_collection_finish() -> None:
    """Collect only what the tests leave behind."""
    gc.freeze()
    gc.enable()
