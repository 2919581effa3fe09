from typing import Any

import pytest

from numalocal.sets.memoryask import MemoryPolicy
from numalocal_operator.observing.told import Ability, Offer, Told
from numalocal_operator.planning.barring import MOST
from numalocal_operator.planning.numbers import Fleet
from numalocal_operator.planning.offered import offered

ABLE = Ability(policies=frozenset(MemoryPolicy), numa_nodes=2)
UNABLE = Ability(policies=frozenset({"Bind"}), why_not="containerd 1.7.24", numa_nodes=2)
AWAY = Ability(policies=frozenset({"Bind"}), unbound="NRI is not connected", numa_nodes=2)
POLICY = {"memory-policy": "Interleave", "memory-nodes": "Any"}


def pod(**annotations: str) -> dict[str, Any]:
    asked = {f"numalocal.io/{name}": value for name, value in annotations.items()}
    return {"metadata": {"annotations": asked}, "spec": {"containers": [{"name": "a"}]}}


def fleet(**abilities: Ability) -> Fleet:
    told = {
        name: Told(
            {"cpuset": Offer(sets=2, cpus_per_set=8 if ability is ABLE else 2)}, {}, {}, ability
        )
        for name, ability in abilities.items()
    }
    return Fleet(told, None)


def test_a_pod_is_kept_off_the_nodes_that_cannot_and_sized_by_those_that_can() -> None:
    found = offered(fleet(new=ABLE, old=UNABLE), pod(cpusets="1", **POLICY))

    assert (found.off, found.never) == (("old",), "")
    assert found.pools["cpuset"].cpus_per_set == 8


def test_where_none_ever_can_one_of_them_says_why() -> None:
    found = offered(fleet(b=UNABLE, a=UNABLE), pod(cpusets="2", **POLICY))

    assert found.never == (
        "node a has a runtime or kernel that cannot set memory policy Interleave: containerd "
        "1.7.24 (one of 2 such nodes)"
    )


@pytest.mark.parametrize(
    ("nodes", "annotations"),
    [
        pytest.param({"old": UNABLE}, {"cpusets": "1"}, id="it asks for no policy"),
        pytest.param({"old": AWAY}, {"cpusets": "1", **POLICY}, id="its runtime may come back"),
        pytest.param({"old": Ability()}, {"cpusets": "1", **POLICY}, id="its agent may be updated"),
        pytest.param(
            {"old": UNABLE}, {"cpusets": "1", **POLICY, "enforcement": "BestEffort"}, id="it may"
        ),
        pytest.param({"old": UNABLE}, {"cpusets": "3", **POLICY}, id="too few sets is another's"),
        pytest.param({}, {"cpusets": "1", **POLICY}, id="no node at all"),
    ],
)
def test_what_may_change_refuses_nobody(
    nodes: dict[str, Ability], annotations: dict[str, str]
) -> None:
    assert offered(fleet(**nodes), pod(**annotations)).never == ""


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"metadata": None, "spec": None},
        {"metadata": {"annotations": ["x"]}, "spec": []},
        pod(cpusets="x" * 5000, **{"memory-policy": "\0", "enforcement": "yes"}),
    ],
)
def test_a_pod_that_makes_no_sense_is_another_s_to_refuse(raw: dict[str, Any]) -> None:
    assert offered(fleet(old=UNABLE), raw).never == ""


def test_a_pod_that_cannot_be_kept_off_all_nodes_that_refuse_it_is_told_so() -> None:
    many = {f"old{at:02}": UNABLE for at in range(MOST + 1)}
    found = offered(fleet(new=ABLE, **many), pod(cpusets="1", **POLICY))

    assert len(found.off) == MOST
    assert found.exposed.startswith(f"{MOST + 1} nodes cannot bind a pod as it asks")
    assert len(found.exposed) <= 250, "what the API server cuts off would be the way out"
    assert offered(fleet(new=ABLE, old=UNABLE), pod(cpusets="1", **POLICY)).exposed == ""
