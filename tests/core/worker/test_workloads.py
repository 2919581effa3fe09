from typing import Any

import pytest

from numalocal.worker.workloads import annotated, pods

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
        workload("InferenceService", {"predictor": {"model": {"modelFormat": {"name": "x"}}}}),
    ],
)
def test_what_has_no_pod_template_has_no_pods(one: dict[str, Any]) -> None:
    assert list(pods(annotated(one, ASKED))) == []
