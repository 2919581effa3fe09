"""Locks of the real kernel, between real processes."""

import fcntl
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numalocal.errors import LaunchFailed
from numalocal.host.claims import Claims, reach
from numalocal.idset import IdSet

FIRST = 8_000
"""Hardly any machine has these CPUs: runs beside these tests are not disturbed."""


def cpus_of(text: str) -> IdSet:
    return IdSet(FIRST + cpu for cpu in IdSet.parse(text))


HOLDER = """
import os, sys, time
from numalocal.host.claims import Claims
from numalocal.idset import IdSet
os.setresuid(*[int(sys.argv[2])] * 3)
claims = Claims()
print(claims.take(IdSet.parse(sys.argv[1])), flush=True)
time.sleep(60)
"""


def held_by_another(cpus: str, user: int = os.getuid()) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(cpus_of(cpus)), str(user)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "core")},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def test_what_another_holds_is_seen_and_not_given() -> None:
    with held_by_another("2-3,8") as process, Claims() as claims:
        assert claims.taken(cpus_of("0-9")) == cpus_of("2-3,8")
        assert claims.taken(cpus_of("3-7")) == cpus_of("3")
        assert not claims.take(cpus_of("0,3-5"))
        assert claims.take(cpus_of("4-7"))
        process.kill()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start a process of another user")
def test_users_see_each_other() -> None:
    with held_by_another("4-5", user=65534) as process, Claims() as claims:
        assert claims.taken(cpus_of("0-9")) == cpus_of("4-5")
        with held_by_another("6") as other:
            assert claims.taken(cpus_of("0-9")) == cpus_of("4-6")
            other.kill()
        process.kill()


def test_holders_are_found_in_whatever_order_they_came() -> None:
    for order in permutations(["0", "2-3", "5", "7-9"]):
        with ExitStack() as stack, Claims() as claims:
            for held in order:
                assert stack.enter_context(Claims()).take(cpus_of(held))

            assert claims.taken(cpus_of("0-9")) == cpus_of("0,2-3,5,7-9")


def test_a_claim_that_fails_holds_nothing() -> None:
    with held_by_another("5") as process, Claims() as claims, Claims() as other:
        assert not claims.take(cpus_of("0-1,5"))
        assert other.taken(cpus_of("0-9")) == cpus_of("5")
        process.kill()


def test_the_kernel_frees_what_a_killed_holder_had() -> None:
    with Claims() as claims:
        with held_by_another("0-63") as process:
            process.kill()

        assert claims.taken(cpus_of("0-63")) == IdSet()
        assert claims.take(cpus_of("0-63"))


def test_a_child_that_inherits_the_file_holds_on() -> None:
    with Claims() as claims:
        assert claims.take(cpus_of("1"))
        child = subprocess.Popen(["/bin/sleep", "60"], pass_fds=[claims.fileno()])
    with Claims() as other, child:
        assert other.taken(cpus_of("0-9")) == cpus_of("1")
        child.kill()
        child.wait()
        assert other.taken(cpus_of("0-9")) == IdSet()


cpus = st.sets(st.integers(FIRST, FIRST + 127), max_size=12)


@settings(max_examples=40)
@given(first=cpus, second=cpus)
def test_two_holders_never_share_a_cpu(first: set[int], second: set[int]) -> None:
    with Claims() as one, Claims() as other:
        assert one.take(IdSet(first))

        assert other.taken(cpus_of("0-127")) == IdSet(first)
        assert other.take(IdSet(second)) == first.isdisjoint(second)


def test_a_lock_without_end_is_every_cpu_from_its_start() -> None:
    """What a hostile user could hold; nothing hangs, and there is nothing to give."""
    without_end = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, FIRST + 3, 0, 0)
    with Claims() as hostile, Claims() as claims:
        fcntl.fcntl(hostile.fileno(), fcntl.F_OFD_SETLK, without_end)

        assert claims.taken(cpus_of("0-9")) == cpus_of("3-9")
        assert claims.taken(cpus_of("6-9")) == cpus_of("6-9")
        assert not claims.take(cpus_of("9"))


def _link(place: Path) -> None:
    place.symlink_to("/dev/full")


@pytest.mark.parametrize(
    "make",
    [Path.mkdir, Path.touch, os.mkfifo, _link, lambda place: None],
    ids=["folder", "file", "pipe", "link", "nothing"],
)
def test_whatever_else_is_in_the_place_is_refused(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / "device")

    with pytest.raises(LaunchFailed, match=r"device: (cannot be opened: |is not the kernel's)"):
        Claims(tmp_path / "device")
    with pytest.raises(LaunchFailed, match="is not the kernel's device 1:7"):
        Claims(Path("/dev/null"))


MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
24 27 0:6 / /dev rw,nosuid shared:2 master:1 - devtmpfs udev rw,size=1k
31 27 0:45 / /run/box/dev rw - tmpfs tmpfs rw
"""


def test_where_claims_end_is_told() -> None:
    assert reach(MOUNTS, os.makedev(0, 6)) == ""
    assert reach(MOUNTS, os.makedev(0, 45)).startswith("only among runs that share this /dev")
    assert reach("", os.makedev(0, 6)).startswith("only among runs")
    assert reach("\n - \nshort", os.makedev(0, 6)).startswith("only among runs")


def test_claims_know_how_far_they_reach(tmp_path: Path) -> None:
    with Claims() as claims:
        device = os.fstat(claims.fileno()).st_dev
        mounts = tmp_path / "mountinfo"
        mounts.write_text(f"1 2 {os.major(device)}:{os.minor(device)} / /dev rw - devtmpfs d rw\n")

        assert claims.limits(mounts) == ""
        assert "only among runs" in claims.limits(tmp_path / "missing")
