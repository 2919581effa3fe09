import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from numalocal_deviceplugin.state import State

from .nodes import make_state


@pytest.fixture
def run_dir() -> Iterator[Path]:
    """A directory with a short path: a unix socket's path ends at 107 characters."""
    with tempfile.TemporaryDirectory(prefix="nl-") as directory:
        yield Path(directory)


@pytest.fixture
def state() -> State:
    return make_state()
