from pathlib import Path

import pytest

from numalocal.idset import IdSet
from numalocal.machine.discovery import discover
from numalocal.machine.sysfs import Sysfs
from numalocal.sets.pools import Pool
from numalocal_deviceplugin.node.hotplug import MachineWatch, joined, start
from numalocal_deviceplugin.refusals import Reason, Refusal
from numalocal_deviceplugin.state import State

from ..nodes import N0, N1, make_machine, write_sysfs

CPU, NODE = "sys/devices/system/cpu", "sys/devices/system/node"


class Host:
    """A machine of files with a state and a watch over it."""

    def __init__(self, root: Path, pools: tuple[Pool, ...] | None = ()) -> None:
        self.root = root
        began = start(Sysfs(root), pools)
        self.state = State(began.machine, began.partition)
        self.watch = MachineWatch(Sysfs(root), root / "sys/fs/cgroup", self.state, began)
        self.watch.look()

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def online(self, cpus: str) -> None:
        """Let these CPUs be online, as the kernel shows it: the others are in no node."""
        self.write(f"{CPU}/online", f"{cpus}\n")
        for node in make_machine().nodes:
            left = node.cpus & IdSet.parse(cpus)
            self.write(f"{NODE}/node{node.id}/cpulist", f"{left}\n")

    def memory(self, node: int, kib: int) -> None:
        self.write(f"{NODE}/node{node}/meminfo", f"Node {node} MemTotal: {kib} kB\n")

    @property
    def refusals(self) -> list[Refusal]:
        away = (Reason.POLICY_UNKNOWN, Reason.RUNTIME_AWAY)
        return [one for one in self.state.snapshot().refusals if one.reason not in away]

    @property
    def reasons(self) -> list[Reason]:
        return [one.reason for one in self.refusals]

    @property
    def sets(self) -> dict[str, tuple[str, int]]:
        sets = self.state.snapshot().node.partition.sets
        return {one.id: (str(one.cpus), one.memory_bytes) for one in sets}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_sysfs(tmp_path, make_machine())
    return tmp_path


@pytest.fixture
def host(root: Path) -> Host:
    return Host(root)


def test_a_machine_that_stays_as_it_is_changes_nothing(host: Host) -> None:
    version = host.state.version
    for _ in range(3):
        host.watch.look()

    assert host.state.version == version
    assert host.reasons == []


def test_cpus_that_go_and_come_are_taken_in_and_no_set_is_renamed(host: Host) -> None:
    host.online("0-1,3-7")
    host.watch.look()
    assert host.sets == {N0: ("3", 4 << 30), N1: ("6-7", 4 << 30)}

    host.online("0-1,4-7")
    host.watch.look()
    assert host.reasons == [Reason.SET_OFFLINE]

    host.online("0-7")
    host.watch.look()
    assert host.sets == {N0: ("2-3", 4 << 30), N1: ("6-7", 4 << 30)}
    assert host.reasons == []


def test_cpus_that_were_offline_at_the_start_are_taken_in(root: Path) -> None:
    (root / CPU / "online").write_text("0-3\n")
    (root / NODE / "node1/cpulist").write_text("\n")
    host = Host(root)
    assert str(host.state.snapshot().node.machine.online) == "0-3"

    host.online("0-7")
    host.watch.look()

    assert host.sets[N1][0] == "6-7"
    assert host.reasons == []


@pytest.mark.parametrize(("kib", "set_bytes"), [(16 << 20, 8 << 30), (2 << 20, 1 << 30)])
def test_memory_that_comes_and_goes_is_taken_in(host: Host, kib: int, set_bytes: int) -> None:
    host.memory(1, kib)
    host.watch.look()

    assert host.sets == {N0: ("2-3", 4 << 30), N1: ("6-7", set_bytes)}


def test_huge_pages_are_set_aside(host: Host) -> None:
    host.write(f"{NODE}/node0/hugepages/hugepages-1048576kB/nr_hugepages", "4\n")
    host.write("proc/meminfo", "MemTotal: 16777216 kB\nHugetlb: 4194304 kB\n")
    host.watch.look()

    assert host.sets[N0] == ("2-3", 2 << 30)


def test_memory_changes_while_cpus_are_offline_and_both_count(host: Host) -> None:
    host.online("0-1,3-7")
    host.watch.look()
    host.memory(0, 16 << 20)
    host.watch.look()
    assert host.sets == {N0: ("3", 8 << 30), N1: ("6-7", 4 << 30)}

    host.online("0-7")
    host.watch.look()
    assert host.sets == {N0: ("2-3", 8 << 30), N1: ("6-7", 4 << 30)}


def test_a_node_of_memory_alone_may_come(host: Host) -> None:
    host.write(f"{NODE}/node2/cpulist", "\n")
    host.write(f"{NODE}/node2/distance", "20 20 10\n")
    host.memory(2, 1 << 20)
    host.watch.look()

    assert [node.id for node in host.state.snapshot().node.machine.nodes] == [0, 1, 2]
    assert {*host.sets} == {N0, N1}


def test_what_is_known_of_offline_cpus_is_kept() -> None:
    before = make_machine()._replace(l3=(IdSet.parse("0-3"), IdSet.parse("4-7")))
    after = make_machine().with_online(IdSet.parse("0-5"))._replace(l3=(IdSet.parse("0-3"),))

    kept = joined(before, after)

    assert kept.l3 == before.l3
    assert str(kept.online) == "0-5"
    assert joined(kept, before) is before


def test_a_machine_that_cannot_be_read_is_refused_and_the_old_one_counts(host: Host) -> None:
    before = host.sets
    host.write(f"{CPU}/online", "nonsense\n")
    for directory in (host.root / CPU).glob("cpu[0-9]*"):
        directory.rename(directory.with_name(f"gone{directory.name}"))
    host.watch.look()

    assert host.reasons == [Reason.MACHINE_UNREADABLE]
    assert "holds no online CPU" in host.refusals[0].message
    assert host.sets == before

    for directory in (host.root / CPU).glob("gonecpu*"):
        directory.rename(directory.with_name(directory.name.removeprefix("gone")))
    host.online("0-7")
    host.watch.look()
    assert host.reasons == []


def test_a_machine_that_cannot_be_read_at_the_start_is_waited_for(tmp_path: Path) -> None:
    host = Host(tmp_path)
    assert host.reasons == [Reason.MACHINE_UNREADABLE]
    assert host.state.snapshot().node.others == IdSet()

    write_sysfs(tmp_path, make_machine())
    host.watch.look()

    assert host.reasons == []
    assert str(host.state.snapshot().node.machine.online) == "0-7"
    assert host.sets == {}


def test_a_pool_that_the_machine_cannot_give_is_refused_until_it_can(root: Path) -> None:
    host = Host(root, (Pool(name="cpuset"), Pool(name="large", memory_bytes=6 << 30, size=1)))
    assert host.reasons == [Reason.POOL_UNMET]
    assert "pool large: " in host.refusals[0].message
    assert host.sets == {}
    assert str(host.state.snapshot().node.others) == "0-7"

    host.watch.look()
    assert host.reasons == [Reason.POOL_UNMET]


def test_memory_that_a_pool_was_promised_and_that_goes_is_refused_until_it_is_back(
    root: Path,
) -> None:
    host = Host(root, (Pool(name="cpuset", memory_bytes=6 << 30),))
    before = host.sets
    host.memory(0, 4 << 20)
    host.online("0-6")
    host.watch.look()

    assert host.reasons[0] is Reason.POOL_UNMET
    assert {*host.sets} == {*before}
    assert str(host.state.snapshot().node.machine.online) == "0-6"

    host.memory(0, 8 << 20)
    host.online("0-7")
    host.watch.look()
    assert host.reasons == []
    assert host.sets == before


def test_without_pools_nothing_is_cut_and_all_cpus_are_everybodys(root: Path) -> None:
    host = Host(root, None)

    assert host.sets == {}
    assert str(host.state.snapshot().node.others) == "0-7"


def test_a_cgroup_tree_of_version_1_is_refused(root: Path) -> None:
    (root / "sys/fs/cgroup/cpuset").mkdir(parents=True)
    host = Host(root)

    assert host.reasons == [Reason.CGROUP_V1]
    assert host.state.snapshot().node.barred is not None


def test_the_agents_own_cpuset_is_no_limit_of_the_node(root: Path) -> None:
    status = root / "proc/self/status"
    status.parent.mkdir(parents=True)
    status.write_text("Cpus_allowed_list:\t0-1\nMems_allowed_list:\t0\n", encoding="utf-8")
    assert str(discover(Sysfs(root)).allowed) == "0-1"

    assert {*Host(root).sets} == {N0, N1}
