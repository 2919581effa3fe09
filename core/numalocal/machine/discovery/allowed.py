"""What a cpuset or cgroup, and its affinity, leave to the process that reads the machine."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from numalocal.errors import ListInvalid
from numalocal.idset import IdSet
from numalocal.machine.discovery.findings import Findings
from numalocal.machine.sysfs import CPU, Sysfs, shown

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
_STATUS: Final = "proc/self/status"
_GROUP: Final = "proc/self/cgroup"
_MOST_PATH: Final = 4096


class _Mount(NamedTuple):
    """Where a hierarchy that can have cpusets is mounted, and of what type it is."""

    path: str
    kind: str


_MOUNTS: Final = (
    _Mount("sys/fs/cgroup", "cgroup2"),
    _Mount("sys/fs/cgroup/unified", "cgroup2"),
    _Mount("sys/fs/cgroup/cpuset", "cgroup"),
)
"""Where everybody mounts them; for roots that have no /proc/mounts."""


def read_allowed(
    sysfs: Sysfs, online: IdSet, isolated: IdSet, nodes: IdSet, findings: Findings
) -> tuple[IdSet, IdSet, str]:
    """Read which online CPUs and which nodes the process may use, and the file that confines it.

    All, and no file, where nothing does.  They are its cpuset's that are in its affinity too.  An
    affinity that misses isolated CPUs alone is no wish: the kernel starts every process without
    them.  A process with any other affinity was given it by somebody, as by `taskset`.
    """
    affinity, mems = _status(sysfs, findings)
    cpuset, cpuset_mems, path = _cpuset(sysfs, findings)
    allowed = _both(online, affinity, cpuset, findings)
    if affinity is not None and cpuset is not None and online & cpuset - allowed <= isolated:
        allowed = online & cpuset
    confined_by = path if cpuset is not None and online & cpuset == allowed else _STATUS
    return (
        allowed,
        _both(nodes, mems, cpuset_mems, findings),
        "" if allowed == online else f"/{confined_by}",
    )


def _both(there: IdSet, own: IdSet | None, group: IdSet | None, findings: Findings) -> IdSet:
    """Keep what process and cpuset have; where they share none, the process's word counts."""
    kept = there if own is None else there & own
    within = kept if group is None else kept & group
    if kept and not within:
        findings.add(_GROUP, f"leads to a cpuset of {group}, and {_STATUS} says {own}; that counts")
        return kept
    return within


def read_isolated(sysfs: Sysfs, online: IdSet, findings: Findings) -> IdSet:
    """Read the online CPUs that are isolated: at boot (isolcpus=), or by partitions of cpusets."""
    partitions = (f"{mount.path}/cpuset.cpus.isolated" for mount in _mounts(sysfs, findings))
    told = [_listed(sysfs, path, findings) for path in (f"{CPU}/isolated", *partitions)]
    return online & IdSet().union(*told)


def read_nohz_full(sysfs: Sysfs, online: IdSet, findings: Findings) -> IdSet:
    """Read the online CPUs that the kernel spares its tick."""
    return online & _listed(sysfs, f"{CPU}/nohz_full", findings)


def _listed(sysfs: Sysfs, path: str, findings: Findings) -> IdSet:
    """Read a list; a kernel that could have CPUs in nohz_full and has none writes `(null)`."""
    none: str | None = findings.read(sysfs.read, path)
    return IdSet() if none == "(null)" else findings.read(sysfs.list, path) or IdSet()


def _status(sysfs: Sysfs, findings: Findings) -> tuple[IdSet | None, IdSet | None]:
    fields = dict(
        line.split(":", 1)
        for line in (findings.read(sysfs.read, _STATUS) or "").splitlines()
        if ":" in line
    )
    try:
        cpus, mems = (_of_field(fields, name) for name in ("Cpus_allowed", "Mems_allowed"))
    except ListInvalid as error:
        findings.add(_STATUS, f"{error}; taken as missing")
        return None, None
    if fields and cpus is None:
        findings.add(_STATUS, "has no Cpus_allowed_list; no CPU is taken to be forbidden")
    return cpus, mems


def _of_field(fields: Mapping[str, str], name: str) -> IdSet | None:
    """Read a list of /proc/self/status, or the mask beside it; None where there is neither."""
    if f"{name}_list" in fields:
        return IdSet.parse(fields[f"{name}_list"])
    return IdSet.parse_mask(fields[name]) if name in fields else None


def _cpuset(sysfs: Sysfs, findings: Findings) -> tuple[IdSet | None, IdSet | None, str]:
    """Read the nearest cpuset that tells its CPUs, its nodes, and its file; None = no cpuset."""
    for cpus_path, mems_path in _cpuset_files(sysfs, findings):
        if cpus := findings.read(sysfs.list, cpus_path):
            return cpus, findings.read(sysfs.list, mems_path) or None, cpus_path
    return None, None, ""


def _cpuset_files(sysfs: Sysfs, findings: Findings) -> Iterator[tuple[str, str]]:
    """Give the pairs of files that may tell, the process's own group before its ancestors."""
    groups = _groups(sysfs, findings)
    for mount, kind in _mounts(sysfs, findings):
        parts = groups[kind].split("/")  # of /a/b: nothing, a and b
        for depth in range(len(parts), 0, -1):
            folder = mount + "/".join(parts[:depth])
            for cpus, mems in _FILES[kind]:
                yield f"{folder}/{cpus}", f"{folder}/{mems}"


def _mounts(sysfs: Sysfs, findings: Findings) -> tuple[_Mount, ...]:
    found = []
    for line in (findings.read(sysfs.read, "proc/mounts") or "").splitlines():
        fields = line.split()
        if len(fields) < 4 or fields[2] not in _FILES:  # noqa: PLR2004 - device mount type options
            continue
        _, path, kind, options, *_ = fields
        if kind != "cgroup" or "cpuset" in options.split(","):
            found.append(_Mount(path.strip("/"), kind))
    return tuple(found) or _MOUNTS


def _groups(sysfs: Sysfs, findings: Findings) -> Mapping[str, str]:
    """Read the process's group in each type of hierarchy; the root where none is told.

    From /proc/self/cgroup: the line of version 1's cpuset, and that of version 2.  Captures of old
    kernels have /proc/self/cpuset alone.
    """
    cpuset = _path(findings.read(sysfs.read, "proc/self/cpuset") or "", findings)
    groups = {"cgroup2": cpuset, "cgroup": cpuset, "cpuset": cpuset}
    for line in (findings.read(sysfs.read, _GROUP) or "").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            groups["cgroup2"] = _path(path, findings)
        elif "cpuset" in controllers.split(","):
            groups["cgroup"] = _path(path, findings)
    return groups


def _path(group: str, findings: Findings) -> str:
    """Keep a group's path that lies below the mount: /.. is outside of the namespace."""
    if len(group) > _MOST_PATH or not group.isprintable():
        findings.add(_GROUP, f"says {shown(group)}, which is no path of a cgroup; left out")
        return ""
    outside = ".." in group.split("/") or not group.startswith("/")
    return "" if outside else group.rstrip("/")
