"""The machine as a document: what `numalocal topology -o json` prints."""

from collections.abc import Iterable, Mapping

from numalocal.idset import IdSet
from numalocal.machine.model import Machine

Document = Mapping[str, object]


def document(machine: Machine) -> Document:
    """Describe a machine; sets of CPUs and nodes are in the kernel's list format.

    Everything describes the whole machine but `allowed_cpus`, `allowed_nodes` and `limits`, which
    are what cgroups leave to the reading process.  Lists are sorted by lowest CPU, nodes by id.
    `packages` and `cores` are null where the kernel tells none, `numa_distances` where there is
    one node or no complete matrix.
    """
    return {
        "architecture": machine.architecture,
        "online_cpus": str(machine.online),
        "offline_cpus": str(machine.offline),
        "allowed_cpus": str(machine.allowed),
        "allowed_nodes": str(machine.allowed_nodes),
        "isolated_cpus": str(machine.isolated),
        "nohz_full_cpus": str(machine.nohz_full),
        "limits": {
            "cpu": machine.limits.cpu and machine.limits.cpu._asdict(),
            "memory": machine.limits.memory and machine.limits.memory._asdict(),
        },
        "packages": [{"id": one.id, "cpus": str(one.cpus)} for one in machine.packages] or None,
        "numa_nodes": [
            {
                "id": node.id,
                "cpus": str(node.cpus),
                "memory_bytes": node.memory_bytes,
            }
            for node in machine.nodes
        ],
        "cores": _cores(machine),
        "l3": [{"cpus": str(cpus)} for cpus in machine.l3],
        "numa_distances": _distances(machine),
        "dies": _lists(machine.dies),
        "clusters": _lists(machine.clusters),
        "books": _lists(machine.books),
        "drawers": _lists(machine.drawers),
        "cpu_kinds": [
            {
                "kind": one.kind,
                "cpus": str(one.cpus),
                "capacity": one.capacity,
                "base_khz": one.base_khz,
            }
            for one in machine.kinds
        ],
        "findings": [{"path": one.path, "message": one.message} for one in machine.findings],
    }


def _cores(machine: Machine) -> list[Document] | None:
    """List the cores by their online CPUs; those that are offline as a whole are left out."""
    if not machine.cores_known:
        return None
    online = ((core, core.cpus & machine.online) for core in machine.cores)
    shown = [(core, cpus) for core, cpus in online if cpus]
    return [
        {"cpus": str(cpus), "package": core.package, "numa": list(core.numa_nodes)}
        for core, cpus in sorted(shown, key=lambda one: one[1].first)
    ]


def _distances(machine: Machine) -> Document | None:
    ids = [node.id for node in machine.nodes]
    if len(ids) == 1 or any(list(node.distances) != ids for node in machine.nodes):
        return None
    return {"nodes": ids, "matrix": [list(node.distances.values()) for node in machine.nodes]}


def _lists(groups: Iterable[IdSet]) -> list[str]:
    return [str(group) for group in groups]
