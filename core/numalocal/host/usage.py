"""Who uses which CPU set on this machine, by the environment of running processes."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from numalocal import names
from numalocal.sets.cpusets import CpuSet


def users(sets: Iterable[CpuSet], proc: Path) -> Mapping[str, str]:
    """Tell of each set that is in use the first process that was given it, by the set's id.

    Every bound process has NUMALOCAL_RANK_CPUS in its environment (/proc/PID/environ), and so have
    its children.  Processes of other users are seen by root alone.
    """
    by_cpus = {str(one.cpus): one.id for one in sets}
    found: dict[str, str] = {}
    for pid in sorted(int(entry.name) for entry in proc.glob("[0-9]*") if entry.name.isdigit()):
        for rank, cpus in enumerate(_rank_cpus(proc / str(pid))):
            one = by_cpus.get(cpus)
            if one is not None and one not in found:
                found[one] = f"{_name(proc / str(pid))} (pid {pid}), rank {rank}"
    return found


def _rank_cpus(process: Path) -> list[str]:
    try:
        environment = (process / "environ").read_bytes().decode("utf-8", "replace")
    except OSError:
        return []
    prefix = f"{names.ENV_RANK_CPUS}="
    lists = (one.removeprefix(prefix) for one in environment.split("\0") if one.startswith(prefix))
    return next(lists, "").split("|")


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "a process"
