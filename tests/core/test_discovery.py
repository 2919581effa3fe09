"""Discovery, judged by machines laid out as files."""

from pathlib import Path

import pytest

from numalocal.discovery import discover
from numalocal.errors import MachineUnreadable
from numalocal.idset import IdSet
from numalocal.sysfs import Sysfs

KIB = 1024


def write(root: Path, files: dict[str, str]) -> Sysfs:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="ascii")
    return Sysfs(root)


def cpu(number: int, *, package: int, core: int, siblings: str) -> dict[str, str]:
    topology = f"sys/devices/system/cpu/cpu{number}/topology"
    return {
        f"{topology}/physical_package_id": str(package),
        f"{topology}/core_id": str(core),
        f"{topology}/thread_siblings_list": siblings,
    }


def node(number: int, *, cpus: str, distance: str, kib: int) -> dict[str, str]:
    directory = f"sys/devices/system/node/node{number}"
    return {
        f"{directory}/cpulist": cpus,
        f"{directory}/distance": distance,
        f"{directory}/meminfo": f"Node {number} MemTotal:       {kib} kB",
    }


def two_nodes(root: Path) -> Sysfs:
    """Write two packages of one SMT core each; core ids repeat on both packages."""
    return write(
        root,
        {"sys/devices/system/cpu/online": "0-3"}
        | cpu(0, package=0, core=0, siblings="0,2")
        | cpu(1, package=1, core=0, siblings="1,3")
        | cpu(2, package=0, core=0, siblings="0,2")
        | cpu(3, package=1, core=0, siblings="1,3")
        | node(0, cpus="0,2", distance="10 21", kib=1000)
        | node(1, cpus="1,3", distance="21 10", kib=2000),
    )


def test_cores_are_keyed_by_package_and_core(tmp_path: Path) -> None:
    machine = discover(two_nodes(tmp_path))

    assert [
        (core.package, core.core, str(core.cpus), core.numa_node) for core in machine.cores
    ] == [(0, 0, "0,2", 0), (1, 0, "1,3", 1)]


def test_nodes_carry_memory_and_distances_by_id(tmp_path: Path) -> None:
    machine = discover(two_nodes(tmp_path))

    assert [one.memory_bytes for one in machine.nodes] == [1000 * KIB, 2000 * KIB]
    assert machine.node(1).distances == {0: 21, 1: 10}


def test_an_offline_sibling_is_not_part_of_its_core(tmp_path: Path) -> None:
    sysfs = two_nodes(tmp_path)
    write(tmp_path, {"sys/devices/system/cpu/online": "0-2"})

    machine = discover(sysfs)

    assert [str(core.cpus) for core in machine.cores] == ["0,2", "1"]
    assert IdSet.parse("1") == machine.node(1).cpus


def test_huge_pages_are_not_usable_memory(tmp_path: Path) -> None:
    sysfs = two_nodes(tmp_path)
    pages = "sys/devices/system/node/node0/hugepages/hugepages-2048kB"
    write(tmp_path, {f"{pages}/nr_hugepages": "0"})
    write(tmp_path, {f"{pages.replace('2048', '64')}/nr_hugepages": "3"})

    usable = discover(sysfs).node(0).usable_memory_bytes

    assert usable == (1000 - 3 * 64) * KIB


def test_a_kernel_without_numa_is_one_node(tmp_path: Path) -> None:
    sysfs = write(
        tmp_path,
        {
            "sys/devices/system/cpu/online": "0-1",
            "proc/meminfo": "MemTotal: 500 kB\nHugePages_Total: 1\nHugepagesize: 100 kB",
        },
    )

    machine = discover(sysfs)

    assert (
        machine.nodes[0].id,
        str(machine.nodes[0].cpus),
        machine.nodes[0].usable_memory_bytes,
    ) == (0, "0-1", 400 * KIB)
    assert [str(core.cpus) for core in machine.cores] == ["0", "1"]


def test_a_memory_only_node_has_no_cores(tmp_path: Path) -> None:
    two_nodes(tmp_path)
    sysfs = write(tmp_path, node(2, cpus="", distance="17 28 10", kib=4000))

    machine = discover(sysfs)

    assert machine.cores_of(2) == ()
    assert machine.node(2).memory_bytes == 4000 * KIB


def test_a_root_that_is_no_machine_is_refused_with_the_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MachineUnreadable, match=r"cpu/online is missing: is .* the root"):
        discover(Sysfs(tmp_path))


def test_a_malformed_list_is_refused_with_its_path(tmp_path: Path) -> None:
    sysfs = two_nodes(tmp_path)
    write(tmp_path, {"sys/devices/system/node/node1/cpulist": "1,x"})

    with pytest.raises(MachineUnreadable, match=r"node1/cpulist: list '1,x.*'x' is neither"):
        discover(sysfs)


def test_this_machine_is_discovered_as_its_kernel_says() -> None:
    machine = discover(Sysfs())

    assert IdSet.parse(Path("/sys/devices/system/cpu/online").read_text()) == machine.online
    assert machine.online == IdSet.of(cpu for core in machine.cores for cpu in core.cpus)
