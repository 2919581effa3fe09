from typing import Any

from numalocal_operator.observing.companions import (
    BUDGET,
    SERVICE,
    Companion,
    Companions,
    observe,
)
from numalocal_operator.observing.versions import GONE_S


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


KEY = ("serving", "llama")


def raw(version: int = 7, uid: str = "s-1", **spec: Any) -> dict[str, Any]:
    metadata = {"name": "llama", "namespace": "serving", "uid": uid}
    return {"metadata": metadata | {"resourceVersion": str(version)}, "spec": spec}


def test_what_is_older_never_takes_the_place_of_what_is_newer() -> None:
    known = Companions(lambda: 0.0)

    assert known.put(SERVICE, raw(8, ports=[]))
    assert not known.put(SERVICE, raw(7))
    assert not known.put(SERVICE, raw(9, ports=[])), "nothing of it that we look at has changed"
    assert known.put(SERVICE, raw(10))
    assert known.versions() == {"s-1": 10}


def test_what_is_gone_does_not_come_back_by_the_answer_of_an_earlier_write() -> None:
    known = Companions(lambda: 0.0)
    known.put(SERVICE, raw(8))

    assert known.drop(SERVICE, KEY, "s-1", 9)

    assert not known.drop(SERVICE, KEY, "s-1", 9)
    assert not known.put(SERVICE, raw(8))
    assert known.of(KEY) == {}
    assert known.put(SERVICE, raw(9)), "it had lost its label only"
    assert not known.drop(SERVICE, KEY, "s-0", 9), "that was an earlier one"


def test_what_is_gone_is_forgotten_in_time() -> None:
    clock = [0.0]
    known = Companions(lambda: clock[0])
    for number in range(3):
        known.drop(SERVICE, KEY, f"s-{number}", 9)
    clock[0] = GONE_S + 1

    known.drop(SERVICE, KEY, "s-3", 9)

    assert len(known._gone) == 1


def test_what_a_list_does_not_have_is_forgotten_and_told() -> None:
    known = Companions(lambda: 0.0)
    known.put(SERVICE, raw())
    known.put(BUDGET, raw(uid="b-1"))

    assert known.keep({"s-1", "x"}) == {KEY}
    assert known.of(KEY).keys() == {BUDGET}
