"""The cache: built once, named by a hash of what it was made from, put in place whole."""

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.commands import step


def cache() -> Path:
    """Give the cache's folder: NUMALOCAL_CACHE, or ~/.cache/numalocal."""
    named = os.environ.get("NUMALOCAL_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "numalocal"


def key(*inputs: str | Path) -> str:
    """Hash texts and files (a folder means all files below it, by relative name).

    A recipe is an input too: a module that builds something names its own file.
    """
    digest = hashlib.sha256()
    for one in inputs:
        if isinstance(one, str):
            _add(digest.update, "text", one.encode())
            continue
        for path in _files(one):
            _add(digest.update, str(path.relative_to(one.parent)), path.read_bytes())
    return digest.hexdigest()[:16]


def artifact(name: str, digest: str, build: Callable[[Path], None]) -> Path:
    """Give the artifact's folder, built now where the cache has none of this digest.

    `build` fills an empty folder, which is renamed into place only when it is complete; older
    ones of the same name are then removed, and so is what a killed build has left.
    """
    place = cache() / f"{name}-{digest}"
    if place.is_dir():
        return place
    with exclusive(name):
        if place.is_dir():
            return place
        older = list(cache().glob(f"{name}-{'?' * len(digest)}"))
        work = cache() / f".{name}.new"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            with step(f"building {name}"):
                build(work)
            work.rename(place)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        for one in older:
            shutil.rmtree(one)
    return place


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Hold the cache's lock of this name, and say so where another process has it."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f".{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"lab: another process works on {name}; waiting for it", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _files(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    return sorted(
        one for one in path.rglob("*") if one.is_file() and "__pycache__" not in one.parts
    )


def _add(update: Callable[[bytes], None], name: str, content: bytes) -> None:
    """Add a length before each part, so that parts cannot run into each other."""
    for part in (name.encode(), content):
        update(len(part).to_bytes(8, "big"))
        update(part)
