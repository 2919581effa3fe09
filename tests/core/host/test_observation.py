"""Looks at real processes, and at what a kernel shows of its pages."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.host.observation import Observation, bytes_by_policy, bytes_on_node, observe
from numalocal.idset import IdSet

NUMA_MAPS = """\
00400000 default file=/usr/bin/engine mapped=6 active=0 N0=6 kernelpagesize_kB=4
7f0000000000 bind:1 anon=1000 dirty=1000 active=0 N0=10 N1=990 kernelpagesize_kB=4
7f1000000000 bind:1 anon=2 dirty=2 N1=2 kernelpagesize_kB=2048
7ffc00000000 default stack anon=3 dirty=3 N0=3 kernelpagesize_kB=4
"""
HERE = IdSet(os.sched_getaffinity(0))
CPU = IdSet.of([HERE.first])

THREADS = """
import os, sys, threading
from pathlib import Path
memory = bytearray(8 << 20)
memory[::4096] = b"x" * len(memory[::4096])
os.sched_setaffinity(0, {int(sys.argv[1])})
def named(name):
    Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_bytes(name)
    os.write(1, b"ready\\n")
    input()
for name in (b"fourteen-bytes\\xc3", b"\\x1b[2J\\n"):
    threading.Thread(target=named, args=(name,)).start()
"""
FIRST_ENDS = """
import ctypes
threading.stack_size(1 << 20)
ctypes.CDLL(None).syscall({"x86_64": 60, "s390x": 1}.get(os.uname().machine, 93), 0)
"""
"""The first thread ends alone, by exit(2); a C library can only end the process."""


@contextmanager
def running(code: str, ready: int) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", code, str(CPU)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        try:
            assert [child.stdout.readline() for _ in range(ready)] == ["ready\n"] * ready
            yield child
        finally:
            child.kill()


def look_at(code: str, ready: int, allowed: IdSet) -> tuple[int, Observation]:
    with running(code, ready) as child:
        look = observe([child.pid], allowed)
    assert look is not None
    return child.pid, look


def test_private_memory_is_summed_by_node_and_page_size() -> None:
    assert bytes_on_node(NUMA_MAPS) == {0: 13 * 4096, 1: 990 * 4096 + 2 * (2 << 20)}


def test_pages_of_a_privately_mapped_file_are_not_the_process_s_own() -> None:
    """A library that is being loaded: pages lie where its first reader was, until written to."""
    loading = (
        "7fe9cbc44000 bind:1 file=/usr/lib/libiomp5.so anon=9 dirty=9 mapped=25 N0=16 N1=9"
        " kernelpagesize_kB=4\n"
    )
    mostly_read = (
        "7f0000000000 bind:1 file=/model anon=4 mapped=20 N0=6 N1=14 kernelpagesize_kB=4\n"
    )
    astray = "7f0000000000 bind:1 file=/model anon=20 mapped=22 N0=20 N1=2 kernelpagesize_kB=4\n"

    assert bytes_on_node(loading) == {}
    assert bytes_on_node(mostly_read) == {}
    assert bytes_on_node(astray) == {0: 18 * 4096}
    assert bytes_by_policy(astray) == {"bind:1": 18 * 4096}


@given(st.dictionaries(st.integers(0, 7), st.tuples(st.integers(0, 99), st.integers(0, 99))))
def test_no_more_is_counted_than_is_private(pages: Mapping[int, tuple[int, int]]) -> None:
    anon, of_file = (sum(two[which] for two in pages.values()) for which in (0, 1))
    nodes = " ".join(f"N{node}={sum(two)}" for node, two in pages.items() if sum(two))
    counted = bytes_on_node(f"7f0 default file=/a anon={anon} {nodes} kernelpagesize_kB=4\n")

    assert all(counted[node] <= pages[node][0] * 4096 for node in counted)
    if of_file == 0:
        assert counted == {node: two[0] * 4096 for node, two in pages.items() if two[0]}


MAPPED = """
import mmap
with open({file!r}, "rb") as file:
    memory = mmap.mmap(file.fileno(), {size}, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
memory[0] = 1 + max(memory[::4096])
print("ready", flush=True)
input()
"""


def test_a_file_that_is_read_through_a_private_mapping_adds_no_memory(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(bytes(8 << 20))
    little, much = (
        sum(
            look_at(MAPPED.format(file=str(tmp_path / "weights"), size=size), 1, CPU)[
                1
            ].bytes_on_node.values()
        )
        for size in (4096, 8 << 20)
    )

    assert little > 0
    assert abs(much - little) < 1 << 20


ODD_NAMES = (
    "a\x0bb",
    "a\x0cb",
    "a\x1cb",
    "a\x85b",
    "a\u2028b",
    "a\rb",
    "N0=9 anon=9",
    "stack\nbind:0",
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_mapping_is_one_line_whatever_its_file_is_called(name: str, tmp_path: Path) -> None:
    """Other ends of lines than the kernel's may stand in a name."""
    file = tmp_path / name
    file.write_bytes(bytes(4 << 20))
    code = MAPPED.replace("max(memory[::4096])", "len(memory[:0])").replace(
        "memory[0]", "{touched}"
    )
    every, none = (
        look_at(code.format(file=str(file), size=4 << 20, touched=touched), 1, CPU)[1]
        for touched in ("memory[::4096] = bytes(1024); memory[0]", "memory[0]")
    )

    assert every.bytes_by_policy.keys() == none.bytes_by_policy.keys()
    assert len(every.bytes_by_policy) == 1
    more = sum(every.bytes_on_node.values()) - sum(none.bytes_on_node.values())
    assert abs(more - (4 << 20)) < 1 << 20


@given(st.lists(st.sampled_from(NUMA_MAPS.splitlines()), max_size=9))
def test_mappings_that_are_alike_count_each(lines: list[str]) -> None:
    whole = bytes_on_node("".join(f"{line}\n" for line in lines))

    assert whole == sum((bytes_on_node(line) for line in lines), start=Counter())


def test_every_thread_of_every_process_is_seen() -> None:
    with running(THREADS, 2) as one, running(THREADS, 2) as other:
        look = observe([one.pid, other.pid], CPU)

    assert look is not None
    assert (look.threads, look.cpus, look.strays, look.unread) == (6, CPU, 0, ())
    assert look.mems
    assert sum(look.bytes_on_node.values()) > 16 << 20


def test_a_process_that_is_gone_is_none() -> None:
    with running(THREADS, 2) as child:
        pass

    assert observe([child.pid], CPU) is None
    assert observe([], CPU) is None


def test_a_stray_thread_is_told_by_ids_name_and_cpus() -> None:
    pid, look = look_at(THREADS, 2, IdSet.of([9000]))

    assert look.stray is not None
    assert (look.strays, look.stray.pid, look.stray.thread) == (3, pid, pid)
    assert look.stray.cpus == CPU


def test_an_id_that_is_another_s_by_now_is_no_thread_that_strays(tmp_path: Path) -> None:
    """A thread has ended since they were listed: no such folder is there any more."""
    with running(THREADS, 2) as child:
        tasks = tmp_path / str(child.pid) / "task"
        tasks.mkdir(parents=True)
        (tasks / str(child.pid)).mkdir()
        (tasks / str(os.getpid())).symlink_to(tmp_path / "ended")
        look = observe([child.pid], IdSet.of([9000]), tmp_path)

    assert look is not None
    assert (look.threads, look.strays, look.cpus) == (1, 1, CPU)


def test_a_name_is_quoted_whatever_it_is(tmp_path: Path) -> None:
    """The kernel cuts it after 15 bytes, inside a letter too, and takes any byte."""
    with running(THREADS, 2) as child:
        names = set()
        for task in Path(f"/proc/{child.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), HERE)
            look = observe([child.pid], CPU if len(HERE) > 1 else IdSet())
            assert look is not None
            if look.stray is not None and look.stray.thread == int(task.name):
                names.add(look.stray.name)
            os.sched_setaffinity(int(task.name), CPU)

    if len(HERE) > 1:
        assert names >= {"'fourteen-bytes\ufffd'", "'\\x1b[2J\\n'"}


def test_memory_counts_when_the_first_thread_has_ended() -> None:
    with running(THREADS + FIRST_ENDS, 2) as child:
        status = Path(f"/proc/{child.pid}/status")
        while "Z (zombie)" not in status.read_text():
            pass
        look = observe([child.pid], CPU)

    assert look is not None
    assert sum(look.bytes_on_node.values()) > 8 << 20
    assert look.unread == ()


def test_what_may_not_be_read_is_told(tmp_path: Path) -> None:
    """A /proc of our own: root may read everything in the real one."""
    with running(THREADS, 2) as child:
        folder = tmp_path / str(child.pid)
        hidden = observe([child.pid], CPU, tmp_path)
        (folder / "task" / str(child.pid) / "numa_maps").mkdir(parents=True)
        (folder / "status").write_text("Mems_allowed_list:\t0-1\n")
        (folder / "comm").write_bytes(b"eng\xc3ine\n")
        (tmp_path / "self").mkdir()
        (tmp_path / "self" / "numa_maps").write_text("")
        closed = observe([child.pid], CPU, tmp_path)

    assert hidden is not None
    assert hidden.unread == (
        f"the threads and memory of a process (pid {child.pid}) could not be looked at: "
        "/proc hides it",
    )
    assert closed is not None
    assert (closed.threads, str(closed.mems)) == (1, "0-1")
    assert closed.unread == (
        f"the memory of 'eng\ufffdine' (pid {child.pid}) could not be looked at: Is a directory",
    )


def test_a_kernel_without_numa_is_not_something_unread(tmp_path: Path) -> None:
    with running(THREADS, 2) as child:
        folder = tmp_path / str(child.pid)
        (folder / "task" / str(child.pid)).mkdir(parents=True)
        (folder / "status").write_text("Mems_allowed_list:\t0\n")

        look = observe([child.pid], CPU, tmp_path)

    assert look is not None
    assert (dict(look.bytes_on_node), look.unread) == ({}, ())


def test_memory_is_counted_by_the_kernels_words_for_its_policy() -> None:
    lines = (
        "7f0000000000 {} anon=2 dirty=2 N0=1 N1=1 kernelpagesize_kB=4\n"
        "7f1000000000 {} file=/lib/libc.so mapped=6 N0=6 kernelpagesize_kB=4\n"
    )
    for policy in (
        "default",
        "local",
        "bind:0",
        "interleave:0-1",
        "weighted interleave:0,2",
        "prefer:2",
        "prefer (many):0,2",
        "prefer=static:1",
        "interleave=relative:0-1",
    ):
        assert bytes_by_policy(lines.format(policy, policy)) == {policy: 8192}
