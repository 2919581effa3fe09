"""NUMA nodes and their memory."""

from pathlib import Path

import pytest

from laid_out import GIB_KB, NODE, Files, far, lay_out, machine, single
from numalocal.machine.discovery import discover
from numalocal.machine.model import Machine
from numalocal.machine.sysfs import Sysfs

GIB = 1 << 30
TWO = machine(far(4), nodes={0: [0, 1], 1: [2, 3]})


def discovered(root: Path, files: Files) -> Machine:
    return discover(Sysfs(lay_out(root, files)))


def node_file(node: int, name: str, text: str) -> Files:
    return {f"{NODE}/node{node}/{name}": text}


def total(gib: float) -> Files:
    return {"proc/meminfo": f"MemTotal: {int(gib * GIB_KB)} kB"}


def without_nodes(files: Files) -> Files:
    return {path: text for path, text in files.items() if not path.startswith(NODE)}


def test_one_node_has_what_the_machine_has(tmp_path: Path) -> None:
    """A virtual machine that grew by memory of no node."""
    found = discovered(tmp_path, machine(single(2), memory_gib={0: 4}) | total(23.5))

    assert found.nodes[0].memory_bytes == int(23.5 * GIB)
    assert [str(one) for one in found.findings] == [
        f"/{NODE}/node0/meminfo: MemTotal is 4194304 kB in all nodes, "
        "/proc/meminfo has 24641536 kB; that counts"
    ]


def test_one_node_keeps_what_is_nearly_the_machines(tmp_path: Path) -> None:
    found = discovered(tmp_path, machine(single(2)) | total(63))

    assert (found.nodes[0].memory_bytes, found.findings) == (64 * GIB, ())


def test_several_nodes_that_are_far_from_the_machine_are_a_finding(tmp_path: Path) -> None:
    found = discovered(tmp_path, TWO | total(64))

    assert [one.memory_bytes for one in found.nodes] == [64 * GIB, 64 * GIB]
    assert "has 67108864 kB; the nodes' count" in found.findings[0].message


def test_huge_pages_beyond_the_memory_are_a_finding(tmp_path: Path) -> None:
    pages = node_file(0, "hugepages/hugepages-1048576kB/nr_hugepages", "65")

    found = discovered(tmp_path, TWO | pages)

    assert found.nodes[0].usable_memory_bytes == 0
    assert "are 68157440 kB of 67108864 kB" in found.findings[0].message


def test_a_kernel_without_numa_has_one_node(tmp_path: Path) -> None:
    found = discovered(tmp_path, without_nodes(TWO))

    assert [(one.id, str(one.cpus)) for one in found.nodes] == [(0, "0-7")]
    assert found.findings == ()


@pytest.mark.parametrize("what", ["empty", "a file", "a loop"])
def test_nodes_that_cannot_be_read_are_not_one_node(tmp_path: Path, what: str) -> None:
    lay_out(tmp_path, without_nodes(TWO))
    match what:
        case "empty":
            (tmp_path / NODE).mkdir()
        case "a file":
            (tmp_path / NODE).write_text("")
        case _:
            (tmp_path / NODE).symlink_to("node")

    found = discover(Sysfs(tmp_path))

    assert found.nodes == ()
    assert {core.numa_node for core in found.cores} == {None}
    assert f"/{NODE}" in {one.path for one in found.findings}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10 -20", "is not one number for each of 2 nodes"),
        ("10", "is not one number for each of 2 nodes"),
        ("10 " + "2" * 5000, "is not one number for each of 2 nodes"),
        ("10 ²", "is not one number for each of 2 nodes"),
        ("20 10", "puts another node nearer to node 0 than itself"),
    ],
)
def test_distances_that_cannot_be_are_a_finding(tmp_path: Path, text: str, message: str) -> None:
    found = discovered(tmp_path, TWO | node_file(0, "distance", text))

    assert [one.path for one in found.findings] == [f"/{NODE}/node0/distance"]
    assert message in found.findings[0].message
    assert len(found.findings[0].message) < 200


MEMORY_ALONE = machine(single(4), nodes={0: [0, 1], 1: [2, 3], 2: []}, memory_gib={0: 64, 1: 0})
"""Node 1 has CPUs and no memory, node 2 memory and no CPU."""
NORMAL = f"{NODE}/has_normal_memory"
GPU = "proc/driver/nvidia/gpus/0009:01:00.0/numa_status"


@pytest.mark.parametrize(
    ("files", "lending"),
    [
        pytest.param({NORMAL: "0,2"}, [0, 2], id="the kernel keeps its own there"),
        pytest.param({NORMAL: "0"}, [0], id="a driver brought it"),
        pytest.param({NORMAL: "0,2", GPU: "Node: 2\nStatus: online"}, [0], id="it is a GPU's"),
        pytest.param({NORMAL: "0,2", GPU: "Node: -1"}, [0, 2], id="a GPU has none"),
        pytest.param({NORMAL: "0,2", GPU: "Node: " + "2" * 5000}, [0, 2], id="nonsense"),
        pytest.param({}, [0], id="not told, and others have memory"),
        pytest.param(
            node_file(0, "meminfo", "Node 0 MemTotal: 0 kB"), [2], id="not told, and none other has"
        ),
    ],
)
def test_memory_of_a_device_is_not_lent(tmp_path: Path, files: Files, lending: list[int]) -> None:
    found = discovered(tmp_path, MEMORY_ALONE | files)

    assert [one.id for one in found.nodes if one.lends_memory] == lending


KMEM = "sys/bus/dax/drivers/kmem"


@pytest.mark.parametrize(
    ("files", "asked", "lent"),
    [
        pytest.param({NORMAL: "0", f"{KMEM}/dax0.0/target_node": "2"}, [0, 2], [0], id="CXL"),
        pytest.param({f"{KMEM}/dax0.0/target_node": "2"}, [0, 2], [0], id="an older kernel"),
        pytest.param({NORMAL: "0", f"{KMEM}/dax0.0/target_node": "-1"}, [0], [0], id="no node"),
        pytest.param({NORMAL: "0", f"{KMEM}/dax0.0/target_node": "x"}, [0], [0], id="nonsense"),
        pytest.param({NORMAL: "0", f"{KMEM}/module/target_node": "2"}, [0], [0], id="no device"),
        pytest.param({NORMAL: "0,2", f"{KMEM}/dax0.0/target_node": "2"}, [0, 2], [0, 2], id="both"),
        pytest.param(
            {NORMAL: "0", f"{KMEM}/dax0.0/target_node": "2", GPU: "Node: 2"},
            [0],
            [0],
            id="a GPU's all the same",
        ),
    ],
)
def test_what_dax_made_memory_is_for_those_who_ask_for_it(
    tmp_path: Path, files: Files, asked: list[int], lent: list[int]
) -> None:
    found = discovered(tmp_path, MEMORY_ALONE | files)

    assert [one.id for one in found.nodes if one.lends_memory] == asked
    assert [one.id for one in found.nodes if one.suffices] == lent


def test_a_node_with_cpus_has_ordinary_memory(tmp_path: Path) -> None:
    found = discovered(tmp_path, TWO | {NORMAL: "0", GPU: "Node: 1"})

    assert [one.device_memory for one in found.nodes] == [False, False]
