"""The node's machine as QEMU's arguments: any NUMA shape, under software emulation."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One package per NUMA node, all alike; CPUs are numbered node by node, core by core."""

    nodes: int = 2
    cores_per_node: int = 2
    threads_per_core: int = 2
    memory_mib_per_node: int = 1536

    @property
    def cpus(self) -> int:
        """Number of logical CPUs."""
        return self.nodes * self.cpus_per_node

    @property
    def cpus_per_node(self) -> int:
        """Number of logical CPUs of one node."""
        return self.cores_per_node * self.threads_per_core


TWO_NODES = Shape()


def arguments(shape: Shape) -> list[str]:
    """Give QEMU's accelerator, CPU, memory and NUMA arguments."""
    smp = (
        f"{shape.cpus},sockets={shape.nodes},cores={shape.cores_per_node},"
        f"threads={shape.threads_per_core}"
    )
    made = ["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max,topoext=on", "-smp", smp]
    made += ["-m", f"{shape.nodes * shape.memory_mib_per_node}M"]
    for node in range(shape.nodes):
        first = node * shape.cpus_per_node
        last = first + shape.cpus_per_node - 1
        made += [
            "-object",
            f"memory-backend-ram,id=ram{node},size={shape.memory_mib_per_node}M",
            "-numa",
            f"node,nodeid={node},cpus={first}-{last},memdev=ram{node}",
        ]
    for source in range(shape.nodes):
        for target in range(source + 1, shape.nodes):
            made += ["-numa", f"dist,src={source},dst={target},val=20"]
    return made
