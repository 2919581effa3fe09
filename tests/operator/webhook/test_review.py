import base64
import json
from typing import Any

import jsonpatch
import pytest

from numalocal.worker.inject import CheckImage, PoolNumbers
from numalocal_operator.planning.offered import Offered
from numalocal_operator.webhook.review import ReviewInvalid, answer, patch

IMAGE = CheckImage(image="binder:1", pull_policy="IfNotPresent")


def offers(raw: Any) -> Offered:
    """Offer larger sets to pods that select large nodes, and interleaving on `new` alone."""
    large = (raw["spec"].get("nodeSelector") or {}).get("size") == "large"
    asked = raw["metadata"]["annotations"].get("numalocal.io/memory-policy")
    return Offered(
        {"cpuset": PoolNumbers(cpus_per_set=112 if large else 4)},
        off=("old-1", "old-2") if asked == "Interleave" else (),
        exposed="70 nodes cannot bind a pod as it asks" if asked == "Interleave" else "",
        never="node old-1 has a runtime that is too old" if asked == "Preferred" else "",
    )


def pod(**annotations: str) -> dict[str, Any]:
    asked = {f"numalocal.io/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return {
        "metadata": {"generateName": "llama-", "annotations": asked},
        "spec": {"containers": [{"name": "server", "args": ["-m", "x"]}], "dnsPolicy": "Default"},
    }


def reviewed(raw: Any) -> dict[str, Any]:
    made = answer({"request": {"uid": "u-1", "object": raw}}, offers, IMAGE)
    assert (made["apiVersion"], made["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response: dict[str, Any] = made["response"]
    assert response["uid"] == "u-1"
    return response


def operations(response: dict[str, Any]) -> list[dict[str, Any]]:
    assert response["patchType"] == "JSONPatch"
    found: list[dict[str, Any]] = json.loads(base64.b64decode(response["patch"]))
    return found


def test_a_pod_that_asks_is_patched_to_what_it_becomes() -> None:
    raw = pod(cpusets="1", engine="llama.cpp")

    made = jsonpatch.apply_patch(raw, operations(reviewed(raw)))

    engine, check = made["spec"]["containers"][0], made["spec"]["initContainers"][0]
    assert engine["resources"]["limits"] == {"numalocal.io/cpuset": "1"}
    assert engine["resources"]["requests"]["cpu"] == "4"
    assert check["name"] == "numalocal-check"
    assert made["metadata"]["labels"] == {
        "numalocal.io/bound": "true",
        "numalocal.io/injected": "true",
    }
    assert made["spec"]["dnsPolicy"] == "Default"


def test_a_pod_is_sized_by_the_nodes_that_it_can_land_on() -> None:
    raw = pod(cpusets="1")
    raw["spec"]["nodeSelector"] = {"size": "large"}

    made = jsonpatch.apply_patch(raw, operations(reviewed(raw)))

    assert made["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "112"


def test_a_pod_that_comes_again_is_not_patched() -> None:
    raw = pod(cpusets="1")
    made = jsonpatch.apply_patch(raw, operations(reviewed(raw)))

    again = reviewed(made)

    assert again["allowed"]
    assert "patch" not in again


def test_a_field_that_stays_is_not_named() -> None:
    raw = pod(cpusets="1")

    paths = {one["path"] for one in operations(reviewed(raw))}

    assert paths == {
        "/metadata/annotations",
        "/metadata/labels",
        "/spec/containers",
        "/spec/initContainers",
    }


def test_a_pod_that_asks_for_nothing_is_allowed_as_it_is() -> None:
    assert reviewed(pod()) == {"uid": "u-1", "allowed": True}


def test_a_refusal_tells_all_problems_with_their_paths() -> None:
    response = reviewed(pod(cpusets="none", engine="vlm"))

    assert not response["allowed"]
    assert response["status"]["code"] == 422
    message = response["status"]["message"]
    assert "metadata.annotations[numalocal.io/cpusets]: 'none' must be a whole number" in message
    assert "metadata.annotations[numalocal.io/engine]: 'vlm' must be one of" in message


def test_what_is_not_told_is_a_warning() -> None:
    (warning,) = reviewed(pod(cpusets="1", cpuset="1"))["warnings"]

    assert "did you mean numalocal.io/cpusets?" in warning
    assert len(warning) <= 250


def test_a_pod_that_may_come_to_a_node_that_refuses_it_is_warned() -> None:
    (warning,) = reviewed(pod(cpusets="1", memory_policy="Interleave"))["warnings"]

    assert warning == "70 nodes cannot bind a pod as it asks"
    assert "warnings" not in reviewed(pod(cpusets="1"))


@pytest.mark.parametrize(
    "review",
    [None, [], {}, {"request": None}, {"request": {"uid": 1}}, {"request": {"uid": "u"}}, "x"],
)
def test_what_is_no_review_is_said(review: Any) -> None:
    with pytest.raises(ReviewInvalid):
        answer(review, offers, IMAGE)


def test_a_fault_of_ours_refuses_the_pod_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken: Any = {"cpuset": "no numbers"}
    review = {"request": {"uid": "u", "object": pod(cpusets="1")}}

    response = answer(review, lambda _: broken, IMAGE)

    assert response["response"]["status"]["code"] == 500
    assert "AttributeError" in response["response"]["status"]["message"]
    assert caplog.records[0].exc_info


def test_a_patch_of_nothing_is_empty() -> None:
    raw = pod(cpusets="1")

    assert patch(raw, raw) == []


def test_a_pod_is_kept_off_nodes_that_cannot_bind_it_as_it_asks() -> None:
    raw = pod(cpusets="1", memory_policy="Interleave")

    made = jsonpatch.apply_patch(raw, operations(reviewed(raw)))

    (term,) = made["spec"]["affinity"]["nodeAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]["nodeSelectorTerms"]
    assert [one["values"] for one in term["matchFields"]] == [["old-1"], ["old-2"]]
    assert made["metadata"]["annotations"]["numalocal.io/kept-off"] == "old-1,old-2"
    assert "patch" not in reviewed(made), "once is enough"


def test_a_pod_that_no_node_can_ever_bind_is_refused_before_it_is_stuck() -> None:
    response = reviewed(pod(cpusets="1", memory_policy="Preferred"))

    assert not response["allowed"]
    assert response["status"]["message"] == (
        "numalocal: no node can bind this pod as it asks: node old-1 has a runtime that is too old"
    )


def test_nobody_writes_by_hand_what_a_pod_is_kept_off() -> None:
    response = reviewed(pod(cpusets="1", kept_off="a"))

    assert "kept-off" in response["status"]["message"]
