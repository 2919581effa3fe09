"""Machines that no capture shows, by name."""

from collections.abc import Callable

from simulated.spec import GIB, Simulated


def in_packages(nodes_per_package: int, *, near: int, far: int) -> Callable[[int, int], int]:
    """Give distances that differ within a package and between packages."""

    def distance(one: int, other: int) -> int:
        if one == other:
            return 10
        return near if one // nodes_per_package == other // nodes_per_package else far

    return distance


def beside(nodes: int, *, local: int, remote: int, across: int) -> Callable[[int, int], int]:
    """Give distances where memory of its own stands beside each node with CPUs, in order."""

    def distance(one: int, other: int) -> int:
        if one == other:
            return 10
        if one < nodes and other < nodes:
            return across
        return local if one % nodes == other % nodes else remote

    return distance


MACHINES: dict[str, Simulated] = {
    "power9-smt8": Simulated(
        packages=2,
        cores_per_node=12,
        threads=8,
        numbering="adjacent",
        l3_cores=2,
        package_ids=(0, 8),
        node_ids=(0, 8),
        memory_bytes=256 * GIB,
        huge_pages=((2048, 512), (1048576, 2)),
        distances=in_packages(1, near=10, far=40),
        architecture="ppc64le",
    ),
    "nodes-128": Simulated(
        packages=32,
        nodes_per_package=4,
        cores_per_node=1,
        threads=2,
        numbering="adjacent",
        l3_cores=4,
        memory_bytes=8 * GIB,
        distances=in_packages(4, near=16, far=32),
    ),
    "cpus-256": Simulated(
        packages=2,
        cores_per_node=64,
        threads=2,
        l3_cores=8,
        distances=in_packages(1, near=10, far=32),
    ),
    "cpus-2048": Simulated(
        packages=8,
        nodes_per_package=2,
        cores_per_node=64,
        threads=2,
        l3_cores=8,
        distances=in_packages(2, near=12, far=32),
    ),
    "epyc-nps4": Simulated(
        packages=2,
        nodes_per_package=4,
        cores_per_node=16,
        threads=2,
        l3_cores=8,
        huge_pages=((2048, 1024), (1048576, 4)),
        distances=in_packages(4, near=12, far=32),
    ),
    "xeon-snc4": Simulated(
        packages=2,
        nodes_per_package=4,
        cores_per_node=14,
        threads=2,
        l3_cores=4 * 14,
        distances=in_packages(4, near=12, far=21),
    ),
    "xeon-dies": Simulated(
        packages=2,
        nodes_per_package=2,
        cores_per_node=24,
        threads=2,
        l3_cores=24,
        dies_per_package=2,
        distances=in_packages(2, near=20, far=30),
    ),
    "graviton4": Simulated(
        packages=2,
        cores_per_node=96,
        memory_bytes=768 * GIB,
        distances=in_packages(1, near=10, far=100),
        architecture="aarch64",
    ),
    "kunpeng-clusters": Simulated(
        packages=2,
        nodes_per_package=2,
        cores_per_node=32,
        l3_cores=32,
        cluster_cores=4,
        package_ids=(36, 8442),
        distances=in_packages(2, near=16, far=33),
        architecture="aarch64",
    ),
    "cxl": Simulated(
        packages=2,
        cores_per_node=16,
        threads=2,
        l3_cores=16,
        memory_only=(512 * GIB,),
        distances=beside(2, local=14, remote=24, across=21),
    ),
    "xeon-max-hbm": Simulated(
        packages=1,
        nodes_per_package=4,
        cores_per_node=14,
        threads=2,
        l3_cores=4 * 14,
        memory_only=(16 * GIB,) * 4,
        distances=beside(4, local=13, remote=23, across=12),
    ),
    "s390x-drawers": Simulated(
        packages=8,
        cores_per_node=4,
        threads=2,
        numbering="adjacent",
        packages_per_book=2,
        books_per_drawer=2,
        package_ids=(-1,) * 8,
        numa=False,
        huge_pages=((1024, 256),),
        architecture="s390x",
    ),
    "hybrid": Simulated(
        packages=1,
        cores_per_node=8,
        threads=2,
        numbering="adjacent",
        efficiency_cores=8,
        l3_cores=16,
    ),
}
