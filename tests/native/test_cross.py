"""The binder built for other architectures, run under qemu-user where both are to be had."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from numalocal.report import CheckReport

pytestmark = pytest.mark.toolchains

Emulated = Callable[..., subprocess.CompletedProcess[str]]
Machine = Callable[..., Path]

NATIVE = Path(__file__).resolve().parents[2] / "native"
# Debian's name of the architecture, of its compiler, and QEMU's; s390x is big-endian.
ARCHITECTURES = {
    "arm64": ("aarch64-linux-gnu-gcc", "qemu-aarch64-static"),
    "ppc64el": ("powerpc64le-linux-gnu-gcc", "qemu-ppc64le-static"),
    "s390x": ("s390x-linux-gnu-gcc", "qemu-s390x-static"),
}
TIMEOUT_S = 60


def build(architecture: str, folder: Path) -> Path:
    """Build the binder, or say why it cannot be built here."""
    made = subprocess.run(
        ["make", "-s", "-C", str(NATIVE), f"BUILD={folder}", f"cross-{architecture}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0 and not (folder / architecture / "sysroot").exists():
        pytest.skip(f"libnuma of {architecture} cannot be fetched: {made.stderr[-200:]}")
    assert made.returncode == 0, made.stderr
    return folder / architecture / "numalocal-bind"


@pytest.fixture(scope="module", params=ARCHITECTURES)
def emulated(request: pytest.FixtureRequest, native_build: Path) -> Emulated:
    """Run the binder of another architecture; what it becomes is of this machine's."""
    compiler, emulator = ARCHITECTURES[request.param]
    for program in (compiler, emulator):
        if shutil.which(program) is None:
            pytest.skip(f"no {program}: run `make test-toolchains`")
    binder = build(request.param, native_build)

    def run(*arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [emulator, binder, *arguments],
            env={"PATH": os.environ["PATH"], **env},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    return run


def test_the_binder_of_another_architecture_says_its_version(
    emulated: Emulated, native_build: Path
) -> None:
    here = subprocess.run(
        [native_build / "numalocal-bind", "--version"], capture_output=True, text=True, check=True
    )

    assert emulated("--version").stdout == here.stdout


def test_it_binds_to_cpus_and_goes_on_where_memory_policies_are_unknown(
    emulated: Emulated, usable_cpus: list[int]
) -> None:
    last = str(usable_cpus[-1])

    done = emulated(
        *("exec", "--cpus", last, "--mems", "0", "grep", "Cpus_allowed_list", "/proc/self/status")
    )

    assert (done.returncode, done.stdout) == (0, f"Cpus_allowed_list:\t{last}\n")
    assert done.stderr == "" or "no memory policy was set (set_mempolicy: ENOSYS" in done.stderr


def test_it_reads_lists_and_plans(emulated: Emulated, machine: Machine) -> None:
    node = {"MemTotal": 4096, "MemFree": 1024}
    root = machine(cpus="1024-1027,2048-2051", mems="65,70", nodes={65: node, 70: node})
    plan = {
        "NUMALOCAL_CPUS": "2048-2051,1027,1024-1026",
        "NUMALOCAL_MEMS": "70,65",
        "NUMALOCAL_RANKS": "2",
        "NUMALOCAL_RANK_CPUS": "1024-1027|2048-2051",
        "NUMALOCAL_RANK_MEMS": "65|70",
        "NUMALOCAL_MEMORY_PER_RANK_BYTES": str(1 << 20),
    }

    checked = emulated("check", "--root", root, **plan)

    report = CheckReport.parse(checked.stdout)
    assert checked.returncode == 0, checked.stdout
    assert [(rank.cpus, rank.numa_node) for rank in report.ranks] == [
        ("1024-1027", 65),
        ("2048-2051", 70),
    ]
    assert emulated("exec", "--cpus", "3-1", "true").returncode == 125


def test_it_reads_programs_of_this_machine_and_watches_ranks(
    emulated: Emulated, tmp_path: Path
) -> None:
    """On s390x the program is of the other byte order."""
    (tmp_path / "main.c").write_text(
        "#include <stdio.h>\n#include <stdlib.h>\nint main(void) {\n"
        '  char *list = getenv("GOMP_CPU_AFFINITY"); puts(list ? list : "none"); return 0; }\n'
    )
    program = tmp_path / "program"
    link = ["cc", "-Wl,--no-as-needed", "-fopenmp", "-o", "program", "main.c"]
    subprocess.run(link, cwd=tmp_path, check=True)
    plan = {
        "NUMALOCAL_CPUS": "0",
        "NUMALOCAL_MEMS": "0",
        "NUMALOCAL_RANKS": "2",
        "NUMALOCAL_RANK_CPUS": "0|0",
        "NUMALOCAL_RANK_MEMS": "0|0",
        "NUMALOCAL_RANK_COMPUTE_CPUS": "0|0",
    }

    done = emulated("run", "--policy", "none", "--", program, **plan)

    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == ["[rank 0] 0", "[rank 1] 0"]
