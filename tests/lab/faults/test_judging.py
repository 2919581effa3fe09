"""What is wrong with a node is found, and nothing is where all is well."""

from typing import Any

import pytest

from faults.judging import given_twice, unsettled
from faults.kernel import Running
from numalocal.idset import IdSet

from .nodes import ANNOTATED, EXPECTED, ORDINARY, PAUSE, WORKER, cluster, kernel, pod, running

EVERYWHERE = frozenset({IdSet.parse("0-7")})


def found(*containers: Running) -> tuple[str, ...]:
    return unsettled(EXPECTED, kernel(*containers), cluster())


def test_a_node_as_it_shall_be_has_no_findings() -> None:
    assert given_twice(EXPECTED, kernel()) == ()
    assert found() == ()


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [("2-3", "2-3", "2-3"), ("2-3", "3", "3"), ("2-3,6-7", "6-7", "6-7")],
)
def test_cpus_on_which_two_pods_are_bound_are_given_twice(
    one: str, other: str, common: str
) -> None:
    (finding,) = given_twice(EXPECTED, kernel(running("a", one), running("b", other), ORDINARY))

    assert finding == f"CPUs {common} are given twice: to pod a and to pod b"


def test_a_pod_that_the_api_server_has_forgotten_holds_its_cpus() -> None:
    gone = running("gone", "2-3", "0")

    assert given_twice(EXPECTED, kernel(WORKER, gone)) != ()
    assert found(WORKER, ANNOTATED, ORDINARY, gone) == (
        "forgotten pod gone is on CPUs 2-3 of an engine",
    )


def test_two_containers_of_one_pod_share_its_set() -> None:
    check = running("worker", "2-3", "0", id="check")

    assert given_twice(EXPECTED, kernel(WORKER, check)) == ()
    assert found(WORKER, check, ANNOTATED, ORDINARY) == ()


def test_who_runs_everywhere_is_not_bound_but_has_to_be_moved() -> None:
    everywhere = running("ordinary", "0-7")

    assert given_twice(EXPECTED, kernel(WORKER, ANNOTATED, everywhere)) == ()
    assert found(WORKER, ANNOTATED, everywhere) == ("ordinary is on CPUs 2-3,6-7 of an engine",)


@pytest.mark.parametrize(
    ("engine", "finding"),
    [
        (running("worker", "0-7"), "worker is on CPUs 0-7, which are no set"),
        (running("worker", "2"), "worker is on CPUs 2, which are no set"),
        (
            running("worker", "2-3", "0", thread_cpus=EVERYWHERE),
            "worker is on CPUs 0-7, which are no set",
        ),
        (running("worker", "2-3"), "worker has memory of nodes 0-1, not 0"),
        (
            running("worker", "2-3", "0", thread_mems=frozenset({IdSet.of([1])})),
            "worker has memory of nodes 0-1, not 0",
        ),
        (
            running("worker", "2-3", "0", told_threads=False),
            "worker has started without its engine's variables",
        ),
    ],
)
def test_an_engine_that_is_not_bound_as_its_set_is_a_finding(engine: Running, finding: str) -> None:
    assert finding in found(engine, ANNOTATED, ORDINARY)


def test_a_container_that_only_the_api_server_believes_in_is_a_finding() -> None:
    assert found(ANNOTATED, ORDINARY, PAUSE) == ("worker has no process of container worker-conta",)


@pytest.mark.parametrize(
    ("fields", "finding"),
    [
        ({"kubelet_healthy": False}, "the kubelet is not healthy"),
        ({"units_active": False}, "a unit of the node is not active"),
        ({"online": IdSet.parse("0-5,7")}, "CPUs 6 are offline"),
    ],
)
def test_a_node_that_lacks_something_is_a_finding(fields: dict[str, Any], finding: str) -> None:
    assert unsettled(EXPECTED, kernel(**fields), cluster()) == (finding,)


@pytest.mark.parametrize(
    ("fields", "finding"),
    [
        ({"offered": 1}, "the node offers 1 CPU sets, and has 2"),
        ({"node_ready": False}, "the node is not Ready"),
        ({"available": False}, "worker is not Available"),
        ({"verified": ()}, "worker is not told to be verified"),
    ],
)
def test_what_the_cluster_says_wrongly_is_a_finding(fields: dict[str, Any], finding: str) -> None:
    assert unsettled(EXPECTED, kernel(), cluster(**fields)) == (finding,)


def test_lost_surplus_leaving_and_unready_replicas_are_findings() -> None:
    all_three = [pod("worker"), pod("annotated"), pod("ordinary")]

    def said(*pods: Any) -> tuple[str, ...]:
        return unsettled(EXPECTED, kernel(), cluster(*pods))

    assert "ordinary has 0 pods, 0 of them ready; 1 are wanted" in said(*all_three[:2])
    assert "ordinary has 2 pods, 2 of them ready; 1 are wanted" in said(
        *all_three, pod("ordinary-2", app="ordinary", containers=())
    )
    for last in (pod("ordinary", ready=False), pod("ordinary", leaving=True)):
        assert said(*all_three[:2], last) == ("ordinary has 1 pods, 0 of them ready; 1 are wanted",)


def test_an_annotated_pod_is_told_by_its_own_condition() -> None:
    pods = (pod("worker", bound=False), pod("annotated", bound=False), pod("ordinary", bound=False))

    assert unsettled(EXPECTED, kernel(), cluster(*pods)) == (
        "annotated is not told to be verified",
    )
