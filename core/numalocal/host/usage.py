"""Who uses which CPU set on this machine, by the environment of running processes."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from numalocal import names
from numalocal.errors import ListInvalid
from numalocal.idset import IdSet, union
from numalocal.sets.cpusets import CpuSet


def users(sets: Iterable[CpuSet], proc: Path) -> Mapping[str, str]:
    """Tell of each set that is in use the first process that was given CPUs of it, by the set's id.

    Every bound process has NUMALOCAL_RANK_CPUS in its environment (/proc/PID/environ), and so have
    its children.  These may be the CPUs of other pools, or some that have gone offline since.
    Processes of other users are seen by root alone.
    """
    set_of = {cpu: one.id for one in sets for cpu in one.present}
    found: dict[str, str] = {}
    for pid in _pids(proc):
        for rank, cpus in enumerate(_rank_cpus(proc / str(pid))):
            for one in {set_of[cpu] for cpu in cpus if cpu in set_of} - found.keys():
                found[one] = f"{_name(proc / str(pid))} (pid {pid}), rank {rank}"
    return found


def cpus(proc: Path) -> IdSet:
    """Give all CPUs that running processes were given by that variable, and are confined to.

    A process that says so and may run elsewhere holds nothing: anybody can set a variable.
    """
    return union(filter(None, (_confined(proc / str(pid)) for pid in _pids(proc))))


def _confined(process: Path) -> IdSet | None:
    try:
        given = union(_rank_cpus(process))
        told = (process / "status").read_text(encoding="utf-8", errors="replace")
        allowed = IdSet.parse(told.partition("Cpus_allowed_list:")[2].partition("\n")[0].strip())
    except (ListInvalid, OSError):
        return None
    return given if allowed and allowed <= given else None


def _pids(proc: Path) -> list[int]:
    return sorted(int(entry.name) for entry in proc.glob("[0-9]*") if entry.name.isdigit())


def _rank_cpus(process: Path) -> list[IdSet]:
    """Read the CPUs of each rank; nothing where they are not told, or are none."""
    try:
        environment = (process / "environ").read_bytes().decode("utf-8", "replace")
    except OSError:
        return []
    prefix = f"{names.ENV_RANK_CPUS}="
    lists = (one.removeprefix(prefix) for one in environment.split("\0") if one.startswith(prefix))
    try:
        return [IdSet.parse(cpus) for cpus in next(lists, "").split("|")]
    except ListInvalid:
        return []


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "a process"
