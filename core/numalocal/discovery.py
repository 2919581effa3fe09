"""Read a machine from its kernel files: Sysfs in, Machine out."""

from numalocal.idset import IdSet
from numalocal.machine import Core, Machine, NumaNode
from numalocal.sysfs import Sysfs


def discover(sysfs: Sysfs, architecture: str = "") -> Machine:
    """Build the machine that the files under the root describe.

    Raises:
        MachineUnreadable: where a file that every Linux has is missing or malformed.
    """
    online = sysfs.online_cpus()
    nodes = _nodes(sysfs, online)
    node_of = {cpu: node.id for node in nodes for cpu in node.cpus}
    cores = _cores(sysfs, online, node_of)
    return Machine(online=online, cores=cores, nodes=nodes, architecture=architecture)


def _nodes(sysfs: Sysfs, online: IdSet) -> tuple[NumaNode, ...]:
    ids = sysfs.node_ids()
    if not ids:
        return (_whole_machine(sysfs, online),)
    return tuple(_node(sysfs, node, ids, online) for node in ids)


def _node(sysfs: Sysfs, node: int, ids: IdSet, online: IdSet) -> NumaNode:
    distances = sysfs.node_distances(node)
    return NumaNode(
        id=node,
        cpus=sysfs.node_cpus(node) & online,
        memory_bytes=sysfs.node_meminfo(node).get("MemTotal", 0),
        huge_page_bytes=sysfs.huge_page_bytes(node),
        distances=dict(zip(ids, distances, strict=False)),
    )


def _whole_machine(sysfs: Sysfs, online: IdSet) -> NumaNode:
    """Stand in for the node directory of a kernel without NUMA."""
    meminfo = sysfs.meminfo()
    huge = meminfo.get("HugePages_Total", 0) * meminfo.get("Hugepagesize", 0)
    return NumaNode(
        id=0,
        cpus=online,
        memory_bytes=meminfo.get("MemTotal", 0),
        huge_page_bytes=meminfo.get("Hugetlb", huge),
        distances={0: 10},
    )


def _cores(sysfs: Sysfs, online: IdSet, node_of: dict[int, int]) -> tuple[Core, ...]:
    cores: list[Core] = []
    seen: set[int] = set()
    for cpu in online:
        if cpu in seen or cpu not in node_of:
            continue
        core = _core(sysfs, cpu, online, node_of[cpu])
        seen.update(core.cpus)
        cores.append(core)
    return tuple(cores)


def _core(sysfs: Sysfs, cpu: int, online: IdSet, node: int) -> Core:
    siblings = (sysfs.thread_siblings(cpu) or IdSet.of([cpu])) & online | IdSet.of([cpu])
    package = sysfs.topology_id(cpu, "physical_package_id")
    core = sysfs.topology_id(cpu, "core_id")
    return Core(
        package=0 if package is None else package,
        core=siblings.first if core is None else core,
        cpus=siblings,
        numa_node=node,
    )
