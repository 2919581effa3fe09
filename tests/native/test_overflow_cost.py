"""What check measures of memory that is interleaved because one node cannot hold it."""

import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from numalocal.report import CheckReport, OverflowCost

Bind = Callable[..., subprocess.CompletedProcess[str]]
Machine = Callable[..., Path]
Root = Callable[[Mapping[str, str]], Path]

ROOM = {"MemTotal": 64 << 20, "MemFree": 60 << 20}
MIB = 1 << 20
ATTEMPTS = 3
UNMEASURED = OverflowCost(interleaved_bytes_per_s=None, near_bytes_per_s=None)
SLOWEST_CHECK_S = 10.0


def allowed(kind: str) -> str:
    status = Path("/proc/self/status").read_text()
    return status.split(f"{kind}_allowed_list:\t")[1].split("\n")[0]


def plan(cpus: str, mems: str, **more: str) -> dict[str, str]:
    """One rank that is interleaved over all it may use, as one node cannot hold it."""
    return {
        "NUMALOCAL_CPUS": cpus,
        "NUMALOCAL_MEMS": mems,
        "NUMALOCAL_RANKS": "1",
        "NUMALOCAL_RANK_CPUS": cpus,
        "NUMALOCAL_RANK_MEMS": mems,
        "NUMALOCAL_MEMORY_POLICY": "interleave",
        "NUMALOCAL_MEMORY_POLICY_NODES": mems,
        "NUMALOCAL_MEMORY_OVERFLOW": "1",
        **more,
    }


WEIGHTS = Path("/sys/kernel/mm/mempolicy/weighted_interleave")
IN_TURN = ["interleave", "weighted-interleave"] if WEIGHTS.exists() else ["interleave"]
"""Linux 6.9 has weights."""


@pytest.fixture
def policy() -> str:
    return "interleave"


@pytest.fixture
def interleaving(binder: Path, policy: str) -> tuple[str, ...]:
    """What starts a program under the policy that a container runtime would have set."""
    return (str(binder), "exec", "--mems", allowed("Mems"), "--policy", policy, "--")


@pytest.fixture
def here(policy: str) -> dict[str, str]:
    return plan(allowed("Cpus"), allowed("Mems"), NUMALOCAL_MEMORY_POLICY=policy)


@pytest.mark.parametrize("policy", IN_TURN)
def test_both_rates_are_measured_within_two_seconds(
    bind: Bind, here: dict[str, str], interleaving: tuple[str, ...]
) -> None:
    for _ in range(ATTEMPTS):
        started = time.monotonic()
        checked = bind("check", env=here, launcher=interleaving)
        assert time.monotonic() - started < SLOWEST_CHECK_S

        report = CheckReport.parse(checked.stdout)
        assert (checked.returncode, checked.stderr, report.verified) == (0, "", True)
        assert report.overflow is not None
        if report.overflow != UNMEASURED:
            assert (report.overflow.interleaved_bytes_per_s or 0) > MIB
            assert (report.overflow.near_bytes_per_s or 0) > MIB
            return
    pytest.skip("others used these CPUs")


def test_without_an_overflow_none_is_told(
    bind: Bind, here: dict[str, str], interleaving: tuple[str, ...]
) -> None:
    del here["NUMALOCAL_MEMORY_OVERFLOW"]

    assert CheckReport.parse(bind("check", env=here, launcher=interleaving).stdout).overflow is None


@pytest.mark.parametrize("enforcement", ["Required", "BestEffort"])
def test_under_another_policy_nothing_is_measured(
    bind: Bind, here: dict[str, str], enforcement: str
) -> None:
    checked = bind("check", env={**here, "NUMALOCAL_ENFORCEMENT": enforcement})

    report = CheckReport.parse(checked.stdout)
    assert (report.verified, report.overflow) == (False, UNMEASURED)


def test_a_machine_of_files_is_not_measured(bind: Bind, machine: Machine) -> None:
    root = machine(mems="0-1", policy="interleave:0-1", nodes={0: ROOM, 1: ROOM})

    checked = bind("check", "--root", root, env=plan("2-3", "0-1"))

    report = CheckReport.parse(checked.stdout)
    assert (report.verified, report.overflow) == (True, UNMEASURED)


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="no prlimit")
def test_where_there_are_no_addresses_the_check_goes_on(
    native_build: Path, here: dict[str, str], interleaving: tuple[str, ...]
) -> None:
    """The measure maps twice what the caches hold, and 64 MiB at least."""
    command = [*interleaving, "prlimit", f"--as={48 * MIB}", str(native_build / "numalocal-bind")]

    checked = subprocess.run(
        [*command, "check"], env=here, capture_output=True, text=True, timeout=60, check=False
    )

    report = CheckReport.parse(checked.stdout)
    assert (checked.returncode, checked.stderr, report.verified) == (0, "", True)
    assert report.overflow == UNMEASURED


@pytest.mark.parametrize("pages", ["1", "4096"])
def test_memory_of_each_node_is_on_it(
    native_build: Path, interleaving: tuple[str, ...], pages: str
) -> None:
    nodes = allowed("Mems")
    program = str(native_build / "asan" / "regions_lines")

    done = subprocess.run(
        [*interleaving, program, nodes, pages, "1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert all(line.split()[1] == pages for line in done.stdout.splitlines())


def test_a_node_that_does_not_exist_has_none_of_it(
    native_build: Path, interleaving: tuple[str, ...]
) -> None:
    program = str(native_build / "asan" / "regions_lines")

    done = subprocess.run(
        [*interleaving, program, "1023", "64", "1"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout.split()[:2]) == (1, ["1023", "0"])


@pytest.mark.parametrize(
    ("nodes", "weight", "numbers"),
    [
        pytest.param("0-2", "1", ["0 0 0 0 0", "1 1 1 1 1", "2 2 2 2 2"], id="evenly"),
        pytest.param("0,4", "3", ["0 1 2 0 1", "3 3 3 3 3"], id="by weight"),
        pytest.param("1", "5", ["0 1 2 3 4"], id="one node"),
    ],
)
def test_the_pages_of_a_node_are_those_that_the_kernel_takes_from_it(
    native_build: Path, nodes: str, weight: str, numbers: list[str]
) -> None:
    """Of page numbers modulo the sum of all weights: weighted_interleave_nid of mm/mempolicy.c."""
    done = subprocess.run(
        [native_build / "asan" / "regions_lines", nodes, "5", weight],
        capture_output=True,
        text=True,
        check=False,
    )

    assert [line.split(maxsplit=2)[2] for line in done.stdout.splitlines()] == numbers


def cache(cpu: int, index: int, level: str, size: str, shared: str) -> dict[str, str]:
    folder = f"sys/devices/system/cpu/cpu{cpu}/cache/index{index}"
    return {
        f"{folder}/level": f"{level}\n",
        f"{folder}/size": f"{size}\n",
        f"{folder}/shared_cpu_list": f"{shared}\n",
    }


def l3(cpu: int, shared: str, size: str = "32768K") -> dict[str, str]:
    return cache(cpu, 0, "1", "48K", f"{cpu}") | cache(cpu, 3, "3", size, shared)


@pytest.mark.parametrize(
    ("files", "cpus", "mib"),
    [
        pytest.param(l3(0, "0-3") | l3(1, "0-3"), "0-1", 32, id="one, shared"),
        pytest.param(l3(1, "0-3") | l3(2, "0-3"), "1-2", 32, id="one, of others too"),
        pytest.param(l3(0, "0-3") | l3(4, "4-7"), "0,4", 64, id="two"),
        pytest.param(l3(0, "0,64") | l3(64, "0,64"), "0,64", 32, id="siblings far apart"),
        pytest.param(cache(0, 2, "2", "2048K", "0"), "0", 2, id="the second level is the last"),
        pytest.param(l3(0, "0-3"), "0-1", 0, id="one CPU does not say"),
        pytest.param(l3(0, "x", "y"), "0", 0, id="no numbers"),
        pytest.param({}, "0", 0, id="nothing"),
    ],
)
def test_caches_are_counted_once(
    native_build: Path, fake_root: Root, files: dict[str, str], cpus: str, mib: int
) -> None:
    root = fake_root(files or {"none": ""})

    done = subprocess.run(
        [native_build / "asan" / "caches_lines", root, cpus],
        capture_output=True,
        text=True,
        check=True,
    )

    assert (done.stdout, done.stderr) == (f"{mib * MIB}\n", "")
