import pytest

from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.errors import BindingRefused
from numalocal_deviceplugin.online import online_of

from .nodes import make_container, make_node, make_partition, make_pod

BOTH = Assignment.of(make_partition().sets)
OLD = '{"sets":[{"id":"cpuset-n0-c1x3","pool":"cpuset","cpus":"1-3","numaNode":0,"memoryBytes":1}]}'


def left(assignment: Assignment, online: str, *, new: bool) -> str:
    """Give the CPUs that are left of an assignment while only these are online."""
    return str(
        online_of(make_pod(), make_container(), assignment, make_node(online=online), new=new).cpus
    )


@pytest.mark.parametrize("new", [True, False])
def test_an_assignment_of_which_all_is_online_is_left_as_it_is(*, new: bool) -> None:
    assert left(BOTH, "0-7", new=new) == "2-3,6-7"


@pytest.mark.parametrize("new", [True, False])
def test_of_a_core_that_lost_one_thread_the_other_is_left(*, new: bool) -> None:
    assert left(BOTH, "0-2,4-5,7", new=new) == "2,7"


def test_a_new_container_whose_core_went_offline_is_refused() -> None:
    with pytest.raises(BindingRefused) as caught:
        left(BOTH, "0-5", new=True)

    assert str(caught.value) == (
        "pod default/llama-0, container engine: CPU 6-7 of its CPU sets is not online on this "
        "machine (online: 0-5); bring it online, or delete the pod so that it gets other "
        "CPU sets"
    )


def test_one_that_runs_keeps_what_is_left() -> None:
    assert left(BOTH, "0-5", new=False) == "2-3"
    assert left(Assignment.parse(OLD.replace("1-3", "1-5")), "0-3", new=False) == "1-3"


def test_a_new_container_with_a_set_of_other_pools_needs_all_its_cores() -> None:
    old = Assignment.parse(OLD)

    assert left(old, "0-2,4-7", new=True) == "1-2"
    with pytest.raises(BindingRefused, match="CPU 2-3 of its CPU sets is not online"):
        left(old, "0-1,4-7", new=True)


def test_a_new_container_whose_core_stands_in_for_the_reserved_one_is_refused() -> None:
    with pytest.raises(BindingRefused, match="CPU 2-3 of its CPU sets stays shared for one"):
        left(BOTH, "2-7", new=True)


@pytest.mark.parametrize("new", [True, False])
def test_a_container_of_which_nothing_is_online_is_refused(*, new: bool) -> None:
    with pytest.raises(BindingRefused, match="CPU 2-3,6-7 of its CPU sets is not online"):
        left(BOTH, "0-1", new=new)


@pytest.mark.parametrize("new", [True, False])
def test_a_container_whose_numa_node_is_not_here_is_refused(*, new: bool) -> None:
    elsewhere = Assignment.parse(OLD.replace('"numaNode":0', '"numaNode":5'))

    with pytest.raises(BindingRefused, match="NUMA node 5 of its CPU sets is not in this"):
        left(elsewhere, "0-7", new=new)
