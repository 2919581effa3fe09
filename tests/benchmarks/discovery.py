"""Time discovery beside lstopo and lscpu; exits 1 where a limit is missed.

All run in turns, so that whatever else the machine does hits them alike; medians count.
"""

import compileall
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from statistics import median

TOPOLOGIES = Path(__file__).parents[1] / "topologies"
CORE = Path(__file__).parents[2] / "core"
sys.path.insert(0, str(TOPOLOGIES))

from simulated import MACHINES, written  # noqa: E402 - found by the line above, as this is a script

CAPTURE, SMALL, LARGE = "256ppc-8n8s4t", "cpus-256", "cpus-2048"
ROUNDS = 15

MAX_DISCOVERY_MS = 30.0
"""For 256 CPUs."""
MAX_GROWTH = 8 * 1.5
"""Of discovery, from 256 CPUs to 2048."""
MAX_OF_LSTOPO = 1.5
"""For the whole process, on the capture."""

DISCOVERY = """
import sys, time
from numalocal.machine.discovery import discover
from numalocal.machine.sysfs import Sysfs
started = time.perf_counter()
discover(Sysfs(sys.argv[1]))
print((time.perf_counter() - started) * 1000)
"""
"""In a process of its own, as lists that are parsed once would make a second time faster."""
NUMALOCAL = str(Path(sys.executable).with_name("numalocal"))

Measure = Callable[[], float]
Medians = Mapping[tuple[str, str], float]
"""Milliseconds by root and program; without those that cannot read a root."""


def main() -> int:
    compileall.compile_dir(CORE, quiet=1)  # as pip does for whoever installs a release
    with tempfile.TemporaryDirectory() as directory:
        roots = make_roots(Path(directory))
        measures = {
            (name, program): measure
            for name, root in roots.items()
            for program, measure in measures_of(name, root).items()
        }
        medians = interleaved(measures)
    sys.stdout.write(table(medians))
    missed = list(missed_limits(medians))
    sys.stdout.writelines(f"missed: {one}\n" for one in missed)
    return 1 if missed else 0


def make_roots(directory: Path) -> dict[str, Path]:
    with tarfile.open(TOPOLOGIES / "captures" / f"{CAPTURE}.tar.xz") as archive:
        # An argument says the same, but not to the Python of Debian 12, which knows no filters.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(directory)
    simulated = {name: written(MACHINES[name]) for name in (SMALL, LARGE)}
    return {CAPTURE: directory / CAPTURE, **simulated}


def measures_of(name: str, root: Path) -> dict[str, Measure]:
    """Give what can be measured on a root; says what cannot, and why."""
    measures: dict[str, Measure] = {
        "discovery": partial(discovery_ms, root),
        "numalocal": partial(
            process_ms, [NUMALOCAL, "topology", "--root", str(root), "-o", "json"], root
        ),
    }
    for command in (["lstopo", "--of", "xml"], ["lscpu", "--sysroot", str(root), "--json", "-e"]):
        program = command[0]
        if shutil.which(program) is None:
            sys.stdout.write(f"{name}: not compared with {program}, which is missing\n")
        elif run(command, root).returncode:
            sys.stdout.write(f"{name}: not compared with {program}, which cannot read it\n")
        else:
            measures[program] = partial(process_ms, command, root)
    return measures


def discovery_ms(root: Path) -> float:
    return float(run([sys.executable, "-c", DISCOVERY, str(root)], root, check=True).stdout)


def process_ms(command: list[str], root: Path) -> float:
    started = time.perf_counter()
    run(command, root, check=True)
    return (time.perf_counter() - started) * 1000


def run(
    command: list[str], root: Path, *, check: bool = False
) -> subprocess.CompletedProcess[bytes]:
    """Run a command with the root where lstopo looks for it."""
    environment = {**os.environ, "HWLOC_FSROOT": str(root), "HWLOC_THISSYSTEM": "0"}
    return subprocess.run(command, env=environment, capture_output=True, check=check)


def interleaved(measures: Mapping[tuple[str, str], Measure]) -> Medians:
    """Run all in turns; the first round only fills the page cache."""
    rounds = [{key: measure() for key, measure in measures.items()} for _ in range(ROUNDS + 1)]
    return {key: median(one[key] for one in rounds[1:]) for key in measures}


def table(medians: Medians) -> str:
    """Give a line for each root: milliseconds, and numalocal's time as a ratio to the others'."""
    heads = ("discovery ms", "numalocal ms", "lstopo ms", "lscpu ms", "/ lstopo", "/ lscpu")
    lines = [f"{'':<16}" + "".join(f"{head:>14}" for head in heads)]
    for root in (CAPTURE, SMALL, LARGE):
        programs = ("discovery", "numalocal", "lstopo", "lscpu")
        times = [medians.get((root, program)) for program in programs]
        cells = ["-" if one is None else f"{one:.1f}" for one in times]
        own = medians[root, "numalocal"]
        cells += ["-" if one is None else f"{own / one:.2f}" for one in times[2:]]
        lines.append(f"{root:<16}" + "".join(f"{cell:>14}" for cell in cells))
    growth = medians[LARGE, "discovery"] / medians[SMALL, "discovery"]
    return "\n".join([*lines, f"discovery of 2048 CPUs takes {growth:.1f} times that of 256", ""])


def missed_limits(medians: Medians) -> Iterator[str]:
    small, large = (medians[root, "discovery"] for root in (SMALL, LARGE))
    if small > MAX_DISCOVERY_MS:
        yield f"discovery of 256 CPUs takes {small:.1f} ms, the limit is {MAX_DISCOVERY_MS:.0f}"
    if large > MAX_GROWTH * small:
        yield f"discovery grows {large / small:.1f} times, the limit is {MAX_GROWTH:.0f}"
    own, lstopo = medians[CAPTURE, "numalocal"], medians.get((CAPTURE, "lstopo"))
    if lstopo is not None and own > MAX_OF_LSTOPO * lstopo:
        yield f"numalocal takes {own / lstopo:.2f} of lstopo's time, the limit is {MAX_OF_LSTOPO}"


if __name__ == "__main__":
    sys.exit(main())
