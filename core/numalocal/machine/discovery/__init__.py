"""Read a machine from its kernel files: Sysfs in, Machine out.

| about | module | reads |
| --- | --- | --- |
| presence | online.py | which CPUs there are, and which are online |
| nodes | nodes.py | CPUs and distances of NUMA nodes |
| memory | memory.py | how much a node has, and whose it is |
| siblings | cores.py | cores and packages |
| levels | levels.py | L3 caches, dies, clusters, books, drawers |
| kinds | kinds.py | performance and efficiency cores |
| offline | offline.py, numbering.py | where offline CPUs belong |
| confinement | allowed.py | what the reading process may use, and what is isolated |
| limits | limits.py, groups.py | how much CPU time and memory its cgroups leave it |
| architecture | architecture.py | its name |
| doubts | findings.py | nothing; gathers what is inconsistent |
"""

from numalocal.idset import IdSet
from numalocal.machine.discovery.allowed import read_allowed, read_isolated, read_nohz_full
from numalocal.machine.discovery.architecture import read_architecture
from numalocal.machine.discovery.cores import make_cores, nodes_by_cpu, read_packages, read_siblings
from numalocal.machine.discovery.findings import Findings
from numalocal.machine.discovery.kinds import read_kinds, with_kinds
from numalocal.machine.discovery.levels import read_l3, read_level
from numalocal.machine.discovery.limits import read_limits
from numalocal.machine.discovery.nodes import read_nodes
from numalocal.machine.discovery.offline import complete, nodes_of_offline
from numalocal.machine.discovery.online import read_offline, read_online
from numalocal.machine.model import Machine
from numalocal.machine.sysfs import Sysfs


def discover(sysfs: Sysfs) -> Machine:
    """Build the machine that the files under the root describe.

    What is malformed or inconsistent is a finding, never an error.

    Raises:
        MachineUnreadable: where the root shows no online CPU.
    """
    findings = Findings()
    online = read_online(sysfs, findings)
    offline = read_offline(sysfs, online, findings)
    nodes = read_nodes(sysfs, online, findings)
    told = read_siblings(sysfs, online, findings)
    siblings = told or tuple(IdSet.of([cpu]) for cpu in online)
    packages = read_packages(sysfs, online, siblings, findings)
    kinds = read_kinds(sysfs, siblings, offline, findings)
    completed = complete(sysfs, siblings, kinds, offline, findings)
    nodes_of = {**nodes_of_offline(sysfs, offline, findings), **nodes_by_cpu(nodes)}
    cores = make_cores(sysfs, completed, packages, nodes_of, findings)
    levels = {
        level: read_level(sysfs, level, siblings, packages, findings)
        for level in ("dies", "clusters", "books", "drawers")
    }
    isolated = read_isolated(sysfs, online, findings)
    allowed, allowed_nodes, confined_by = read_allowed(
        sysfs, online, isolated, IdSet.of(node.id for node in nodes), findings
    )
    return Machine(
        online=online,
        offline=offline,
        allowed=allowed,
        allowed_nodes=allowed_nodes,
        confined_by=confined_by,
        packages=packages,
        cores=with_kinds(cores, kinds, findings),
        cores_known=told is not None,
        nodes=nodes,
        l3=read_l3(sysfs, siblings, findings),
        dies=levels["dies"],
        clusters=levels["clusters"],
        books=levels["books"],
        drawers=levels["drawers"],
        kinds=kinds,
        isolated=isolated,
        nohz_full=read_nohz_full(sysfs, online, findings),
        architecture=read_architecture(sysfs, findings),
        limits=read_limits(sysfs, findings),
        findings=findings.all(),
    )
