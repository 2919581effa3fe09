"""A directory for one process's machines: they have a hundred thousand small files."""

import atexit
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

_ROOM_BYTES = 4 << 30


def scratch() -> Path:
    """Make a directory that is removed at the end; in memory where there is room for all."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > _ROOM_BYTES
    in_memory = str(memory) if roomy and os.access(memory, os.W_OK) else None
    directory = TemporaryDirectory(prefix="numalocal-", dir=in_memory)
    atexit.register(directory.cleanup)
    return Path(directory.name)
