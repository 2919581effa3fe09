from pathlib import Path
from typing import Any

import pytest

from numalocal.worker.admission import admit, asks
from numalocal.worker.documents import load_objects
from numalocal.worker.inject import CheckImage, PoolNumbers
from numalocal.worker.workloads import annotated, pods

IMAGE = CheckImage(image="binder:1", pull_policy="IfNotPresent")
POOLS = {"cpuset": PoolNumbers(cpus_per_set=16, node_bytes=128 << 30)}
ASKED = {"numalocal.io/cpusets": "1"}
SPEC = {"containers": [{"name": "a"}]}


def workload(kind: str, spec: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "w"}, "spec": spec}


WORKLOADS = {
    "Deployment": (workload("Deployment", {"template": {"spec": SPEC}}), ["spec.template"]),
    "CronJob": (
        workload("CronJob", {"jobTemplate": {"spec": {"template": {"spec": SPEC}}}}),
        ["spec.jobTemplate.spec.template"],
    ),
    "LeaderWorkerSet": (
        workload(
            "LeaderWorkerSet",
            {
                "leaderWorkerTemplate": {
                    "leaderTemplate": {"spec": SPEC},
                    "workerTemplate": {"spec": SPEC},
                }
            },
        ),
        ["spec.leaderWorkerTemplate.leaderTemplate", "spec.leaderWorkerTemplate.workerTemplate"],
    ),
    "LeaderWorkerSet without a leader's": (
        workload("LeaderWorkerSet", {"leaderWorkerTemplate": {"workerTemplate": {"spec": SPEC}}}),
        ["spec.leaderWorkerTemplate.workerTemplate"],
    ),
    "InferenceService": (
        workload("InferenceService", {"predictor": {"minReplicas": 1, **SPEC}}),
        ["spec.predictor"],
    ),
    "Pod": (workload("Pod", SPEC), [""]),
}


@pytest.mark.parametrize(("one", "paths"), WORKLOADS.values(), ids=WORKLOADS)
def test_every_pod_template_is_found_and_annotated(one: dict[str, Any], paths: list[str]) -> None:
    found = list(pods(annotated(one, ASKED)))

    assert [each.path for each in found] == paths
    assert all(each.pod["metadata"]["annotations"] == ASKED for each in found)
    assert all(each.pod["spec"] == SPEC for each in found)


def test_a_templates_own_annotations_win_and_the_object_given_stays() -> None:
    own: dict[str, Any] = {
        "metadata": {"annotations": {"numalocal.io/cpusets": "2", "x": "y"}},
        "spec": SPEC,
    }
    given = workload("Job", {"template": own})

    (found,) = pods(annotated(given, {**ASKED, "numalocal.io/engine": "vllm"}))

    assert found.pod["metadata"]["annotations"] == {
        "numalocal.io/cpusets": "2",
        "numalocal.io/engine": "vllm",
        "x": "y",
    }
    assert own["metadata"]["annotations"] == {"numalocal.io/cpusets": "2", "x": "y"}


@pytest.mark.parametrize(
    "one",
    [
        {},
        {"kind": "Service", "spec": {"template": {"spec": SPEC}}},
        workload("Deployment", None),
        workload("Deployment", {"template": [1]}),
        workload("InferenceService", {"predictor": [1]}),
        workload("InferenceService", [1]),
        workload("InferenceService", {"predictor": {"model": {"modelFormat": {"name": "x"}}}}),
    ],
)
def test_what_has_no_pod_template_has_no_pods(one: dict[str, Any]) -> None:
    assert list(pods(annotated(one, ASKED))) == []


@pytest.mark.parametrize("odd", [[1], "x", 1, {"annotations": [1]}, {"annotations": "x"}], ids=str)
def test_metadata_of_any_shape_is_left_to_who_reads_the_pod(odd: Any) -> None:
    one = workload("Deployment", {"template": {"metadata": odd, "spec": SPEC}})

    made = annotated(one, ASKED)

    assert made == one
    (found,) = pods(made)
    assert found.pod == {"metadata": odd, "spec": SPEC}


EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "annotated").glob("*.yaml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_admitted_and_nothing_of_it_needs_a_note(example: Path) -> None:
    found = [one for workload in load_objects(example) for one in pods(workload)]

    assert found
    for one in found:
        assert asks(one.pod)
        admitted = admit(one.pod, POOLS, IMAGE)
        assert admitted.warnings == ()
        (_, *_) = admitted.pod["spec"]["initContainers"]
