"""Any pod by annotation: on a real API server, scheduler, kubelet and runtime."""

import base64
import json
import math
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from annotated import (
    ASKS,
    DECODE_IMAGE,
    SETS,
    Annotated,
    container,
    lent,
    pod,
    template,
    workload,
)
from installed import NAMESPACE
from lab.cluster import Lab
from lab.commands import LabError, wait_for
from numalocal.idset import union
from numalocal.worker.documents import load_objects
from numalocal.worker.workloads import pods
from workers import START_TIMEOUT_S

GATES = [{"name": "example.com/wait"}]
"""Of pods that need not run."""
EXAMPLES = Path(__file__).parents[2] / "examples" / "annotated"


def operators(lab: Lab, replicas: int) -> None:
    """Scale the operator, and wait until its webhook answers or is gone."""
    where = ("--namespace", NAMESPACE, "deployment/numalocal-operator")
    lab.kubectl("scale", *where, f"--replicas={replicas}")

    def endpoints() -> int:
        found = lab.kubectl_json("get", "endpointslices", "--namespace", NAMESPACE)["items"]
        ready = [
            one
            for each in found
            if each["metadata"]["name"].startswith("numalocal-webhook")
            for one in each.get("endpoints") or ()
            if one["conditions"].get("ready")
        ]
        return len(ready)

    def pods() -> int:
        # One that is being ended still answers on connections that the API server has kept.
        selector = ("--selector", "app.kubernetes.io/component=operator")
        found = lab.kubectl_json("get", "pods", "--namespace", NAMESPACE, *selector)["items"]
        return len(found)

    wait_for(
        f"{replicas} webhooks",
        lambda: endpoints() == pods() == replicas,
        timeout_s=180,
    )


def test_workloads_with_the_annotation_alone_are_bound_checked_and_told(
    annotated: Annotated, lab: Lab
) -> None:
    kinds = ("Deployment", "StatefulSet")
    for kind in kinds:
        annotated.create(workload(kind, kind.lower(), template(kind.lower())))
    for name in map(str.lower, kinds):
        made = annotated.wait_bound(name)
        look = annotated.look(name)
        environment = annotated.environment(name)
        pod_name = made["metadata"]["name"]
        described = lab.kubectl("describe", "pod", pod_name)
        events = told_events(lab, pod_name, "Verified")

        assert look.cgroup_cpus in SETS
        assert list(look.cgroup_mems) == [SETS[look.cgroup_cpus]]
        assert set(look.thread_cpus) == {look.cgroup_cpus}
        assert environment["NUMALOCAL_CPUS"] == str(look.cgroup_cpus)
        assert environment["OMP_NUM_THREADS"] == "1"
        (engine,) = made["spec"]["containers"]
        assert engine["resources"]["limits"]["numalocal.io/cpuset"] == "1"
        assert engine["resources"]["requests"]["cpu"] == "2"
        assert f"CPUs {look.cgroup_cpus}" in annotated.condition(name)["message"]
        assert re.search(r"numalocal\.io/Bound\s+True", described)
        assert events.count("Verified") == 1


def told_events(lab: Lab, pod_name: str, reason: str) -> str:
    """Wait until a pod has an event for a reason, which comes after its condition; give all."""

    def events() -> str:
        return lab.kubectl("get", "events", "--field-selector", f"involvedObject.name={pod_name}")

    wait_for(f"an event {reason}", lambda: reason in events(), timeout_s=30)
    return events()


def test_a_job_whose_pods_never_start_again_is_bound(annotated: Annotated, lab: Lab) -> None:
    decode = (
        "numalocal-decode --weights 32Mi --seconds 1; until [ -e /tmp/end ]; do sleep 0.2; done"
    )
    made = template("job", container(command=["sh", "-c", decode]), restartPolicy="Never")
    annotated.create(workload("Job", "job", made, backoffLimit=0))
    bound = annotated.wait_bound("job")
    lab.kubectl(
        "exec", bound["metadata"]["name"], "--container", "engine", "--", "touch", "/tmp/end"
    )

    def succeeded() -> bool:
        return bool(lab.kubectl_json("get", "job", "job").get("status", {}).get("succeeded"))

    wait_for("the job's end", succeeded, timeout_s=180)

    (found,) = annotated.pods("job")
    log = lab.kubectl("logs", found["metadata"]["name"])
    assert re.search(r"^start cpus=(2-3 mems=0|6-7 mems=1)$", log, re.MULTILINE)
    assert annotated.condition("job")["status"] == "True"


def made_by(example: str) -> dict[str, Any]:
    """Make the pod template of an example's controller, with an engine that only waits."""
    (found,) = (one for each in load_objects(EXAMPLES / example) for one in pods(each))
    asks = {**found.pod["metadata"]["annotations"], "numalocal.io/memory": "64Mi"}
    (engine,) = found.pod["spec"]["containers"]
    return template("made", container(engine["name"]), asks=asks)


def test_a_predictor_in_a_mesh_and_its_init_containers_are_bound_and_its_proxies_are_not(
    annotated: Annotated,
) -> None:
    """As Istio, Knative and KServe make it: the engine last, a native sidecar first of all."""
    allowed = ["sh", "-c", "grep Cpus_allowed_list /proc/self/status"]
    made = made_by("kserve.yaml")
    made["spec"]["containers"].insert(0, container("queue-proxy"))
    made["spec"]["initContainers"] = [
        container("istio-proxy", restartPolicy="Always"),
        container("storage-initializer", command=allowed),
    ]
    annotated.create(pod("made", made))
    annotated.wait_bound("made")
    engine = annotated.look("made", "kserve-container").cgroup_cpus
    fetched = annotated.lab.kubectl("logs", "made", "--container", "storage-initializer")

    assert engine in SETS
    assert fetched.split()[-1] == str(engine)
    for proxy in ("istio-proxy", "queue-proxy"):
        assert not union(annotated.look("made", proxy).thread_cpus) & engine
    wait_for(
        "the proxies on all that nobody holds",
        lambda: all(
            set(annotated.look("made", proxy).thread_cpus) == {lent(engine)}
            for proxy in ("istio-proxy", "queue-proxy")
        ),
        timeout_s=40,  # a set is lent some seconds after its last pod has ended
    )


def test_leader_and_worker_of_a_leader_worker_set_have_sets_of_their_own(
    annotated: Annotated,
) -> None:
    """As its StatefulSets make them: two pods of one template, told their places by variables."""
    for index in ("0", "1"):
        made = made_by("leaderworkerset.yaml")
        made["metadata"]["labels"] = {"app": f"lws-{index}"}
        made["spec"]["containers"][0]["env"] = [{"name": "LWS_WORKER_INDEX", "value": index}]
        annotated.create(pod(f"lws-{index}", made))
    for index in ("0", "1"):
        annotated.wait_bound(f"lws-{index}")

    assert {annotated.look(f"lws-{index}").cgroup_cpus for index in ("0", "1")} == set(SETS)
    assert annotated.environment("lws-1")["LWS_WORKER_INDEX"] == "1"


def test_two_ranks_have_a_set_on_each_node(annotated: Annotated) -> None:
    asks = {"numalocal.io/cpusets": "2", "numalocal.io/memory": "64Mi"}
    annotated.create(workload("Deployment", "two", template("two", asks=asks)))
    annotated.wait_bound("two")

    look = annotated.look("two")
    assert str(look.cgroup_cpus) == "2-3,6-7"
    assert list(look.cgroup_mems) == [0, 1]


def test_a_rolling_update_moves_to_other_sets_and_gives_none_twice(annotated: Annotated) -> None:
    annotated.create(workload("Deployment", "roll", template("roll")))
    annotated.wait_bound("roll")
    before = annotated.look("roll").cgroup_cpus
    changed = template("roll", container(env=[{"name": "ROUND", "value": "2"}]))

    annotated.create(workload("Deployment", "roll", changed))
    where = ("rollout", "status", "deployment/roll", "--timeout=180s")
    annotated.lab.kubectl(*where, timeout_s=200)
    annotated.wait_bound("roll")

    after = annotated.look("roll").cgroup_cpus
    assert {before, after} <= set(SETS)
    assert before != after
    assert annotated.environment("roll")["ROUND"] == "2"


@pytest.mark.parametrize(
    ("asks", "spec", "said"),
    [
        (
            {"numalocal.io/cpusets": "none", "numalocal.io/engine": "vlm"},
            {},
            [
                "metadata.annotations[numalocal.io/cpusets]: 'none' must be a whole number",
                "metadata.annotations[numalocal.io/engine]: 'vlm' must be one of",
            ],
        ),
        (
            {"numalocal.io/cpusets": "1", "numalocal.io/pool": "gone"},
            {},
            ["asks for pool gone, which no node offers (offered: cpuset)"],
        ),
        (ASKS, {"nodeName": "numalocal-0"}, ["spec.nodeName: 'numalocal-0' must be left out"]),
    ],
    ids=["not readable", "no such pool", "nodeName"],
)
def test_what_cannot_be_is_refused_at_once_with_all_problems(
    asks: dict[str, str], spec: dict[str, Any], said: list[str], annotated: Annotated
) -> None:
    with pytest.raises(LabError) as refused:
        annotated.create(pod("refused", template("refused", asks=asks, **spec)))

    assert all(one in str(refused.value) for one in said)


def test_what_asked_cannot_be_changed_afterwards(annotated: Annotated) -> None:
    annotated.create(pod("fixed", template("fixed", schedulingGates=GATES)))

    for change in ("cpusets=2", "reserved-cores=1", "engine-"):
        with pytest.raises(LabError, match="immutable"):
            annotated.lab.kubectl(
                "annotate", "--overwrite", "pod", "fixed", f"numalocal.io/{change}"
            )
    annotated.lab.kubectl("annotate", "pod", "fixed", "example.com/note=free")
    annotated.lab.kubectl("label", "pod", "fixed", "example.com/label=free")


def test_nobody_else_says_that_a_pod_was_injected_or_changes_its_check(
    annotated: Annotated, lab: Lab
) -> None:
    forged = template("forged", asks={})
    forged["metadata"]["labels"]["numalocal.io/injected"] = "true"
    with pytest.raises(LabError, match="is written by numalocal alone"):
        annotated.create(pod("forged", forged))

    annotated.create(pod("plain", template("plain", asks={}, schedulingGates=GATES)))
    with pytest.raises(LabError, match="is written by numalocal alone"):
        lab.kubectl("label", "pod", "plain", "numalocal.io/injected=true")

    annotated.create(pod("held", template("held", schedulingGates=GATES)))
    with pytest.raises(LabError, match="is written by numalocal alone"):
        lab.kubectl("label", "pod", "held", "numalocal.io/injected-")
    with pytest.raises(LabError, match="numalocal-check is immutable"):
        lab.kubectl("set", "image", "pod/held", f"numalocal-check={DECODE_IMAGE}")


def authorities(lab: Lab) -> list[str]:
    """Give the certificates by which the API server believes the webhook."""
    found = lab.kubectl_json("get", "mutatingwebhookconfiguration", "numalocal-webhook")
    told = base64.b64decode(found["webhooks"][0]["clientConfig"]["caBundle"]).decode()
    return told.split("-----BEGIN CERTIFICATE-----")[1:]


def test_none_of_200_pods_is_refused_while_the_authority_is_lost_and_made_anew(lab: Lab) -> None:
    """By server-side dry runs, which call the webhook all the same, four at a time."""
    (before, *_) = authorities(lab)
    asking = [pod(f"load-{number}", template("load")) for number in range(10)]
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": asking})
    where = ("--namespace", NAMESPACE, "secret", "numalocal-webhook")
    made, settled, ends = 0, math.inf, time.monotonic() + 200

    def create(_: int) -> int:
        said = lab.kubectl("create", "--dry-run=server", "--filename", "-", stdin=document)
        return said.count("created (server dry run)")

    lab.kubectl("patch", *where, "--type=merge", "--patch", '{"data": null}')
    with ThreadPoolExecutor(4) as pool:
        while made < 200 or time.monotonic() < settled:
            assert time.monotonic() < ends, f"{made} pods, and the authority is the old one"
            made += sum(pool.map(create, range(4)))
            if settled == math.inf and authorities(lab)[0] != before:
                settled = time.monotonic() + 20

    new, *known = authorities(lab)
    assert new != before
    assert before in known
    assert made % 40 == 0


def test_while_the_webhook_is_away_pods_that_ask_wait_and_no_other_does(
    annotated: Annotated, lab: Lab
) -> None:
    operators(lab, 0)
    try:
        annotated.create(pod("others", template("others", asks={})))
        annotated.create(workload("Deployment", "waits", template("waits")))
        wait_for(
            "a pod that cannot be made",
            lambda: "failed calling webhook" in lab.kubectl("get", "events"),
            timeout_s=60,
        )
        assert annotated.pods("waits") == []
        wait_for(
            "a pod that asks for nothing",
            lambda: annotated.pods("others")[0]["status"]["phase"] == "Running",
            timeout_s=START_TIMEOUT_S,
        )
    finally:
        operators(lab, 2)

    annotated.wait_bound("waits")
    assert annotated.look("waits").cgroup_cpus in SETS
