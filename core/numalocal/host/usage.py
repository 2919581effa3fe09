"""Who uses which CPU set on this machine, by the environment of running processes.

Every bound process has NUMALOCAL_RANK_CPUS in its environment (/proc/PID/environ), and so have its
children.  One that may run elsewhere holds nothing: anybody can set a variable.  Processes of other
users are seen by root alone.
"""

import os
from collections.abc import Iterable, Iterator, Mapping

from numalocal import names
from numalocal.errors import ListInvalid
from numalocal.idset import IdSet, union
from numalocal.sets.cpusets import CpuSet

Folder = str | os.PathLike[str]


def users(sets: Iterable[CpuSet], proc: Folder) -> Mapping[str, str]:
    """Tell of each set that is in use the first process that was given CPUs of it, by the set's id.

    These may be the CPUs of other pools, or some that have gone offline since.
    """
    set_of = {cpu: one.id for one in sets for cpu in one.present}
    found: dict[str, str] = {}
    for pid, ranks in _bound(proc):
        for rank, cpus in enumerate(ranks):
            for one in {set_of[cpu] for cpu in cpus if cpu in set_of} - found.keys():
                found[one] = f"{_name(f'{proc}/{pid}')} (pid {pid}), rank {rank}"
    return found


def cpus(proc: Folder) -> IdSet:
    """Give all CPUs that running processes were given and are confined to."""
    return union(cpus for _, ranks in _bound(proc) for cpus in ranks)


def _bound(proc: Folder) -> Iterator[tuple[int, list[IdSet]]]:
    """Yield the processes that are confined to what they were given, with each rank's CPUs."""
    try:
        entries = os.listdir(proc)  # noqa: PTH208 - see `_text`
    except OSError:
        return
    for pid in sorted(int(name) for name in entries if name.isascii() and name.isdigit()):
        try:
            ranks = _rank_cpus(f"{proc}/{pid}")
            if ranks and _is_confined(f"{proc}/{pid}", union(ranks)):
                yield pid, ranks
        except (ListInvalid, OSError):
            continue  # it has ended, is somebody else's, or says nonsense


def _rank_cpus(process: str) -> list[IdSet]:
    prefix = f"{names.ENV_RANK_CPUS}="
    said = _text(f"{process}/environ").split("\0")
    lists = (one.removeprefix(prefix) for one in said if one.startswith(prefix))
    return [IdSet.parse(cpus) for cpus in next(lists, "").split("|") if cpus]


def _is_confined(process: str, cpus: IdSet) -> bool:
    told = _text(f"{process}/status").partition("Cpus_allowed_list:")[2].partition("\n")[0]
    allowed = IdSet.parse(told)
    return bool(allowed) and allowed <= cpus


def _name(process: str) -> str:
    try:
        return _text(f"{process}/comm").strip()
    except OSError:
        return "a process"


def _text(path: str) -> str:
    with open(path, "rb") as file:  # noqa: PTH123 - pathlib is most of what this module would load
        return file.read().decode("utf-8", "replace")
