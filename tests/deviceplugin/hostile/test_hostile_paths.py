"""Wherever a runtime says that a cgroup is, nothing outside of the tree is opened or waited for."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from numalocal.idset import IdSet
from numalocal_deviceplugin.correcting import Cpuset
from numalocal_deviceplugin.node import cgroups, usage

from . import seeds, spoiling

PATHS = 1500
SECRET = IdSet.of([5])
PARTS = (
    "a.slice", "a-b.slice", "pod", "id", "x-id.scope", "out", "up", "round", "file", "pipe",
    "..", ".", "", "-", "-.slice", ".slice", "cpuset.cpus.effective", "ä", "\udcff", "\ud7ff",
    "\0", "\n", "x" * 255, "x" * 256, "~", "$HOME", "%s", "proc", "self", "fd", "0", "ns-b.slice",
)  # fmt: skip

_opened: list[tuple[str, int]] = []
_listens = False


def _listen(event: str, arguments: tuple[object, ...]) -> None:
    if _listens and event == "open":
        path, _, flags = arguments
        assert isinstance(flags, int)
        _opened.append((os.fsdecode(path) if isinstance(path, (str, bytes)) else "", flags))


sys.addaudithook(_listen)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with what cgroups have, and with links, a pipe and folders where files should be."""
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    for folder in (tree / "a.slice/a-b.slice/x-id.scope", tree / "pod/id", tree / "self", outside):
        folder.mkdir(parents=True)
        for name in (cgroups.CPUS, cgroups.MEMS):
            (folder / name).write_text(f"{SECRET if folder == outside else '0-3'}\n")
    (outside / "id").mkdir()
    (tree / "out").symlink_to(outside)
    (tree / "up").symlink_to("..")
    (tree / "round").symlink_to("round")
    (tree / "file").write_text("0-3")
    for place in (tree / "pipe", tree / "fd", tree / "proc"):
        place.mkdir()
    os.mkfifo(tree / "pipe" / cgroups.CPUS)
    os.mkfifo(tree / "pipe/cpu.stat")
    (tree / "fd" / cgroups.CPUS).symlink_to(outside / cgroups.CPUS)
    (tree / "proc" / cgroups.CPUS).mkdir()
    return tree


@pytest.fixture
def opened() -> Iterator[list[tuple[str, int]]]:
    global _listens  # noqa: PLW0603 - a hook can never be taken away
    _opened.clear()
    _listens = True
    yield _opened
    _listens = False


def path(random: Random) -> str:
    some = [random.choice(PARTS) for _ in range(random.choice((1, 1, 2, 3, 5, 400)))]
    match random.randrange(8):
        case 0:
            return random.choice(spoiling.TEXTS)
        case 1 | 2:
            return ":".join(some)
        case 3:
            return f"a-b.slice:{random.choice(some)}:{'/'.join(some)}"
        case 4:
            mutated = spoiling.mutated(random, "/".join(some).encode(errors="surrogatepass"))
            return mutated.decode(errors="surrogateescape")
        case 5:
            return f"/{random.choice(('out', 'up', 'pipe', 'fd'))}/{'/'.join(some)}"
        case _:
            return random.choice(("", "/", "//")) + "/".join(some)


def test_no_path_leads_out_of_the_tree_or_waits(root: Path, opened: list[tuple[str, int]]) -> None:
    def check(random: Random) -> None:
        opened.clear()
        told = path(random)
        parts = cgroups.parts_of(told)
        if parts is None:
            assert not opened
            return
        with closing(cgroups.Tree(root)) as tree:
            found = tree.cpuset(parts)
            usage.read(tree, parts)
        cgroups.narrowest_above(root, parts, Cpuset(IdSet.of([0, 7]), IdSet.of([1])))
        assert found is None or found.cpus != SECRET, repr(told)
        for name, flags in opened:
            if name != str(root):
                assert "/" not in name
                assert name not in ("", ".", "..")
                assert flags & os.O_NOFOLLOW
            assert flags & (os.O_NONBLOCK | os.O_PATH)

    seeds.each(seeds.of(PATHS), check)


def test_a_link_in_the_tree_is_no_cgroup(root: Path) -> None:
    with closing(cgroups.Tree(root)) as tree:
        for parts in (("out",), ("out", "id"), ("up", "outside"), ("round",)):
            assert tree.cpuset(parts) is None
            assert usage.read(tree, parts) is None
        assert tree.cpuset(("fd",)) is None


def test_long_paths_are_not_kept() -> None:
    before = cgroups._parts.cache_info().currsize

    for number in range(100):
        assert cgroups.parts_of("x" * (1 << 20) + str(number)) is None

    assert cgroups._parts.cache_info().currsize == before
