"""Where the reading process is among the cgroups of a controller, version 1 or 2."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from numalocal.machine.discovery.findings import Findings
from numalocal.machine.sysfs import Sysfs

_OWN: Final = "proc/self/cgroup"
_MOUNTS: Final = "sys/fs/cgroup"


class Level(NamedTuple):
    """One cgroup above the process, or its own: a folder under the root, and cgroup's version."""

    folder: str
    version: int


def levels(sysfs: Sysfs, controller: str, findings: Findings) -> tuple[Level, ...]:
    """List the cgroups that a controller applies to the process: its own first, the mount last.

    From /proc/self/cgroup: the hierarchy of version 1 that has the controller, else version 2.
    What a container cannot see of them is left out; empty where no cgroup is told.
    """
    own = _own(sysfs, controller, findings)
    if own is None:
        return ()
    version, path = own
    mount = _mount(sysfs, controller, version, findings)
    folder = _folder(sysfs, mount, path, findings)
    above = [folder]
    while len(folder) > len(mount):
        folder = folder.rpartition("/")[0]
        above.append(folder)
    return tuple(Level(one, version) for one in above)


def _own(sysfs: Sysfs, controller: str, findings: Findings) -> tuple[int, str] | None:
    """Read version and path; None where the process is in no cgroup that is told."""
    found = None
    for line in (findings.read(sysfs.read, _OWN) or "").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not path.startswith("/"):
            findings.add(_OWN, f"says {line[:60]!r}, not ID:CONTROLLERS:PATH; left out")
        elif controller in controllers.split(","):
            return 1, path
        elif not controllers:
            found = (2, path)
    return found


def _mount(sysfs: Sysfs, controller: str, version: int, findings: Findings) -> str:
    """Find the folder where a hierarchy is mounted: controllers may share one (`cpu,cpuacct`)."""
    there = findings.read(sysfs.names, _MOUNTS) or ()
    if version == 2:  # noqa: PLR2004 - cgroup's version
        return f"{_MOUNTS}/unified" if "unified" in there else _MOUNTS
    joined = (name for name in there if controller in name.split(","))
    name = controller if controller in there else next(joined, "")
    return f"{_MOUNTS}/{name}".rstrip("/")


def _folder(sysfs: Sysfs, mount: str, path: str, findings: Findings) -> str:
    """Find the longest tail of the path that is there.

    A container sees its own files at the mount, and may be told the path that they have on the
    host, or one that leads out of its namespace.
    """
    for tail in () if ".." in path.split("/") else _tails(path):
        if findings.read(sysfs.names, f"{mount}/{tail}"):
            return f"{mount}/{tail}"
    return mount


def _tails(path: str) -> Iterator[str]:
    """Give `a/b` and `b` of `/a/b/`."""
    parts = path.strip("/").split("/")
    return ("/".join(parts[start:]) for start in range(len(parts)) if parts[start])
