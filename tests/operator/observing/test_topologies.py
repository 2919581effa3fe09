from collections.abc import Iterator
from typing import Any

import pytest

from numalocal_operator.observing.topologies import Topologies

from ..builders import owned, topology


def node(name: str, **cpus: int) -> dict[str, Any]:
    pools = [{"name": pool, "sets": 2, "cpusPerSet": number} for pool, number in cpus.items()]
    return topology(name, pools=pools)


def test_before_nodes_are_listed_nothing_is_known() -> None:
    topologies = Topologies()
    topologies.observed(node("a", cpuset=4))
    assert topologies.now() is None

    topologies.listed([])
    assert topologies.now() == {}

    topologies.listed(iter([node("a", cpuset=4), node("b", x=2)]))
    assert {name: one.pools.keys() for name, one in (topologies.now() or {}).items()} == {
        "a": {"cpuset"},
        "b": {"x"},
    }


def test_what_is_free_is_told_and_changes_nothing_of_what_is_offered() -> None:
    topologies = Topologies()
    pool = {"name": "cpuset", "sets": 2, "cpusPerSet": 4}
    topologies.listed([topology("a", pools=[{**pool, "free": 2}])])
    version = topologies.version

    topologies.observed(topology("a", pools=[{**pool, "free": 1}]))

    assert [one.free for one in (topologies.now() or {}).values()] == [{"cpuset": 1}]
    assert topologies.version == version


def test_a_node_that_goes_or_offers_less_is_followed() -> None:
    topologies = Topologies()
    topologies.listed([node("a", cpuset=4), node("b", cpuset=8)])

    def versions() -> Iterator[int]:
        for _ in range(2):
            topologies.gone("b")
            yield topologies.version
        for now in (topology("a"), node("a", cpuset=2)):
            for _ in range(2):
                topologies.observed(now)
                yield topologies.version
        topologies.gone("never-there")
        yield topologies.version

    first, *rest = versions()
    assert [one - first for one in rest] == [0, 1, 1, 2, 2, 2]


def test_a_node_tells_how_each_container_was_started() -> None:
    topologies = Topologies()
    topologies.observed(topology("a", sets=[owned("p-0", "c-1"), owned("p-1", "c-2", "Unbound")]))

    assert topologies.started("a", "p-0", "c-1") is True
    assert topologies.started("a", "p-1", "c-2") is False
    assert topologies.started("a", "p-0", "c-2") is None, "another container than it told of"
    assert topologies.started("a", "p-0", "c-9") is None, "as after a restart"


def test_a_node_is_believed_about_its_own_containers_alone() -> None:
    topologies = Topologies()
    topologies.observed(topology("stolen", sets=[owned("p-0", "c-1")]))

    assert topologies.started("a", "p-0", "c-1") is None


def test_one_set_of_a_container_that_says_unbound_is_enough() -> None:
    topologies = Topologies()
    sets = [owned("p-0", "c-1", "Bound", 0), owned("p-0", "c-1", "Unbound", 1)]
    for order in (sets, sets[::-1]):
        topologies.observed(topology("a", sets=order))
        assert topologies.started("a", "p-0", "c-1") is False


def test_only_pods_of_which_something_new_is_told_are_named() -> None:
    topologies = Topologies()
    first = topology("a", sets=[owned("p-0", "c-1"), owned("p-1", "c-2")])

    assert topologies.observed(first) == {"p-0", "p-1"}
    assert topologies.observed(first) == frozenset()
    restarted = topology("a", sets=[owned("p-0", "c-1"), owned("p-1", "c-3")])
    assert topologies.observed(restarted) == {"p-1"}
    unbound = topology("a", sets=[owned("p-0", "c-1", "Unbound"), owned("p-1", "c-3")])
    assert topologies.observed(unbound) == {"p-0"}
    assert topologies.gone("a") == {"p-0", "p-1"}


def test_a_node_that_can_do_more_or_less_is_another_to_pods_that_wait() -> None:
    topologies = Topologies()
    topologies.listed([topology("a", memory={"policies": ["Bind"]})])
    before = topologies.version

    topologies.observed(topology("a", memory={"policies": ["Bind"]}))
    assert topologies.version == before
    topologies.observed(topology("a", memory={"policies": ["Bind", "Preferred"]}))
    assert topologies.version == before + 1


def serving(*policies: str, ready: str = "True") -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "reason": "RuntimeUnreachable"}
    return topology("a", memory={"policies": list(policies)}, conditions=[condition])


@pytest.mark.parametrize("relisted", [False, True])
def test_a_node_whose_runtime_is_away_can_what_it_could(
    relisted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    topologies = Topologies()
    topologies.listed([serving("Bind", "Preferred")])

    def policies() -> Any:
        return (topologies.now() or {})["a"].ability.policies

    away = serving("Bind", ready="False")
    topologies.listed([away]) if relisted else topologies.observed(away)
    assert policies() == {"Bind", "Preferred"}, "nothing is given out there, so no pod is to move"
    topologies.observed(serving("Bind"))
    assert policies() == {"Bind"}, "it came back as another"


def test_of_a_node_that_has_never_served_is_known_what_it_tells() -> None:
    topologies = Topologies()
    topologies.listed([serving("Bind", ready="False")])

    found = (topologies.now() or {})["a"].ability

    assert found.policies == frozenset({"Bind"})
    assert not found.serves
