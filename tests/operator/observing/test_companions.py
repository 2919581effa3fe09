from typing import Any

from numalocal_operator.observing.companions import SERVICE, Companion, observe


def test_a_companion_is_told_by_its_label_and_its_controller() -> None:
    owners: list[dict[str, Any]] = [
        {"uid": "a"},
        {"uid": "b", "kind": "CpuInferenceWorker", "controller": True},
    ]
    metadata = {"name": "llama", "uid": "s-1", "resourceVersion": "9", "ownerReferences": owners}
    labels = {"numalocal.io/worker": "llama"}
    spec: dict[str, Any] = {"ports": []}

    found = observe(SERVICE, {"metadata": {**metadata, "labels": labels}, "spec": spec})

    assert found == Companion(
        kind=SERVICE,
        name="llama",
        uid="s-1",
        version=9,
        label="llama",
        owner_uid="b",
        owner_kind="CpuInferenceWorker",
        owners=tuple(owners),
        deleting=False,
        spec=spec,
    )


def test_one_that_has_nothing_of_it_is_nobodys() -> None:
    metadata = {"name": "llama", "uid": "s-1", "deletionTimestamp": "2026-01-02T03:04:05Z"}

    found = observe(SERVICE, {"metadata": {**metadata, "labels": None, "ownerReferences": None}})

    assert (found.label, found.owner_uid, found.owner_kind, found.spec) == ("", "", "", {})
    assert found.deleting
