"""What check makes of random machines and plans: a report or a sentence, and nothing else."""

import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from numalocal.idset import MAX_ID
from numalocal.machine.discovery.findings import Findings
from numalocal.machine.discovery.limits import read_limits
from numalocal.machine.sysfs import Sysfs
from simulated.hostile import Hostile

# A longer run, and another: NUMALOCAL_HOSTILE=100000 NUMALOCAL_SEED=2.
COUNT = int(os.environ.get("NUMALOCAL_HOSTILE", "500"))
SEED = int(os.environ.get("NUMALOCAL_SEED", "1"))
SLOWEST_S = 60
REPORT_BYTES = 4096


class Inspector:
    """The sanitized check, started anew whenever it has ended with a sentence."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    def report(self, root: Path) -> bytes | None:
        """Give the report on a root; None: it ended with 125 and one clean sentence."""
        process = self._process = self._process or subprocess.Popen(
            [self._program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(os.fsencode(root) + b"\n")
        process.stdin.flush()
        if line := process.stdout.readline():
            return line
        self._process = None
        _, said = process.communicate(timeout=SLOWEST_S)
        assert process.returncode == 125, said
        assert said.startswith(b"numalocal-bind: "), said
        assert said.endswith(b"\n"), said
        assert said[:-1].decode("ascii").isprintable(), said
        return None

    def close(self) -> None:
        """End it; the sanitizers speak now of what was never freed."""
        if self._process is not None:
            _, said = self._process.communicate(timeout=SLOWEST_S)
            assert (self._process.returncode, said) == (0, b"")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in memory where there is one: thousands of trees are written there."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as name:
        yield Path(name)


@contextmanager
def inspector(build: Path) -> Iterator[Inspector]:
    one = Inspector(build / "asan" / "inspect_lines")
    try:
        yield one
    finally:
        one.close()


def test_whatever_a_machine_and_a_plan_hold_there_is_a_report_or_a_sentence(
    native_build: Path, folder: Path
) -> None:
    verified = refused = ended = late = let_pass = known = 0

    with inspector(native_build) as inspect:
        for root in Hostile(SEED, folder / "root").roots(COUNT):
            started = time.monotonic()
            line = inspect.report(root)
            assert time.monotonic() - started < SLOWEST_S
            if line is None:
                ended += 1
                continue
            assert len(line) <= REPORT_BYTES
            report = json.loads(line)
            assert all(
                one.isprintable()
                for kind in ("problems", "unbound", "notes")
                for one in (report["message"], *report[kind])
            )
            assert report["verified"] is not bool(report["problems"] or report["unbound"])
            let_pass += bool(report["unbound"] and not report["problems"])
            known += report["memoryPolicy"] is not None
            verified += report["verified"]
            refused += not report["verified"]
            late += any("NUMALOCAL_CPUS is not set in this" in one for one in report["notes"])

    assert min(verified, refused, ended, late, let_pass, known) > 0


NOTHING_FITS = b"".join(
    b"NUMALOCAL_%s\0" % entry
    for entry in (
        b"CPUS=0",
        b"MEMS=0",
        b"RANKS=1",
        b"RANK_CPUS=0",
        b"RANK_MEMS=0",
        b"MEMORY_PER_RANK_BYTES=%d" % (2**63 - 1),
    )
)


def test_a_plan_and_the_check_of_its_engine_find_the_same_limit(
    native_build: Path, folder: Path
) -> None:
    limited = unread = 0

    with inspector(native_build) as inspect:
        for root in Hostile(SEED, folder / "root", spoilt=False).roots(COUNT):
            (root / "environ").write_bytes(NOTHING_FITS)
            line = inspect.report(root)
            if line is None or b"/proc/self/cgroup says" in line:
                continue  # the core leaves such a line out, and says so
            message = json.loads(line)["message"]
            limits = read_limits(Sysfs(root), Findings())
            named = re.findall(r"left of the memory limit of [^/]* in (/\S*): raise", message)
            assert named == [limits.memory.path] if limits.memory else named == []
            assert all(one.path in message for one in limits.unread)
            limited += limits.memory is not None
            unread += bool(limits.unread)

    assert min(limited, unread) > 0


QUICK_S = 20


def test_each_node_is_read_once_for_all_ranks(
    bind: Callable[..., subprocess.CompletedProcess[str]], machine: Callable[..., Path]
) -> None:
    """It was once for each rank: 78 s of 700 ranks and 1,024 nodes."""
    online = {"sys/devices/system/node/online": f"0-{MAX_ID}\n"}
    own = {"sys/devices/system/node/node0/cpulist": "3\n"}
    last = {f"sys/devices/system/node/node{MAX_ID}/cpulist": "2-3\n"}
    root = machine(nodes={0: {"MemTotal": 8, "MemFree": 8}}, files=online | own | last)
    env = {
        "NUMALOCAL_CPUS": "2-3",
        "NUMALOCAL_MEMS": "0",
        "NUMALOCAL_RANKS": "700",
        "NUMALOCAL_RANK_CPUS": "|".join(["2", "3"] * 350),
        "NUMALOCAL_RANK_MEMS": "|".join(["0"] * 700),
    }

    started = time.monotonic()
    report = json.loads(bind("check", "--root", root, env=env).stdout)

    assert time.monotonic() - started < QUICK_S
    assert [rank["numaNode"] for rank in report["ranks"][:2]] == [MAX_ID, 0]


def test_without_any_cpu_there_is_a_report(
    bind: Callable[..., subprocess.CompletedProcess[str]], machine: Callable[..., Path]
) -> None:
    root = machine(cpus="", nodes={0: {"MemTotal": 8, "MemFree": 8}})

    done = bind("check", "--root", root, env={"NUMALOCAL_ENFORCEMENT": "BestEffort"})

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["cpus"] == ""


MOST_RANKS = MAX_ID + 1
EACH_ITS_OWN = "|".join(map(str, range(MOST_RANKS)))
LONG_LIST = ",".join(map(str, range(0, MOST_RANKS, 2)))


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("check",), id="check"),
        pytest.param(("exec", "--rank", str(MAX_ID), "--", "true"), id="exec"),
        pytest.param(("exec", "--cpus", LONG_LIST, "--", "true"), id="a list of half of all CPUs"),
        pytest.param(("exec", "--mems", LONG_LIST, "--", "true"), id="half of all nodes"),
        pytest.param(("exec", "--policy", "\x9b" * 60_000, "--", "true"), id="a long value"),
        pytest.param(("exec", "--" + "\x1b" * 100_000), id="a long option"),
        pytest.param(("exec", "--", "\n" * 100_000), id="a long command"),
        pytest.param(("\u202e" * 40_000,), id="a long word"),
    ],
)
def test_the_largest_values_take_no_time_and_are_told_in_one_short_line(
    binder: Path, arguments: tuple[str, ...]
) -> None:
    env = {
        "NUMALOCAL_CPUS": LONG_LIST,
        "NUMALOCAL_MEMS": f"0-{MAX_ID}",
        "NUMALOCAL_RANKS": str(MOST_RANKS),
        "NUMALOCAL_RANK_CPUS": EACH_ITS_OWN,
        "NUMALOCAL_RANK_MEMS": EACH_ITS_OWN,
        "PATH": ":" * 100_000,
    }

    done = subprocess.run(
        [binder, *arguments], env=env, capture_output=True, timeout=60, check=False
    )

    assert done.returncode in {1, 125, 126, 127}
    assert len(done.stderr) < 1200
    assert done.stderr.count(b"\n") == (done.returncode != 1)
    assert done.stderr.decode("ascii").replace("\n", "").isprintable()
