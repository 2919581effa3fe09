"""/sys/devices/system/node as the kernel writes it."""

from collections.abc import Iterator

from simulated.cpus import File
from simulated.spec import Simulated
from simulated.text import listed, masked

NODE = "sys/devices/system/node"


def node_files(machine: Simulated) -> Iterator[File]:
    if not machine.numa:
        return
    members = machine.members("node")
    ids = list(machine.memory)
    yield f"{NODE}/online", listed(ids)
    yield f"{NODE}/possible", listed(range(max(ids) + 1))
    yield f"{NODE}/has_cpu", listed(ids[number] for number, cpus in members.items() if cpus)
    yield f"{NODE}/has_memory", listed(ids)
    yield f"{NODE}/has_normal_memory", listed(ids)
    for number, node in enumerate(ids):
        directory = f"{NODE}/node{node}"
        cpus = members.get(number, [])
        distances = (machine.distances(number, other) for other in range(len(ids)))
        yield f"{directory}/cpulist", listed(cpus)
        yield f"{directory}/cpumap", masked(cpus, len(machine.cpus))
        yield f"{directory}/distance", " ".join(map(str, distances))
        yield f"{directory}/meminfo", _meminfo(node, machine.memory[node])
        for size, count in machine.huge_pages:
            pages = f"{directory}/hugepages/hugepages-{size}kB"
            held = str(count if number in members else 0)
            yield f"{pages}/nr_hugepages", held
            yield f"{pages}/free_hugepages", held
            yield f"{pages}/surplus_hugepages", "0"


def node_links(machine: Simulated) -> Iterator[File]:
    """Give the links to CPUs and what they name; they stay while a CPU is offline."""
    for core in machine.cores if machine.numa else ():
        for cpu in core.cpus:
            yield f"{NODE}/node{machine.node_id(core)}/cpu{cpu}", f"../../cpu/cpu{cpu}"


def _meminfo(node: int, size: int) -> str:
    kib = {"MemTotal": size >> 10, "MemFree": size >> 11, "MemUsed": size >> 11}
    return "\n".join(f"Node {node} {name + ':':<15}{value:8} kB" for name, value in kib.items())
