"""A rollout, a pause, a restart and scaling by kubectl, each status as tools read it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tests.operator.kstatus import CURRENT, FAILED

from lab.cluster import Lab
from lab.commands import LabError, wait_for
from watched import Watched, until_seen, watching
from workers import Workers

NAME = "rolls"
WORKER = f"ciw/{NAME}"


@pytest.fixture
def watched(lab: Lab) -> Iterator[Watched]:
    with watching(lab.state / "bin" / "kubectl", lab.kubeconfig, NAME, "default") as found:
        yield found


def patch(lab: Lab, **spec: Any) -> None:
    lab.kubectl("patch", WORKER, "--type=merge", f"--patch={json.dumps({'spec': spec})}")


def restart(lab: Lab, at: str) -> None:
    """Do what `kubectl rollout restart` does to a Deployment."""
    annotations = {"kubectl.kubernetes.io/restartedAt": at}
    patch(lab, template={"metadata": {"annotations": annotations}})


def wait_ready(lab: Lab) -> None:
    lab.kubectl("wait", "--for=condition=Ready", WORKER, "--timeout=170s", timeout_s=180)


def uids(workers: Workers) -> Mapping[str, str]:
    pods = [one["metadata"] for one in workers.pods(NAME)]
    return {one["name"]: one["uid"] for one in pods if "deletionTimestamp" not in one}


def row(lab: Lab) -> dict[str, str]:
    """Give what `kubectl get` shows."""
    head, *rows = lab.kubectl("get", WORKER).splitlines()
    return dict(zip(head.split(), rows[0].split(), strict=True))


def addresses(lab: Lab) -> Mapping[str, str]:
    """Give the pods that the worker's Service leads to, by the names that they have there."""
    label = f"--selector=kubernetes.io/service-name={NAME}"
    slices = lab.kubectl_json("get", "endpointslices", label)["items"]
    found = [one for each in slices for one in each.get("endpoints") or ()]
    return {one["hostname"]: one["targetRef"]["uid"] for one in found if one["conditions"]["ready"]}


def allowed(lab: Lab) -> tuple[int, int]:
    """Give how many pods the budget expects, and how many a drain may take now."""
    status = lab.kubectl_json("get", "pdb", NAME).get("status") or {}
    return status.get("expectedPods", 0), status.get("disruptionsAllowed", 0)


def test_a_worker_rolls_pauses_and_scales_and_no_tool_is_ever_told_wrong(
    lab: Lab, workers: Workers, watched: Watched
) -> None:
    service = {"type": "Headless", "ports": [{"port": 8000}]}
    workers.create(
        NAME, replicas=2, maxUnavailable="50%", service=service, disruptionBudget={}, grace_s=1
    )
    wait_ready(lab)
    first = uids(workers)
    wait_for("both in the Service", lambda: addresses(lab) == first, timeout_s=30)
    wait_for("a budget that counts", lambda: allowed(lab) == (2, 1), timeout_s=30)
    shown = row(lab)
    assert (shown["READY"], shown["STATUS"], shown["RANKS"]) == ("2/2", "ReplicasReady", "1")
    until_seen(watched, CURRENT)
    served_from = len(watched.workers)

    patch(lab, paused=True)
    restart(lab, "2026-01-02T03:04:05Z")
    waits = workers.wait_condition(NAME, "Reconciling", "Paused")
    assert f"{NAME}-0" in waits["message"]
    assert uids(workers) == first

    patch(lab, paused=False)
    wait_ready(lab)
    second = uids(workers)
    assert second.keys() == first.keys()
    assert not set(second.values()) & set(first.values()), "both are new"
    until_seen(watched, CURRENT)
    assert min(watched.ready[served_from:]) == 1, "one served all the while"

    lab.kubectl("scale", WORKER, "--replicas=3")
    workers.wait_condition(NAME, "Reconciling", "Unschedulable")
    lab.kubectl("scale", WORKER, "--replicas=2")
    wait_ready(lab)
    assert uids(workers) == second, "the one without a node went"
    until_seen(watched, CURRENT)

    watched.hold()
    assert FAILED not in watched.told


def test_a_rollout_that_does_not_come_to_an_end_is_told_as_failed_and_one_replica_serves_on(
    lab: Lab, workers: Workers, watched: Watched
) -> None:
    workers.create(NAME, replicas=2, progressDeadlineSeconds=20, grace_s=1)
    wait_ready(lab)

    broken = {"name": "engine", "image": "docker.io/numalocal/none:0.0.0"}
    patch(lab, template={"spec": {"containers": [broken | {"imagePullPolicy": "Never"}]}})
    workers.wait_condition(NAME, "Stalled", "ProgressDeadlineExceeded")

    # The deadline may have passed before the runtime was asked for the image.
    wait_for(
        "the reason",
        lambda: "ErrImageNeverPull" in workers.condition(NAME, "Degraded")["message"],
        timeout_s=60,
    )
    assert workers.status(NAME)["readyReplicas"] == 1
    with pytest.raises(LabError, match="timed out"):
        lab.kubectl("wait", "--for=condition=Ready", WORKER, "--timeout=1s")
    until_seen(watched, FAILED)
    watched.hold()
