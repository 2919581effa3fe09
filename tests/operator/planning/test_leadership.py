from typing import Any

import pytest

from numalocal_operator.planning.leadership import Seen, released, taken, wait_s

NOW = "2026-01-02T03:04:05.000000Z"
ME = "operator-b_2"


def lease(version: str = "8", **spec: Any) -> dict[str, Any]:
    metadata = {"name": "numalocal-operator", "uid": "l-1", "resourceVersion": version}
    return {"metadata": metadata, "spec": spec}


def held(by: str = "operator-a_1", version: str = "8", **spec: Any) -> dict[str, Any]:
    return lease(
        version, **{"holderIdentity": by, "leaseDurationSeconds": 10, "renewTime": NOW, **spec}
    )


@pytest.mark.parametrize(
    ("raw", "expected_s"),
    [
        (held(), 10.0),
        (held(leaseDurationSeconds=25), 25.0),
        (held(leaseDurationSeconds=2), 10.0),
        (held(leaseDurationSeconds=10**9), 60.0),
        (held(leaseDurationSeconds="soon"), 10.0),
        (held(leaseDurationSeconds=True), 10.0),
        (held(renewTime="never", acquireTime=[]), 10.0),
        (held(by=ME), 10.0),
        (held(by=""), 10.0),
        (lease(), 10.0),
        ({"metadata": {}, "spec": None}, 10.0),
        ({"metadata": {}, "spec": ["garbage"]}, 10.0),
        (None, 10.0),
        (lease(holderIdentity="", leaseDurationSeconds=1, leaseTransitions=4), 0.0),
    ],
    ids=[
        "held",
        "longer",
        "shorter",
        "absurd",
        "no number",
        "a truth value",
        "times of no sense",
        "somebody wrote our name",
        "somebody took the name away",
        "the chart's",
        "without a spec",
        "garbage",
        "gone",
        "left by its holder",
    ],
)
def test_only_what_its_holder_has_left_is_taken_at_once(raw: Any, expected_s: float) -> None:
    seen = Seen.first(raw, 100.0)

    assert wait_s(seen, 100.0, ours=False) == expected_s
    assert wait_s(seen, 100.0 + expected_s, ours=False) <= 0.0


FIRST: dict[str, Any] = {"acquireTime": NOW, "leaseTransitions": 3}
NEXT: dict[str, Any] = {"acquireTime": "2026-01-02T04:04:05.000000Z", "leaseTransitions": 4}
LEFT: dict[str, Any] = {"holderIdentity": "", "leaseDurationSeconds": 1}


@pytest.mark.parametrize(
    ("seen", "now", "expected"),
    [
        pytest.param(held(**FIRST), lease("9", **LEFT, **FIRST), True, id="by its holder"),
        pytest.param(
            held(**NEXT), lease("9", **LEFT, **FIRST), False, id="by one who had it before"
        ),
        pytest.param(
            held(**{**FIRST, "acquireTime": "earlier"}),
            lease("9", **LEFT, **FIRST),
            False,
            id="by another of the same count",
        ),
        pytest.param(held(**FIRST), lease("9", **FIRST), False, id="without its mark"),
        pytest.param(None, lease("9", **LEFT, **FIRST), False, id="made anew"),
        pytest.param(lease(), lease("9", **LEFT), False, id="never held"),
        pytest.param(lease(**LEFT, **FIRST), lease("9", **LEFT, **FIRST), False, id="edited since"),
        pytest.param(held(), {"metadata": {}, "spec": ["garbage"]}, False, id="garbage"),
    ],
)
def test_that_it_was_left_is_believed_of_who_was_seen_with_it(
    seen: Any,
    now: Any,
    expected: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    after = Seen.first(seen, 100.0).again(now, 104.0)

    assert after.is_left == expected
    assert after.again(now, 106.0) == after
    assert (wait_s(after, 106.0, ours=False) <= 0.0) == expected


def test_the_mark_of_who_leaves_names_the_time_that_it_had_it() -> None:
    seen = Seen.first(lease(), 0.0)
    mine = Seen.first(lease("9", **taken(seen, ME, NOW)), 1.0)

    mark = released(mine, "2026-01-02T05:00:00.000000Z")

    assert mine.again(lease("10", **mark), 2.0).is_left


def test_what_is_ours_is_renewed_at_once() -> None:
    assert wait_s(Seen(held(by=ME), 100.0), 101.0, ours=True) <= 0.0
    assert wait_s(Seen(None, 100.0), 101.0, ours=True) <= 0.0


def test_each_change_begins_its_time_anew() -> None:
    """Also one after which it reads as before: it may have been another's in between."""
    seen = Seen(held(version="8"), 100.0)

    assert seen.again(held(version="8"), 104.0).since_s == 100.0
    assert seen.again(held(version="9"), 104.0).since_s == 104.0
    assert seen.again(None, 104.0).since_s == 104.0
    assert seen.again({**held(), "metadata": {"uid": "l-2"}}, 104.0).since_s == 104.0


def test_who_takes_it_from_another_counts_one_more_transition() -> None:
    spec = taken(Seen(held(acquireTime="then", leaseTransitions=3), 0.0), ME, NOW)

    assert spec == {
        "holderIdentity": ME,
        "leaseDurationSeconds": 10,
        "acquireTime": NOW,
        "renewTime": NOW,
        "leaseTransitions": 4,
    }


def test_who_renews_keeps_since_when_it_leads() -> None:
    spec = taken(Seen(held(by=ME, acquireTime="then", leaseTransitions=3), 0.0), ME, NOW)

    assert (spec["acquireTime"], spec["renewTime"], spec["leaseTransitions"]) == ("then", NOW, 3)


@pytest.mark.parametrize("told", [None, -1, "many", 2.5, True, 2**31, 2**31 - 1])
def test_a_count_of_no_sense_never_makes_a_lease_that_the_api_server_refuses(told: Any) -> None:
    for seen in (
        Seen(held(leaseTransitions=told), 0.0),
        Seen(held(ME, leaseTransitions=told), 0.0),
    ):
        for spec in (taken(seen, ME, NOW), released(seen, NOW)):
            assert 0 <= spec["leaseTransitions"] < 2**31


def test_a_field_that_somebody_added_does_not_stay() -> None:
    assert "strategy" not in taken(Seen(held(by=ME, strategy="Oldest"), 0.0), ME, NOW)


def test_what_is_left_is_anybodys_at_once() -> None:
    seen = Seen.first(held(by=ME, leaseTransitions=3), 0.0)
    left = released(seen, NOW)

    assert left["holderIdentity"] == ""
    assert left["leaseTransitions"] == 3
    assert wait_s(Seen.first(lease(**left), 100.0), 100.0, ours=False) == 0.0
