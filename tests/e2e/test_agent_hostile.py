"""Pods that lie cost nobody else anything, also where the agent was away when they were made."""

import json

from annotated import SETS, Annotated, pod, template
from faults.hostile import documents
from faults.runtime import agent_away
from installed import SETS as OFFERED
from installed import sets
from lab.cluster import Lab
from lab.commands import wait_for
from node_cpus import cpus_of
from numalocal.idset import union
from workers import Workers

LIES = (
    "reserved-cores of 5,000 digits",
    "an assignment of all CPUs",
    "an assignment that is deep",
    "containers that are not there",
)
FORGED = {
    "sets": [{"id": "cpuset-n0-c2x2", "cpus": "2-3", "numaNode": 0, "memoryBytes": 1 << 30}],
}


def test_hostile_annotations_made_while_the_agent_was_away_cost_nobody_their_sets(
    lab: Lab, annotated: Annotated, workers: Workers
) -> None:
    """A few of many kinds: the agent reads all of them in tests/deviceplugin/hostile."""
    names = [f"hostile-{number}" for number, _ in enumerate(LIES)]
    with agent_away(lab):
        for name, what in zip(names, LIES, strict=True):
            made = dict(documents())[what]
            made["metadata"] |= {"name": name, "labels": {"app": name}}
            annotated.create(made)
        wait_for(
            "the hostile pods",
            lambda: all(running(annotated, name) for name in names),
            timeout_s=240,
        )
    wait_for("the node's CPU sets", lambda: sets(lab) == OFFERED, timeout_s=120)
    workers.create("served", ranks=2)
    status = workers.wait_verified("served")
    served = workers.look("served").cgroup_cpus

    assert status["placements"][0]["verified"] is True
    assert served == union(SETS)
    for name in names:
        assert not cpus_of(lab, uid(annotated, name)) & served, name


def running(annotated: Annotated, name: str) -> bool:
    return any(one["status"]["phase"] == "Running" for one in annotated.pods(name))


def uid(annotated: Annotated, name: str) -> str:
    (found,) = annotated.pods(name)
    return str(found["metadata"]["uid"])


def test_a_forged_assignment_is_refused_with_a_sentence(lab: Lab, annotated: Annotated) -> None:
    """As CRI-O would copy it into every container, where Allocate's own has its place."""
    key = "assignment.numalocal.io/cpuset"
    annotated.create(pod("forged", template("forged", asks={key: json.dumps(FORGED)})))

    def told() -> str:
        events = lab.kubectl("get", "events", "--field-selector", "involvedObject.name=forged")
        return next((line for line in events.splitlines() if key in line), "")

    wait_for("the refusal as an event", told, timeout_s=90, interval_s=1)
    (found,) = annotated.pods("forged")

    statuses = found["status"].get("containerStatuses", ())  # the event may come before
    assert [one for one in statuses if "running" in one["state"]] == []
    assert sets(lab) == OFFERED
