"""The kernel's own list parser: for every line a list, what cpuset.cpus of a cgroup makes of it.

Answers each line with "= " and the list read back, or "! " and the error.  The first line says
which hierarchy it is, or "skip: " and why there is none.  Run as root, in a mount namespace of its
own (unshare --mount): a version 1 hierarchy is mounted there where the machine has none.  The
cgroup is empty and nothing runs in it.
"""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def mounts() -> list[tuple[Path, str, set[str]]]:
    """Each mount's folder, type and options."""
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [(Path(folder), kind, set(options.split(","))) for _, folder, kind, options, *_ in lines]


def hierarchy() -> tuple[Path, str]:
    """Find a folder in which a cgroup has cpuset.cpus, or make one."""
    for folder, kind, options in mounts():
        if kind == "cgroup2" and "cpuset" in (folder / "cgroup.subtree_control").read_text():
            return folder, "version 2"
        if kind == "cgroup" and "cpuset" in options:
            return folder, "version 1"
    folder = Path(tempfile.mkdtemp())
    subprocess.run(
        ["mount", "-t", "cgroup", "-o", "cpuset", "none", folder], check=True, capture_output=True
    )
    return folder, "version 1"


def answer(file: Path, text: str) -> str:
    """Write one list and read what became of it."""
    try:
        file.write_text(text)
    except OSError as error:
        return "! " + errno.errorcode.get(error.errno or 0, str(error))
    return "= " + file.read_text().rstrip("\n")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Answer lines until there are no more."""
    try:
        folder, kind = hierarchy()
        group = folder / f"numalocal-lists-{os.getpid()}"
        group.mkdir()
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"skip: no cpuset hierarchy can be written here: {error}")
        return
    try:
        balance = group / "cpuset.sched_load_balance"
        if balance.exists():
            balance.write_text("0")  # or every list would rebuild the scheduler's domains
        say(kind)
        for line in sys.stdin:
            say(answer(group / "cpuset.cpus", line.rstrip("\n")))
    finally:
        group.rmdir()


if __name__ == "__main__":
    main()
