"""Which CPUs there are, and which of them are online."""

from numalocal.errors import MachineUnreadable
from numalocal.idset import IdSet
from numalocal.machine.discovery.findings import Findings
from numalocal.machine.sysfs import CPU, Sysfs, shown


def read_online(sysfs: Sysfs, findings: Findings) -> IdSet:
    """Read cpu/online, or where that tells nothing every cpuN/online; absent means online.

    Raises:
        MachineUnreadable: where no CPU is online.
    """
    path = f"{CPU}/online"
    online = findings.read(sysfs.list, path)
    if online is not None and not online:
        findings.add(path, "names no CPU; the file of each CPU counts")
    online = online or _by_own_files(sysfs, findings)
    if not online:
        raise MachineUnreadable(
            f"/{CPU}", f"holds no online CPU: is {sysfs.root} the root of a Linux machine?"
        )
    return online


def read_offline(sysfs: Sysfs, online: IdSet, findings: Findings) -> IdSet:
    """Give the CPUs that have a directory and are not online.

    POWER has directories of CPUs that are merely possible as well, which cpu/present leaves out.
    """
    there = _directories(sysfs, findings)
    path = f"{CPU}/online"
    if there and (unseen := online - there):
        findings.add(path, f"names CPUs {unseen}, of which there is no directory")
    offline = there - online
    if offline and (present := findings.read(sysfs.list, f"{CPU}/present")):
        offline &= present
    if says_else := IdSet.of(cpu for cpu in offline if _own_file(sysfs, cpu, findings) == "1"):
        findings.add(path, f"leaves out CPUs {says_else}, which call themselves online; it counts")
    return offline


def _directories(sysfs: Sysfs, findings: Findings) -> IdSet:
    return findings.read(sysfs.numbered, CPU, "cpu") or IdSet()


def _by_own_files(sysfs: Sysfs, findings: Findings) -> IdSet:
    return IdSet.of(
        cpu for cpu in _directories(sysfs, findings) if _own_file(sysfs, cpu, findings) != "0"
    )


def _own_file(sysfs: Sysfs, cpu: int, findings: Findings) -> str:
    """Read cpuN/online; empty where there is none, as of a CPU that cannot go offline."""
    path = f"{CPU}/cpu{cpu}/online"
    text = findings.read(sysfs.read, path)
    if text is not None and text not in ("0", "1"):
        findings.add(path, f"says {shown(text)}, neither 0 nor 1")
    return text or ""
