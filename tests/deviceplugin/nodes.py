"""The node that most tests stand on: 2 NUMA nodes x 2 cores x 2 threads, one core each shared."""

from collections.abc import Iterable
from pathlib import Path

from numalocal.idset import IdSet
from numalocal.machine.model import Core, Machine, NumaNode, Package
from numalocal.sets.partition import Partition, partition
from numalocal.sets.pools import Pool
from numalocal_deviceplugin.abilities import Kernel, Told
from numalocal_deviceplugin.kubelet.offers import offers
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.pods import Container, Pod
from numalocal_deviceplugin.settings import Settings
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State
from numalocal_deviceplugin.thisnode import Node

N0 = "cpuset-n0-c2x2"  # CPUs 2-3 on node 0
N1 = "cpuset-n1-c6x2"  # CPUs 6-7 on node 1
SHARED = "0-1,4-5"
CONTAINERD = Told("containerd", "2.4.2", "v0.12.3")
KERNEL = Kernel("6.12.0", weights=True, demotes=True)


def make_machine(nodes: int = 2, cores: int = 2, threads: int = 2) -> Machine:
    per_node = cores * threads
    return Machine(
        online=IdSet.of(range(nodes * per_node)),
        allowed=IdSet.of(range(nodes * per_node)),
        allowed_nodes=IdSet.of(range(nodes)),
        packages=tuple(
            Package(id=node, cpus=IdSet.of(range(node * per_node, (node + 1) * per_node)))
            for node in range(nodes)
        ),
        cores=tuple(
            Core(
                package=node,
                core=core,
                cpus=IdSet.of(range(first := node * per_node + core * threads, first + threads)),
                numa_nodes=IdSet.of([node]),
            )
            for node in range(nodes)
            for core in range(cores)
        ),
        nodes=tuple(
            NumaNode(
                id=node,
                cpus=IdSet.of(range(node * per_node, (node + 1) * per_node)),
                memory_bytes=8 << 30,
                distances={other: 10 if other == node else 20 for other in range(nodes)},
            )
            for node in range(nodes)
        ),
        architecture="x86_64",
    )


def make_tiered_machine(*, movable: bool = False) -> Machine:
    """Make the same machine with 4 GiB of memory on a node 2, which is nearer to node 0."""
    return with_tier(make_machine(), movable=movable)


def with_tier(machine: Machine, *, movable: bool = False) -> Machine:
    """Give a machine of two nodes a third one, of memory alone."""
    distances = ({0: 10, 1: 20, 2: 17}, {0: 20, 1: 10, 2: 28}, {0: 17, 1: 28, 2: 10})
    tier = NumaNode(id=2, cpus=IdSet(), memory_bytes=4 << 30, distances={}, movable=movable)
    nodes = tuple(
        one._replace(distances=known)
        for one, known in zip((*machine.nodes, tier), distances, strict=True)
    )
    return machine._replace(nodes=nodes, allowed_nodes=IdSet.of(range(3)))


def make_partition(pools: Iterable[Pool] = (Pool(name="cpuset"),)) -> Partition:
    return partition(make_machine(), tuple(pools))


def make_state(
    *,
    synchronized: bool = True,
    policy: Policy = Policy.NONE,
    settings: Settings | None = None,
    machine: Machine | None = None,
) -> State:
    """Make a state in which everything can be given and bound, unless said otherwise."""
    state = State(machine or make_machine(), make_partition(), settings or Settings(kernel=KERNEL))
    state.set_policy(policy)
    if synchronized:
        state.runtime_told(CONTAINERD)
        state.runtime_synchronized()
    return state


def gives_out(state: State) -> bool:
    """Tell whether the kubelet is offered a CPU set."""
    return any(one.refusal is None for one in offers("cpuset", state.snapshot()))


def make_node(*, online: str = "0-7", ledger: Ledger | None = None, lent: str = "") -> Node:
    machine = make_machine().with_online(IdSet.parse(online))
    return Node(
        machine=machine,
        partition=partition(machine, (Pool(name="cpuset"),)),
        ledger=ledger or Ledger(),
        lent=IdSet.parse(lent),
    )


def make_pod(name: str = "llama-0", /, **annotations: str) -> Pod:
    """Make pod default/llama-0; `bound_containers` is annotation numalocal.io/bound-containers."""
    named = {f"numalocal.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return Pod(
        id=f"sandbox-of-{name}",
        uid=f"uid-of-{name}",
        namespace="default",
        name=name,
        annotations=named,
    )


def make_container(
    name: str = "engine",
    *,
    assignment: str = "",
    command: Iterable[str] = ("serve",),
    env: Iterable[str] = (),
    cpus: str = "",
    mems: str = "",
    live: bool = True,
) -> Container:
    return Container(
        id=f"id-of-{name}",
        name=name,
        annotations={"assignment.numalocal.io/cpuset": assignment} if assignment else {},
        command=tuple(command),
        variables=dict.fromkeys(env, "x"),
        cpus=IdSet.parse(cpus),
        mems=IdSet.parse(mems),
        live=live,
    )


def no_devices(namespace: str, name: str) -> tuple[str, ...]:
    raise AssertionError(f"the kubelet was asked for {namespace}/{name}")


def write_sysfs(root: Path, machine: Machine) -> None:
    """Write the kernel files of a machine."""
    cpus, nodes = root / "sys/devices/system/cpu", root / "sys/devices/system/node"
    cpus.mkdir(parents=True)
    (cpus / "online").write_text(f"{machine.online}\n")
    for core in machine.cores:
        for cpu in core.cpus:
            topology = cpus / f"cpu{cpu}" / "topology"
            topology.mkdir(parents=True)
            (topology / "thread_siblings_list").write_text(f"{core.cpus}\n")
            (topology / "physical_package_id").write_text(f"{core.package}\n")
            (topology / "core_id").write_text(f"{core.core}\n")
    for node in machine.nodes:
        directory = nodes / f"node{node.id}"
        directory.mkdir(parents=True)
        (directory / "cpulist").write_text(f"{node.cpus}\n")
        (directory / "distance").write_text(" ".join(map(str, node.distances.values())) + "\n")
        total_kib = (node.memory_bytes or 0) >> 10
        (directory / "meminfo").write_text(f"Node {node.id} MemTotal: {total_kib} kB\n")
