"""What discovery must find on a simulated machine, told by its spec alone.

The fields are those of the captures' answers, less what is only about a capture.
"""

from typing import Any

from simulated.spec import Level, Simulated
from simulated.text import listed

Truth = dict[str, Any]


def truth(machine: Simulated) -> Truth:
    x86, s390x = machine.architecture == "x86_64", machine.architecture == "s390x"
    clustered = machine.cluster_cores > 1 or machine.efficiency_cores > 0
    booked = s390x and machine.packages_per_book is not None
    nodes = list(machine.memory) if machine.numa else [0]
    return {
        "architecture": machine.architecture,
        "online_cpus": listed(machine.online),
        "offline_cpus": listed(machine.offline),
        "allowed_cpus": listed(machine.online),
        "allowed_nodes": listed(nodes),
        "isolated_cpus": "",
        "nohz_full_cpus": "",
        "limits": {"cpu": None, "memory": None},
        "packages": _packages(machine),
        "numa_nodes": _numa_nodes(machine),
        "cores": _cores(machine),
        "l3": [{"cpus": cpus} for cpus in _groups(machine, "l3", shown=bool(machine.l3_cores))],
        "numa_distances": _distances(machine),
        "dies": _groups(machine, "die", shown=x86 and machine.dies_per_package > 1),
        "clusters": _groups(machine, "cluster", shown=clustered),
        "books": _groups(machine, "book", shown=booked),
        "drawers": _groups(machine, "drawer", shown=booked),
        "cpu_kinds": _kinds(machine),
    }


def _groups(machine: Simulated, level: Level, *, shown: bool) -> list[str]:
    groups = [cpus for cpus in machine.members(level).values() if cpus]
    return [listed(cpus) for cpus in sorted(groups)] if shown else []


def _packages(machine: Simulated) -> list[Truth]:
    ids = {core.place["package"]: machine.package_id(core) for core in machine.cores}
    members = sorted((cpus, number) for number, cpus in machine.members("package").items() if cpus)
    return [{"id": _known(ids[number]), "cpus": listed(cpus)} for cpus, number in members]


def _numa_nodes(machine: Simulated) -> list[Truth]:
    if not machine.numa:
        total = sum(machine.memory.values())
        return [{"id": 0, "cpus": listed(machine.online), "memory_bytes": total}]
    members = machine.members("node")
    return [
        {"id": node, "cpus": listed(members.get(number, [])), "memory_bytes": size}
        for number, (node, size) in enumerate(machine.memory.items())
    ]


def _cores(machine: Simulated) -> list[Truth]:
    online = machine.members("core")
    cores = [core for core in machine.cores if online[core.place["core"]]]
    return [
        {
            "cpus": listed(online[core.place["core"]]),
            "package": _known(machine.package_id(core)),
            "numa": [machine.node_id(core) if machine.numa else 0],
        }
        for core in sorted(cores, key=lambda core: online[core.place["core"]])
    ]


def _distances(machine: Simulated) -> Truth | None:
    ids = list(machine.memory)
    if not machine.numa or len(ids) == 1:
        return None
    numbers = range(len(ids))
    rows = [[machine.distances(one, other) for other in numbers] for one in numbers]
    return {"nodes": ids, "matrix": rows}


def _kinds(machine: Simulated) -> list[Truth]:
    if not machine.efficiency_cores:
        return []
    return [
        {
            "kind": "efficiency" if efficient else "performance",
            "cpus": listed(
                cpu
                for core in machine.cores
                for cpu in core.cpus
                if core.efficient == efficient and cpu not in machine.offline
            ),
            "capacity": None,
            "base_khz": machine.base_khz[efficient],
        }
        for efficient in (False, True)
    ]


def _known(package_id: int) -> int | None:
    return None if package_id == -1 else package_id
