"""Which architecture a machine has, as `uname -m` names it."""

import os
import re
from typing import Final

from numalocal.machine.discovery.findings import Findings
from numalocal.machine.sysfs import Sysfs, shown

_NAME: Final = re.compile(r"[a-z0-9_]{1,32}")
_MARKS: Final = (
    (("flags", " lm "), "x86_64"),
    (("flags", ""), "i686"),
    (("CPU architecture", "8"), "aarch64"),
    (("CPU architecture", "AArch64"), "aarch64"),
    (("cpu", "POWER"), "ppc64"),
    (("cpu", "PPC"), "ppc64"),
    (("vendor_id", "IBM/S390"), "s390x"),
    (("isa", "rv64"), "riscv64"),
    (("CPU Family", "Loongson-64bit"), "loongarch64"),
)
"""A field of /proc/cpuinfo and what its value has, on each architecture alone; best first."""


def read_architecture(sysfs: Sysfs, findings: Findings) -> str:
    """Read /proc/sys/kernel/arch (since Linux 6.1), or ask the kernel where the root is its own.

    A capture without that file tells it by /proc/cpuinfo, where ppc64le is ppc64 as well; empty
    where nothing tells.  A live /proc/cpuinfo is slow: it interrupts every CPU.
    """
    path = "proc/sys/kernel/arch"
    if told := findings.read(sysfs.read, path):
        if _NAME.fullmatch(told):
            return told
        findings.add(path, f"says {shown(told)}, which is no architecture; taken as missing")
    if os.fspath(sysfs.root) == "/":
        return os.uname().machine
    lines = (findings.read(sysfs.read, "proc/cpuinfo") or "").splitlines()
    fields = {
        name.strip(): f"{value} " for name, _, value in (line.partition(":") for line in lines)
    }
    found = (name for (field, part), name in _MARKS if field in fields and part in fields[field])
    return next(found, "")
