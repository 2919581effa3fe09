"""Where offline CPUs belong."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laid_out import CPU, NODE, Files, far, lay_out, machine, near, single
from numalocal.idset import IdSet
from numalocal.machine.discovery import discover
from numalocal.machine.discovery.numbering import pairs
from numalocal.machine.model import Machine
from numalocal.machine.sysfs import Sysfs

HYBRID = [*near(4), *near(4, threads=1, first=8)]
"""Four cores of two threads (0-7), and four of one (8-11)."""


def discovered(root: Path, files: Files) -> Machine:
    return discover(Sysfs(lay_out(root, files)))


def cores(found: Machine) -> list[str]:
    return [str(core.cpus) for core in found.cores]


def hybrid(offline: Sequence[int], smt: str = "on") -> Files:
    on = set(range(12)) - set(offline)
    return machine(HYBRID, offline=offline, smt=smt) | {
        "sys/devices/cpu_core/cpus": ",".join(str(cpu) for cpu in sorted(on) if cpu < 8),
        "sys/devices/cpu_atom/cpus": ",".join(str(cpu) for cpu in sorted(on) if cpu >= 8),
    }


@pytest.mark.parametrize(
    ("layout", "offline", "smt"),
    [
        pytest.param(far(20), [25], "on", id="a thread of one core"),
        pytest.param(far(64), [30, 31], "on", id="two threads of 128"),
        pytest.param(far(8), [0], "on", id="CPU 0"),
        pytest.param(far(8), [3, 11], "on", id="a whole core"),
        pytest.param(far(8), [2, 3, 10, 11], "on", id="whole cores beside each other"),
        pytest.param(near(8), [1, 3, 5], "on", id="threads of cores beside each other"),
        pytest.param(near(8), [2, 3, 4, 5], "on", id="whole cores beside each other, near"),
        pytest.param(near(8), [1, 2, 3, 4], "on", id="a core and threads on both sides of it"),
        pytest.param(near(4, threads=8), [1, 2, 9, 31], "on", id="eight threads"),
        pytest.param(far(32), range(32, 64), "on", id="every second thread, by hand"),
        pytest.param(near(16), range(1, 32, 2), "on", id="every second thread, side by side"),
        pytest.param(far(8), [0, *range(8, 16)], "on", id="every second thread and a core"),
        pytest.param(single(8), [0], "notsupported", id="no SMT"),
        pytest.param(single(8), [2, 3, 4, 5, 6, 7], "notsupported", id="most of a machine"),
        pytest.param(single(8), [3], None, id="ARM, whose kernel says nothing of SMT"),
    ],
)
def test_a_core_keeps_its_cpus_while_some_are_offline(
    tmp_path: Path, layout: list[tuple[int, ...]], offline: Sequence[int], smt: str | None
) -> None:
    found = discovered(tmp_path, machine(layout, offline=offline, smt=smt))

    assert cores(found) == [str(IdSet.of(core)) for core in layout]
    assert {core.numa_node for core in found.cores} == {0}
    assert found.findings == ()


@pytest.mark.parametrize("control", ["off", "forceoff", "1"])
def test_siblings_offline_as_smt_is_off_are_in_no_core(tmp_path: Path, control: str) -> None:
    found = discovered(tmp_path, machine(far(8), offline=range(8, 16), smt=control))

    assert cores(found) == [str(cpu) for cpu in range(8)]


def test_siblings_offline_by_hand_are_left_out_where_the_numbering_does_not_tell(
    tmp_path: Path,
) -> None:
    found = discovered(tmp_path, machine(far(2), offline=[1, 2, 3], smt="on"))

    assert cores(found) == ["0"]


@pytest.mark.parametrize(
    "offline",
    [[1], [3, 5], [0], [8], [9, 10], [2, 3], [2, 3, 4], [1, 9]],
    ids=str,
)
def test_on_a_hybrid_machine_numbering_tells_the_core(tmp_path: Path, offline: list[int]) -> None:
    found = discovered(tmp_path, hybrid(offline))

    assert cores(found) == [str(IdSet.of(core)) for core in HYBRID]
    assert found.findings == ()


def test_a_cpu_that_may_be_a_core_of_either_kind_is_in_none_and_a_finding(tmp_path: Path) -> None:
    found = discovered(tmp_path, hybrid([6, 7]))

    assert "6-7" not in cores(found)
    assert [str(one) for one in found.findings] == [
        f"/{CPU}/offline: CPUs 6-7 are offline and their cores not known; in no core"
    ]


def test_second_threads_of_a_hybrid_machine_that_are_offline_by_hand_are_left_out(
    tmp_path: Path,
) -> None:
    found = discovered(tmp_path, hybrid([1, 3, 5, 7]))

    assert cores(found) == ["0", "2", "4", "6", "8", "9", "10", "11"]
    assert [core.kind for core in found.cores] == ["performance"] * 4 + ["efficiency"] * 4


def test_where_cores_are_small_for_no_reason_an_offline_cpu_is_in_none(tmp_path: Path) -> None:
    found = discovered(tmp_path, machine(HYBRID, offline=[1], smt="on"))

    assert "0" in cores(found)
    assert "cores not known" in found.findings[0].message


def test_a_cpu_that_is_merely_possible_is_not_offline(tmp_path: Path) -> None:
    """POWER has folders of those CPUs as well."""
    files = machine(single(8), offline=[6, 7], smt="notsupported") | {f"{CPU}/present": "0-5"}

    found = discovered(tmp_path, files)

    assert (str(found.offline), cores(found)) == ("", [str(cpu) for cpu in range(6)])


def test_an_offline_cpu_that_two_nodes_name_is_of_both(tmp_path: Path) -> None:
    files = machine(single(4), nodes={0: [0, 1], 1: [2, 3]}, offline=[1], smt="notsupported") | {
        f"{NODE}/node1/cpu1": None
    }

    found = discovered(tmp_path, files)

    assert list(found.cores[1].numa_nodes) == [0, 1]


@given(data=st.data())
@settings(max_examples=200)
def test_pairs_are_those_of_the_numbering_whatever_is_offline(data: st.DataObject) -> None:
    layout = data.draw(st.sampled_from([near, far]))(data.draw(st.integers(2, 40)))
    online = IdSet.of(core[data.draw(st.sampled_from([0, 0, 0, 1]))] for core in layout)
    offline = IdSet.of(cpu for core in layout for cpu in core) - online

    found = pairs(online, offline)

    assert found in ((), tuple(sorted(map(IdSet.of, layout), key=lambda one: one.first)))
