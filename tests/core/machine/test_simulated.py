"""Discovery, judged by simulated machines: large, young and rare ones, and CPUs that go offline."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from numalocal.idset import IdSet
from numalocal.machine.discovery import discover
from numalocal.machine.model import Machine
from numalocal.machine.sysfs import CPU, Sysfs
from numalocal.machine.topology import document
from simulated import MACHINES, Simulated, truth, write, written

OFFLINE: dict[str, Callable[[Simulated], set[int]]] = {
    "a CPU": lambda machine: {machine.cpus[1]},
    "siblings": lambda machine: {core.cpus[-1] for core in machine.cores[1::5]},
    "a core": lambda machine: set(machine.cores[-1].cpus),
}
"""What is offline, by name."""

SMALL = {
    "power9-smt8": replace(MACHINES["power9-smt8"], cores_per_node=4),
    "kunpeng-clusters": replace(MACHINES["kunpeng-clusters"], cores_per_node=8, l3_cores=8),
    "cxl": replace(MACHINES["cxl"], cores_per_node=4, l3_cores=4),
    "xeon-max-hbm": replace(MACHINES["xeon-max-hbm"], cores_per_node=4, l3_cores=16),
    "s390x-drawers": MACHINES["s390x-drawers"],
    "hybrid": MACHINES["hybrid"],
}
"""With fewer cores, as each of these is written several times."""
SMT = [name for name in SMALL if SMALL[name].threads > 1 and name != "hybrid"]


def without(name: str, offline: str) -> Simulated:
    machine = SMALL[name]
    return replace(machine, offline=frozenset(OFFLINE[offline](machine)))


@cache
def discovered(machine: Simulated) -> Machine:
    return discover(Sysfs(written(machine)))


@pytest.mark.parametrize("field", truth(MACHINES["hybrid"]))
@pytest.mark.parametrize("name", MACHINES)
def test_discovery_agrees_with_the_spec(name: str, field: str) -> None:
    assert document(discovered(MACHINES[name]))[field] == truth(MACHINES[name])[field]


@pytest.mark.parametrize("name", MACHINES)
def test_nothing_is_found_on_a_consistent_machine(name: str) -> None:
    assert discovered(MACHINES[name]).findings == ()


def test_huge_pages_are_counted_where_they_are() -> None:
    sizes = {
        name: [node.huge_page_bytes for node in discovered(MACHINES[name]).nodes]
        for name in ("power9-smt8", "cxl", "s390x-drawers")
    }

    gib, mib = 1 << 30, 1 << 20
    assert sizes == {
        "power9-smt8": [3 * gib, 3 * gib],
        "cxl": [0, 0, 0],
        "s390x-drawers": [8 * 256 * mib],
    }


@pytest.mark.parametrize("offline", ["a CPU", "siblings", "a core"])
@pytest.mark.parametrize("name", SMALL)
def test_what_is_offline_is_left_out(name: str, offline: str) -> None:
    shown = dict(document(discovered(without(name, offline))))
    del shown["findings"]

    assert shown == truth(without(name, offline))


@pytest.mark.parametrize("offline", ["a CPU", "siblings", "a core"])
@pytest.mark.parametrize("name", SMALL)
def test_a_core_keeps_its_cpus_and_node_while_they_are_offline(name: str, offline: str) -> None:
    found = discovered(without(name, offline))

    nodes = {core.cpus: core.numa_nodes for core in discovered(SMALL[name]).cores}
    assert {core.cpus: core.numa_nodes for core in found.cores} == nodes
    assert found.findings == ()


@pytest.mark.parametrize("offline", ["a CPU", "siblings"])
@pytest.mark.parametrize("name", SMT)
def test_a_core_keeps_its_ids_while_one_of_its_cpus_is_online(name: str, offline: str) -> None:
    found = [(core.package, core.core) for core in discovered(without(name, offline)).cores]

    assert found == [(core.package, core.core) for core in discovered(SMALL[name]).cores]


@pytest.mark.parametrize("name", SMT)
def test_with_smt_switched_off_every_core_is_one_cpu(tmp_path: Path, name: str) -> None:
    siblings = {cpu for core in SMALL[name].cores for cpu in core.cpus[1:]}
    machine = replace(SMALL[name], offline=frozenset(siblings))
    write(tmp_path, machine)
    put(tmp_path, f"{CPU}/smt/control", "off")

    found = discover(Sysfs(tmp_path))

    assert [core.cpus for core in found.cores] == [IdSet.of([cpu]) for cpu in machine.online]
    assert document(found) == truth(machine) | {"findings": []}


@pytest.mark.parametrize("control", ["4", "notimplemented"])
def test_cores_of_power_in_a_lower_smt_mode_are_no_more_than_there_are(
    tmp_path: Path, control: str
) -> None:
    """`ppc64_cpu --smt=4` takes half of each core offline; kernels since 6.6 tell the mode."""
    whole = SMALL["power9-smt8"]
    offline = frozenset(cpu for core in whole.cores for cpu in core.cpus[4:])
    write(tmp_path, replace(whole, offline=offline))
    put(tmp_path, f"{CPU}/smt/control", control)

    found = discover(Sysfs(tmp_path))

    assert [core.cpus & found.online for core in found.cores] == [
        IdSet.of(core.cpus[:4]) for core in whole.cores
    ]


def test_a_confined_process_may_use_less_than_there_is(tmp_path: Path) -> None:
    write(tmp_path, SMALL["cxl"])
    status = "Cpus_allowed_list:\t0-3,8-11\nMems_allowed_list:\t0,2"
    put(tmp_path, "proc/self/status", status)

    shown = document(discover(Sysfs(tmp_path)))

    confined = {"allowed_cpus": "0-3,8-11", "allowed_nodes": "0,2", "findings": []}
    assert shown == truth(SMALL["cxl"]) | confined


def put(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(exist_ok=True)
    (root / path).write_text(f"{text}\n", encoding="ascii")
