"""What a cpuset or cgroup leaves to the process that reads the machine."""

from collections.abc import Iterator
from typing import Final

from numalocal.errors import ListInvalid
from numalocal.idset import IdSet
from numalocal.machine.discovery.findings import Findings
from numalocal.machine.sysfs import CPU, Sysfs

_FILES: Final = {
    "cgroup2": (("cpuset.cpus.effective", "cpuset.mems.effective"),),
    "cgroup": (
        ("cpuset.effective_cpus", "cpuset.effective_mems"),
        ("cpuset.cpus", "cpuset.mems"),
        ("cpus", "mems"),  # mounted with noprefix
    ),
    "cpuset": (("cpus", "mems"),),
}
"""By type of file system: the files that tell CPUs and nodes, best first."""


def read_allowed(
    sysfs: Sysfs, online: IdSet, nodes: IdSet, findings: Findings
) -> tuple[IdSet, IdSet]:
    """Read which online CPUs and which nodes the process may use; all where nothing confines it.

    From /proc/self/status, which has it all; a capture without that file from the cgroup.
    """
    cpus, mems = _status(sysfs, findings)
    if cpus is not None:
        return online & cpus, nodes if mems is None else nodes & mems
    for cpus_path, mems_path in _cpuset_files(sysfs, findings):
        listed = findings.read(sysfs.list, cpus_path)
        if listed:
            listed_mems = findings.read(sysfs.list, mems_path) or nodes
            return online & listed, nodes & listed_mems
    return online, nodes


def _status(sysfs: Sysfs, findings: Findings) -> tuple[IdSet | None, IdSet | None]:
    path = "proc/self/status"
    fields = dict(
        line.split(":", 1)
        for line in (findings.read(sysfs.read, path) or "").splitlines()
        if ":" in line
    )
    try:
        cpus, mems = (
            IdSet.parse(fields[name]) if name in fields else None
            for name in ("Cpus_allowed_list", "Mems_allowed_list")
        )
    except ListInvalid as error:
        findings.add(path, f"{error}; taken as missing")
        return None, None
    return cpus, mems


def _cpuset_files(sysfs: Sysfs, findings: Findings) -> Iterator[tuple[str, str]]:
    """Give the pairs of files that may tell, the process's own group before its ancestors."""
    group = _group(sysfs, findings)
    mounts = findings.read(sysfs.read, "proc/mounts") or ""
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 4 or fields[2] not in _FILES:  # noqa: PLR2004 - device mount type options
            continue
        _, mount, kind, options, *_ = fields
        if kind == "cgroup" and "cpuset" not in options.split(","):
            continue
        path = f"{mount.strip('/')}{group}".rstrip("/")
        while len(path) >= len(mount.strip("/")):
            for cpus, mems in _FILES[kind]:
                yield f"{path}/{cpus}", f"{path}/{mems}"
            path = path.rpartition("/")[0]


def _group(sysfs: Sysfs, findings: Findings) -> str:
    """Read the process's group: /proc/self/cpuset, or the line of v1's cpuset or v2's hierarchy."""
    group = findings.read(sysfs.read, "proc/self/cpuset")
    if group is not None:
        return group
    lines = (findings.read(sysfs.read, "proc/self/cgroup") or "").splitlines()
    groups = {
        controllers: path
        for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") > 1)
    }
    cpuset = (path for names, path in groups.items() if "cpuset" in names.split(","))
    return next(cpuset, groups.get("", ""))


def read_listed(sysfs: Sysfs, name: str, online: IdSet, findings: Findings) -> IdSet:
    """Read cpu/isolated or cpu/nohz_full: the online CPUs in it, none where there is no file.

    A kernel built for nohz_full and started without it writes `(null)`.
    """
    path = f"{CPU}/{name}"
    if findings.read(sysfs.read, path) == "(null)":
        return IdSet()
    return (findings.read(sysfs.list, path) or IdSet()) & online
