"""Rounds of workers whose pods are sized by nodes that come, go and differ."""

import json
from typing import Any

import pytest

from .builders import raw_node, raw_worker, topology
from .fake_api import EVENTS, PODS, WORKERS, FakeApi
from .informed import Informed

GIB = 1 << 30
POD = f"{PODS}/llama-0"
BELOW = (
    'Pod "llama-0" is invalid: spec.containers[0].resources.requests: Invalid value: "4": must be '
    "less than or equal to cpu limit of 1"
)


def telling(name: str, cpus: int = 4, sets: int = 2) -> dict[str, Any]:
    """Make what a node tells that has sets of so many CPUs, and 8 GiB beside each."""
    pool = {"name": "cpuset", "sets": sets, "cpusPerSet": cpus, "free": sets}
    one = {"pool": "cpuset", "cpus": f"0-{cpus - 1}", "memoryBytes": 8 * GIB, "state": "Free"}
    return topology(name, pools=[pool], sets=[one])


def know(turn: Informed, *told: dict[str, Any], **nodes: dict[str, Any]) -> None:
    """Know what nodes tell; all of them are well but for those that are given."""
    names = [one["metadata"]["name"] for one in told]
    turn.topologies.listed(told)
    turn.nodes.listed(raw_node(name, **nodes.get(name, {})) for name in names)


def resources(api: FakeApi) -> dict[str, Any]:
    found: dict[str, Any] = api.objects[POD]["spec"]["containers"][0]["resources"]
    return found


def condition(api: FakeApi, kind: str = "Degraded") -> tuple[str, str, str]:
    conditions = api.objects[f"{WORKERS}/llama"]["status"]["conditions"]
    (one,) = [one for one in conditions if one["type"] == kind]
    return one["status"], one["reason"], one["message"]


def bind(api: FakeApi) -> None:
    """Let the scheduler give the pod a node."""
    api.objects[POD]["spec"]["nodeName"] = "small"
    api.changed(POD)


def test_a_pod_asks_for_the_smallest_sets_of_the_nodes_that_it_can_land_on(
    api: FakeApi, turn: Informed
) -> None:
    know(turn, telling("small", 16), telling("large", 112), cordoned={})
    api.put(WORKERS, raw_worker(ranks=2))

    turn()

    assert resources(api)["requests"]["cpu"] == "32"
    assert resources(api)["limits"]["memory"] == str(16 * GIB)


def test_a_cordoned_node_does_not_count(api: FakeApi, turn: Informed) -> None:
    know(turn, telling("small", 16), telling("large", 112), small={"unschedulable": True})
    api.put(WORKERS, raw_worker())

    turn()

    assert resources(api)["requests"]["cpu"] == "112"


def test_a_pod_made_before_any_node_is_made_anew_when_one_comes(
    api: FakeApi, turn: Informed
) -> None:
    api.put(WORKERS, raw_worker())
    turn()
    revision = api.objects[POD]["metadata"]["labels"]["numalocal.io/revision"]
    assert "cpu" not in resources(api)["requests"]

    know(turn, telling("small"))
    assert turn() == 0, "no event brings the next round: it is known already"
    turn()

    assert resources(api)["requests"]["cpu"] == "4"
    assert api.objects[POD]["metadata"]["labels"]["numalocal.io/revision"] == revision
    api.requests.clear()
    turn()
    assert not api.writes(), "once is enough"


def test_a_pod_that_waits_with_too_large_a_request_is_made_anew(
    api: FakeApi, turn: Informed
) -> None:
    know(turn, telling("large", 112))
    api.put(WORKERS, raw_worker())
    turn()

    know(turn, telling("large", 112), telling("small", 16))
    turn()
    turn()

    assert resources(api)["requests"]["cpu"] == "16"


def test_a_pod_that_has_its_node_is_not_touched(api: FakeApi, turn: Informed) -> None:
    api.put(WORKERS, raw_worker())
    turn()
    bind(api)

    know(turn, telling("small"))
    turn()

    assert "deletionTimestamp" not in api.objects[POD]["metadata"]


def test_a_pod_that_gets_its_node_just_now_is_not_deleted(api: FakeApi, turn: Informed) -> None:
    api.versioned = True
    api.put(WORKERS, raw_worker())
    turn()
    know(turn, telling("small"))
    turn.hear()
    bind(api)  # nobody has told of it

    from_the_store_alone(turn)

    assert "deletionTimestamp" not in api.objects[POD]["metadata"]
    assert ("DELETE", POD) in api.requests


def from_the_store_alone(turn: Informed) -> None:
    """Do a round that hears of nothing new."""
    turn.clock_s += 2
    turn.round()


def test_a_worker_that_no_node_can_take_says_so_in_its_first_round(
    api: FakeApi, turn: Informed
) -> None:
    know(turn, telling("small", sets=2))
    api.put(WORKERS, raw_worker(ranks=4))

    turn()

    assert condition(api) == (
        "True",
        "NoNodeFits",
        "no node can take a replica: node small has 2 of 4 CPU sets of pool cpuset",
    )
    assert condition(api, "Stalled")[0] == "False"
    assert api.names(PODS) == ["llama-0"], "a cluster autoscaler reads pods"


TAINTED = {"taints": [{"key": "kata", "effect": "NoSchedule"}]}
LABELLED = {"labels": {"size": "s"}}


@pytest.mark.parametrize(
    ("node", "added", "why"),
    [
        pytest.param(TAINTED, {}, "node small: taint kata:NoSchedule not tolerated", id="nothing"),
        pytest.param(
            TAINTED, {"tolerations": [{"key": "kata", "operator": "Exists"}]}, "", id="a toleration"
        ),
        pytest.param(LABELLED, {"nodeSelector": {"size": "s"}}, "", id="a selector that is met"),
        pytest.param(
            LABELLED,
            {"nodeSelector": {"size": "l"}},
            "another node: not selected by nodeSelector or node affinity",
            id="a selector that is not",
        ),
    ],
)
def test_what_admission_adds_to_pods_counts_where_they_can_land(
    api: FakeApi, turn: Informed, node: dict[str, Any], added: dict[str, Any], why: str
) -> None:
    """As a RuntimeClass does, and a namespace's node selector: POST's answer shows it."""
    know(turn, telling("small"), small=node)
    api.admission = lambda pod: pod["spec"].update(added) if pod.get("kind") == "Pod" else None
    api.put(WORKERS, raw_worker())

    turn()

    expected = f"no node can take a replica: {why}"
    found = condition(api)
    assert found == (("True", "NoNodeFits", expected) if why else ("False", found[1], found[2]))


def test_a_limit_below_all_sets_is_an_invalid_spec_and_above_all_well(
    api: FakeApi, turn: Informed
) -> None:
    know(turn, telling("small"))
    container = {"name": "engine", "resources": {"limits": {"cpu": "3"}}}
    api.put(WORKERS, raw_worker(container))

    turn()

    assert condition(api) == (
        "True",
        "InvalidSpec",
        "spec.template.spec.containers[0].resources.limits.cpu: '3' throttles threads that own "
        "their cores: raise it to the 4 CPUs of the CPU sets, or leave it out",
    )
    assert api.names(PODS) == []

    container["resources"] = {"limits": {"cpu": "4", "memory": "8Gi"}}
    api.put(WORKERS, raw_worker(container))
    turn()

    assert resources(api)["requests"].items() >= {("cpu", "4"), ("memory", "8Gi")}
    assert condition(api)[0] == "False"


def test_what_serves_is_replaced_though_larger_nodes_have_made_its_limit_too_low(
    api: FakeApi, turn: Informed
) -> None:
    container = {"name": "engine", "resources": {"limits": {"cpu": "4"}}}
    api.put(WORKERS, raw_worker(container))
    know(turn, telling("small", 4))
    turn()
    know(turn, telling("large", 112))
    turn()
    del api.objects[POD]

    turn()

    assert condition(api)[1] == "InvalidSpec"
    assert api.names(PODS) == ["llama-0"]


def test_a_limit_that_a_limit_range_has_set_is_seen_in_the_answer(
    api: FakeApi, turn: Informed
) -> None:
    """As of a pod that was made before any node was known: it has no request to be compared."""
    api.put(WORKERS, raw_worker())
    turn()
    api.objects[POD]["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "1"
    said = "LimitRanger plugin set: cpu limit for container engine"
    api.objects[POD]["metadata"]["annotations"]["kubernetes.io/limit-ranger"] = said
    bind(api)
    report = {"verified": True, "cpus": "0-3", "mems": "0", "message": "bound"}
    report["ranks"] = [{"cpus": "0-3", "numaNode": 0}]
    ended = {"terminated": {"exitCode": 0, "message": json.dumps(report)}}
    check = {"name": "numalocal-check", "state": ended}
    api.objects[POD]["status"] = {"phase": "Running", "initContainerStatuses": [check]}
    api.changed(POD)

    turn()

    assert condition(api) == (
        "True",
        "CpuQuota",
        "pod llama-0: a CPU limit of 1, set by a LimitRange of the namespace, throttles the "
        "threads of its CPU sets, which have 4 CPUs: say resources.limits.cpu of the engine's "
        "container in the template, 4 or more, or raise the LimitRange's default",
    )


def test_a_pod_that_a_limit_range_makes_impossible_says_the_way_out(
    api: FakeApi, turn: Informed
) -> None:
    know(turn, telling("small"))
    api.put(WORKERS, raw_worker())
    api.refusals["POST", PODS] = 422, BELOW

    turn()

    status, reason, message = condition(api)
    assert (status, reason) == ("True", "CpuQuota")
    assert message.startswith("pod llama-0: a LimitRange of the namespace sets a CPU limit below")
    assert message.endswith(
        "say resources.limits.cpu of the engine's container in the template, 4 or more, or raise "
        "the LimitRange's default"
    )


@pytest.mark.parametrize("known", [True, False])
def test_nothing_is_written_while_nodes_stay_as_they_are(
    api: FakeApi,
    turn: Informed,
    known: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    if known:
        know(turn, telling("small"), telling("large", 112))
    api.put(WORKERS, raw_worker(replicas=3, ranks=4))
    turn()
    turn()
    api.requests.clear()

    for _ in range(3):
        turn()

    assert api.requests == []
    assert len(api.names(EVENTS)) == (2 if known else 1)
