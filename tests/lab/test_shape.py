"""The node's machine as QEMU is told it."""

from dataclasses import replace
from pathlib import Path

import pytest

from lab.node import command_line
from lab.shape import SHAPES, TWO_NODES, Shape, arguments


def after(words: list[str], option: str) -> list[str]:
    return [words[place + 1] for place, word in enumerate(words) if word == option]


def test_two_nodes_of_two_cores_with_two_threads() -> None:
    assert " ".join(arguments(TWO_NODES)) == (
        "-machine q35 -accel tcg,thread=multi -cpu max,topoext=on"
        " -smp 8,sockets=2,dies=1,cores=2,threads=2 -m 3072M"
        " -object memory-backend-ram,id=ram0,size=1536M -numa node,nodeid=0,cpus=0-3,memdev=ram0"
        " -object memory-backend-ram,id=ram1,size=1536M -numa node,nodeid=1,cpus=4-7,memdev=ram1"
        " -numa dist,src=0,dst=1,val=20"
    )


def of_nodes(shape: Shape) -> list[dict[str, str]]:
    numa = [one for one in after(arguments(shape), "-numa") if one.startswith("node,")]
    return [dict(part.split("=") for part in one.split(",")[1:]) for one in numa]


def distances(shape: Shape) -> dict[tuple[int, int], int]:
    numa = [one for one in after(arguments(shape), "-numa") if one.startswith("dist,")]
    told = [[int(part.split("=")[1]) for part in one.split(",")[1:]] for one in numa]
    found = {(source, target): value for source, target, value in told}
    assert len(found) == len(told), "each pair once"
    return found


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("threads", [1, 2])
def test_every_cpu_and_all_memory_belong_to_one_node(shape: Shape, threads: int) -> None:
    shape = replace(shape, threads_per_core=threads)
    words = arguments(shape)

    ranges = [node["cpus"].split("-") for node in of_nodes(shape) if "cpus" in node]

    owned = [cpu for first, last in ranges for cpu in range(int(first), int(last) + 1)]
    assert owned == list(range(shape.cpus))
    assert after(words, "-m") == [f"{len(shape.nodes) * shape.memory_mib_per_node}M"]
    assert len(after(words, "-object")) == len(of_nodes(shape)) == len(shape.nodes)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_no_node_is_of_two_packages_and_every_pair_has_a_distance(shape: Shape) -> None:
    assert sum(shape.nodes) == shape.packages * shape.dies_per_package
    first = 0
    for dies in shape.nodes:
        last = first + max(dies, 1) - 1
        assert not dies or first // shape.dies_per_package == last // shape.dies_per_package
        first += dies
    assert len(distances(shape)) == len(shape.nodes) * (len(shape.nodes) - 1) // 2


def test_memory_alone_is_nearer_to_one_package_than_to_the_other() -> None:
    shape = SHAPES["memory-only"]

    assert [node.get("cpus") for node in of_nodes(shape)] == ["0-1", "2-3", "4-7", None]
    assert distances(shape) == {
        (0, 1): 12,
        (0, 2): 20,
        (1, 2): 20,
        (0, 3): 14,
        (1, 3): 14,
        (2, 3): 24,
    }


@pytest.mark.parametrize("name", SHAPES)
def test_every_node_with_cpus_has_a_core_for_a_set_beside_the_one_that_stays_shared(
    name: str,
) -> None:
    shape = SHAPES[name]

    assert all(dies * shape.cores_per_die > 1 for dies in shape.nodes if dies)


def test_small_nodes_of_one_package_are_near() -> None:
    found = distances(SHAPES["eight"])

    assert (found[0, 3], found[0, 4], found[4, 7]) == (12, 20, 12)


def test_one_node_has_no_distance() -> None:
    assert distances(SHAPES["one"]) == {}


def test_the_command_line_boots_the_built_kernel_and_ends_on_a_panic() -> None:
    disks = ["-drive", "file=/state/node.qcow2"]

    words = command_line(Path("/image"), TWO_NODES, disks, Path("/state/console.log"))

    line = " ".join(words)
    assert line.startswith(f"qemu-system-x86_64 {' '.join(arguments(TWO_NODES))} -nodefaults ")
    assert "-kernel /image/vmlinuz -initrd /image/initrd" in line
    assert "-serial file:/state/console.log" in line
    assert "-drive file=/state/node.qcow2" in line
    assert "-netdev tap,id=net0,ifname=nltap0,script=no,downscript=no" in line
    assert "-no-reboot" in words
    assert "panic=-1" in after(words, "-append")[0].split()
