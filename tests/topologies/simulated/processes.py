"""/proc as the kernel writes it, as far as it tells about the machine."""

from collections.abc import Iterator

from simulated.cpus import File
from simulated.spec import Architecture, Simulated
from simulated.text import listed, masked

_MAX_NODES = 1024
_CPUINFO: dict[Architecture, str] = {
    "x86_64": "processor\t: {cpu}\nvendor_id\t: GenuineIntel\nflags\t\t: fpu vme de pse lm ht",
    "aarch64": "processor\t: {cpu}\nCPU implementer\t: 0x41\nCPU architecture: 8",
    "ppc64le": "processor\t: {cpu}\ncpu\t\t: POWER9, altivec supported",
    "s390x": "processor {cpu}: version = 00,  identification = 279F25,  machine = 3931",
}


def process_files(machine: Simulated) -> Iterator[File]:
    yield "proc/meminfo", _meminfo(machine)
    yield "proc/self/status", _status(machine)
    yield "proc/sys/kernel/arch", machine.architecture
    heading = "vendor_id       : IBM/S390\n" if machine.architecture == "s390x" else ""
    blocks = [_CPUINFO[machine.architecture].format(cpu=cpu) for cpu in machine.online]
    yield "proc/cpuinfo", heading + "\n\n".join(blocks)


def _meminfo(machine: Simulated) -> str:
    total = sum(machine.memory.values()) >> 10
    nodes = len(machine.members("node"))
    kib = {"MemTotal": total, "MemFree": total // 2}
    lines = [f"{name + ':':<16}{value:8} kB" for name, value in kib.items()]
    for size, count in machine.huge_pages[:1]:
        lines.append(f"{'HugePages_Total:':<16}{count * nodes:8}")
        lines.append(f"{'Hugepagesize:':<16}{size:8} kB")
    if machine.huge_pages:
        huge = nodes * sum(size * count for size, count in machine.huge_pages)
        lines.append(f"{'Hugetlb:':<16}{huge:8} kB")
    return "\n".join(lines)


def _status(machine: Simulated) -> str:
    """Tell what an unconfined process may use: every possible CPU, online or not."""
    cpus, nodes = machine.cpus, machine.memory if machine.numa else [0]
    return "\n".join(
        [
            "Name:\tcat",
            f"Cpus_allowed:\t{masked(cpus, len(cpus))}",
            f"Cpus_allowed_list:\t{listed(cpus)}",
            f"Mems_allowed:\t{masked(nodes, _MAX_NODES)}",
            f"Mems_allowed_list:\t{listed(nodes)}",
        ]
    )
