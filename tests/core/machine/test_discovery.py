"""Discovery, judged by machines laid out as files."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.errors import MachineUnreadable
from numalocal.idset import IdSet
from numalocal.machine.discovery import discover
from numalocal.machine.sysfs import Sysfs
from numalocal.machine.topology import document

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


def take_offline(root: Path, number: int, *, node: int, sibling: int, online: str) -> None:
    """Do what the kernel does: the CPU's topology goes, its link to the node stays."""
    cpus = root / "sys/devices/system/cpu"
    shutil.rmtree(cpus / f"cpu{number}" / "topology")
    (root / f"sys/devices/system/node/node{node}/cpu{number}").mkdir()
    there = [one for one in (number - 2, number, number + 2) if one == sibling and one != number]
    files = {
        "sys/devices/system/cpu/online": online,
        f"sys/devices/system/node/node{node}/cpulist": ",".join(map(str, there)),
    }
    if there:
        files[f"sys/devices/system/cpu/cpu{sibling}/topology/thread_siblings_list"] = str(sibling)
    write(root, files)


def test_cores_are_keyed_by_package_and_core(tmp_path: Path) -> None:
    machine = discover(two_nodes(tmp_path))

    assert [
        (core.package, core.core, str(core.cpus), core.numa_node) for core in machine.cores
    ] == [(0, 0, "0,2", 0), (1, 0, "1,3", 1)]


def test_nodes_carry_memory_and_distances_by_id(tmp_path: Path) -> None:
    machine = discover(two_nodes(tmp_path))

    assert [one.memory_bytes for one in machine.nodes] == [1000 * KIB, 2000 * KIB]
    assert machine.node(1).distances == {0: 21, 1: 10}


def test_an_offline_sibling_stays_with_its_core(tmp_path: Path) -> None:
    sysfs = two_nodes(tmp_path)
    take_offline(tmp_path, 3, node=1, sibling=1, online="0-2")

    machine = discover(sysfs)

    assert [str(core.cpus) for core in machine.cores] == ["0,2", "1,3"]
    assert (str(machine.online), str(machine.offline)) == ("0-2", "3")
    assert IdSet.parse("1") == machine.node(1).cpus
    assert machine.findings == ()


def test_siblings_that_are_offline_as_smt_is_off_are_left_out(tmp_path: Path) -> None:
    sysfs = two_nodes(tmp_path)
    write(tmp_path, {"sys/devices/system/cpu/smt/control": "off"})
    take_offline(tmp_path, 2, node=0, sibling=0, online="0-1,3")
    take_offline(tmp_path, 3, node=1, sibling=1, online="0-1")

    machine = discover(sysfs)

    assert [str(core.cpus) for core in machine.cores] == ["0", "1"]
    assert str(machine.offline) == "2-3"


def test_a_whole_core_that_is_offline_is_still_a_core_of_its_node(tmp_path: Path) -> None:
    sysfs = two_nodes(tmp_path)
    write(tmp_path, {"sys/devices/system/cpu/smt/control": "on"})
    take_offline(tmp_path, 1, node=1, sibling=3, online="0,2-3")
    take_offline(tmp_path, 3, node=1, sibling=3, online="0,2")

    machine = discover(sysfs)

    assert [(str(core.cpus), core.numa_node) for core in machine.cores] == [("0,2", 0), ("1,3", 1)]
    assert [core["cpus"] for core in document(machine)["cores"]] == ["0,2"]  # type: ignore[attr-defined]


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
    with pytest.raises(MachineUnreadable, match=r"holds no online CPU: is .* the root"):
        discover(Sysfs(tmp_path))


def test_a_malformed_list_is_a_finding_with_its_path(tmp_path: Path) -> None:
    sysfs = two_nodes(tmp_path)
    write(tmp_path, {"sys/devices/system/node/node1/cpulist": "1,x"})

    machine = discover(sysfs)

    assert [one.path for one in machine.findings] == [
        "/sys/devices/system/node/node1/cpulist",
        "/sys/devices/system/node/node1/cpulist",
        "/sys/devices/system/node",
    ]
    assert "'x' is neither an id nor a range such as 0-3; taken as missing" in str(
        machine.findings[0]
    )


def test_siblings_that_contradict_each_other_make_one_core(tmp_path: Path) -> None:
    sysfs = two_nodes(tmp_path)
    write(tmp_path, cpu(2, package=0, core=0, siblings="2"))

    machine = discover(sysfs)

    assert [str(core.cpus) for core in machine.cores] == ["0,2", "1,3"]
    assert [str(one) for one in machine.findings] == [
        "/sys/devices/system/cpu/cpu0/topology/thread_siblings_list: says 0,2, its siblings say "
        "otherwise; taken for one core"
    ]


def test_a_core_in_two_nodes_belongs_to_none_alone(tmp_path: Path) -> None:
    sysfs = two_nodes(tmp_path)
    write(tmp_path, node(1, cpus="1-3", distance="21 10", kib=2000))

    machine = discover(sysfs)

    assert [list(core.numa_nodes) for core in machine.cores] == [[0, 1], [1]]
    assert machine.cores[0].numa_node is None
    assert "names CPUs 2 of other nodes too; they stay shared" in str(machine.findings[0])


def test_a_list_and_a_mask_that_differ_are_a_finding(tmp_path: Path) -> None:
    sysfs = two_nodes(tmp_path)
    write(tmp_path, {"sys/devices/system/node/node0/cpumap": "00000001"})

    machine = discover(sysfs)

    assert str(machine.node(0).cpus) == "0,2"
    assert [one.message for one in machine.findings] == [
        "says 0,2, cpumap beside it 0; the list counts"
    ]


def test_what_a_process_may_use_is_what_its_status_says(tmp_path: Path) -> None:
    sysfs = two_nodes(tmp_path)
    status = "Name:\tx\nCpus_allowed_list:\t1-7\nMems_allowed_list:\t1"
    write(tmp_path, {"proc/self/status": status})

    machine = discover(sysfs)

    assert (str(machine.allowed), str(machine.allowed_nodes)) == ("1-3", "1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1-2\n", "1-2"), ("", ""), ("2-900", "2-3"), (" (null)", ""), ("x", "")],
)
def test_cpus_that_the_kernel_keeps_its_work_off_are_told(
    tmp_path: Path, text: str, expected: str
) -> None:
    sysfs = two_nodes(tmp_path)
    cpus = "sys/devices/system/cpu"
    write(tmp_path, {f"{cpus}/isolated": text, f"{cpus}/nohz_full": text})

    machine = discover(sysfs)

    assert (str(machine.isolated), str(machine.nohz_full)) == (expected, expected)
    assert len(machine.findings) == (2 if text == "x" else 0)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({"proc/sys/kernel/arch": "ppc64le"}, "ppc64le", id="the kernel says it"),
        pytest.param({"proc/cpuinfo": "flags\t\t: fpu lm sse"}, "x86_64", id="x86"),
        pytest.param({"proc/cpuinfo": "CPU architecture: 8"}, "aarch64", id="ARM"),
        pytest.param({"proc/cpuinfo": "cpu\t\t: POWER9, altivec"}, "ppc64", id="POWER"),
        pytest.param({"proc/cpuinfo": "vendor_id       : IBM/S390"}, "s390x", id="Z"),
        pytest.param({"proc/cpuinfo": "isa\t: rv64imafdc"}, "riscv64", id="RISC-V"),
        pytest.param({}, "", id="nothing tells"),
    ],
)
def test_the_architecture_is_told_by_files(
    tmp_path: Path, files: dict[str, str], expected: str
) -> None:
    assert discover(
        write(tmp_path, {"sys/devices/system/cpu/online": "0"} | files)
    ).architecture == (expected)


@given(data=st.data())
def test_whatever_a_file_says_discovery_does_not_fail(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("machine")
    sysfs = two_nodes(root)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    spoilt = data.draw(st.lists(st.sampled_from(files), min_size=1, max_size=4, unique=True))
    for path in spoilt:
        path.write_bytes(
            data.draw(st.binary(max_size=12) | st.sampled_from([b"0-9", b"-1", b"3,1"]))
        )

    try:
        machine = discover(sysfs)
    except MachineUnreadable:
        return  # no online CPU was left

    assert machine.online
    assert IdSet.of(cpu for core in machine.cores for cpu in core.cpus) >= machine.online


def test_this_machine_is_discovered_as_its_kernel_says() -> None:
    machine = discover(Sysfs())

    assert IdSet.parse(Path("/sys/devices/system/cpu/online").read_text()) == machine.online
    assert machine.online == IdSet.of(cpu for core in machine.cores for cpu in core.cpus)


@pytest.mark.parametrize(
    ("changes", "cores"),
    [
        pytest.param({0: "0,1", 1: None}, ["0-1", "2", "3"], id="a sibling says nothing"),
        pytest.param({0: "1", 1: None}, ["0-1", "2", "3"], id="one names the other alone"),
        pytest.param(
            {0: "9", 1: "1"}, ["0", "1", "2", "3"], id="one names a CPU that is not there"
        ),
        pytest.param({0: "0-1", 1: "1-2", 2: "2-3"}, ["0-3"], id="a chain"),
    ],
)
def test_every_cpu_is_in_one_core(
    tmp_path: Path, changes: dict[int, str | None], cores: list[str]
) -> None:
    lists = {0: "0", 1: "1", 2: "2", 3: "3"} | changes
    files = {"sys/devices/system/cpu/online": "0-3"}
    for number, text in lists.items():
        topology = f"sys/devices/system/cpu/cpu{number}/topology"
        files |= {} if text is None else {f"{topology}/thread_siblings_list": text}
        files[f"{topology}/core_id"] = str(number)

    machine = discover(write(tmp_path, files))

    assert [str(core.cpus) for core in machine.cores] == cores
    assert machine.findings


def test_packages_without_ids_that_overlap_are_not_told(tmp_path: Path) -> None:
    files = {"sys/devices/system/cpu/online": "0-2"}
    for number, text in enumerate(["0-1", "1-2", "9"]):
        topology = f"sys/devices/system/cpu/cpu{number}/topology"
        files |= {
            f"{topology}/thread_siblings_list": str(number),
            f"{topology}/core_siblings_list": text,
        }

    machine = discover(write(tmp_path, files))

    assert machine.packages == ()
    assert "contradict each other's" in str(machine.findings)


def test_an_architecture_that_is_no_name_is_a_finding(tmp_path: Path) -> None:
    sysfs = two_nodes(tmp_path)
    write(tmp_path, {"proc/sys/kernel/arch": "x\x1b[2J"})

    machine = discover(sysfs)

    assert machine.architecture == ""
    assert [one.path for one in machine.findings] == ["/proc/sys/kernel/arch"]
