"""The node's machine as QEMU is told it."""

from pathlib import Path

import pytest

from lab.node import command_line
from lab.shape import TWO_NODES, Shape, arguments


def after(words: list[str], option: str) -> list[str]:
    return [words[place + 1] for place, word in enumerate(words) if word == option]


def test_two_nodes_of_two_cores_with_two_threads() -> None:
    assert " ".join(arguments(TWO_NODES)) == (
        "-machine q35 -accel tcg,thread=multi -cpu max,topoext=on"
        " -smp 8,sockets=2,cores=2,threads=2 -m 3072M"
        " -object memory-backend-ram,id=ram0,size=1536M -numa node,nodeid=0,cpus=0-3,memdev=ram0"
        " -object memory-backend-ram,id=ram1,size=1536M -numa node,nodeid=1,cpus=4-7,memdev=ram1"
        " -numa dist,src=0,dst=1,val=20"
    )


@pytest.mark.parametrize("nodes", [1, 2, 4])
@pytest.mark.parametrize("threads", [1, 2])
def test_every_cpu_and_all_memory_belong_to_one_node(nodes: int, threads: int) -> None:
    shape = Shape(nodes=nodes, cores_per_node=3, threads_per_core=threads, memory_mib_per_node=512)
    words = arguments(shape)

    ranges = [
        dict(part.split("=") for part in one.split(",")[1:])["cpus"].split("-")
        for one in after(words, "-numa")
        if one.startswith("node,")
    ]

    owned = [cpu for first, last in ranges for cpu in range(int(first), int(last) + 1)]
    assert owned == list(range(shape.cpus))
    assert after(words, "-m") == [f"{nodes * 512}M"]
    assert len(after(words, "-object")) == nodes


def test_every_pair_of_nodes_has_a_distance_once() -> None:
    distances = [one for one in after(arguments(Shape(nodes=4)), "-numa") if "dist" in one]

    pairs = [tuple(one.split(",")[1:3]) for one in distances]

    assert len(pairs) == len(set(pairs)) == 6
    assert ("src=0", "dst=3") in pairs


def test_one_node_has_no_distance() -> None:
    assert not [one for one in after(arguments(Shape(nodes=1)), "-numa") if "dist" in one]


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
