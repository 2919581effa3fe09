"""Read a machine from its kernel files: Sysfs in, Machine out.

| about | module | reads |
| --- | --- | --- |
| nodes | nodes.py | CPUs, memory and distances of NUMA nodes |
| siblings | cores.py | cores and packages |
| levels | groups.py | L3 caches, dies, clusters, books, drawers |
| speeds | kinds.py | performance and efficiency cores |
| offline | offline.py | where offline CPUs belong |
| confinement | allowed.py | what the reading process may use |
| architecture | architecture.py | its name |
| doubts | notes.py | nothing; gathers what is inconsistent |
"""

from numalocal.discovery.allowed import read_allowed
from numalocal.discovery.architecture import read_architecture
from numalocal.discovery.cores import make_cores, nodes_by_cpu, read_packages, read_siblings
from numalocal.discovery.groups import read_l3, read_level
from numalocal.discovery.kinds import read_kinds, with_kinds
from numalocal.discovery.nodes import read_nodes
from numalocal.discovery.notes import Notes
from numalocal.discovery.offline import complete, nodes_of_offline
from numalocal.idset import IdSet
from numalocal.machine import Machine
from numalocal.sysfs import CPU, Sysfs


def discover(sysfs: Sysfs) -> Machine:
    """Build the machine that the files under the root describe.

    What is malformed or inconsistent is a finding, never an error.

    Raises:
        MachineUnreadable: where the root shows no online CPU.
    """
    notes = Notes()
    online, present = sysfs.online_cpus(), sysfs.numbered(CPU, "cpu")
    if present and (unseen := online - present):
        notes.add(f"{CPU}/online", f"names CPUs {unseen}, of which there is no directory")
    offline = present - online
    nodes = read_nodes(sysfs, online, notes)
    told = read_siblings(sysfs, online, notes)
    siblings = told or tuple(IdSet.of([cpu]) for cpu in online)
    packages = read_packages(sysfs, online, siblings, notes)
    kinds = read_kinds(sysfs, siblings, notes)
    completed = complete(sysfs, siblings, online, offline, notes)
    nodes_of = {**nodes_of_offline(sysfs, offline), **nodes_by_cpu(nodes)}
    cores = make_cores(sysfs, completed, packages, nodes_of, notes)
    levels = {
        level: read_level(sysfs, level, siblings, packages, notes)
        for level in ("dies", "clusters", "books", "drawers")
    }
    allowed, allowed_nodes = read_allowed(sysfs, online, IdSet.of(node.id for node in nodes), notes)
    return Machine(
        online=online,
        offline=offline,
        allowed=allowed,
        allowed_nodes=allowed_nodes,
        packages=packages,
        cores=with_kinds(cores, kinds),
        cores_known=told is not None,
        nodes=nodes,
        l3=read_l3(sysfs, siblings, notes),
        dies=levels["dies"],
        clusters=levels["clusters"],
        books=levels["books"],
        drawers=levels["drawers"],
        kinds=kinds,
        architecture=read_architecture(sysfs, notes),
        findings=notes.findings(),
    )
