from collections.abc import Mapping
from typing import Any

import pytest

from numalocal_operator.observing.observed import ObservedPod
from numalocal_operator.planning.plan import Creation, Plan
from numalocal_operator.planning.progress import left_s
from numalocal_operator.planning.target import target

from ..builders import NOW, NOW_S, make_pod, make_worker

WORKER = make_worker()


def condition(kind: str, status: str = "True", **changed: Any) -> dict[str, Any]:
    return {"type": kind, "status": status, "lastTransitionTime": NOW, **changed}


def status(*conditions: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"conditions": conditions}


RECONCILING = status(condition("Reconciling"))
STALLED = status(condition("Stalled", observedGeneration=1))


def left(
    *pods: ObservedPod,
    old: Mapping[str, Any] = RECONCILING,
    passed_s: float = 0,
    plan: Plan | None = None,
) -> float:
    return left_s(target(WORKER), pods, plan or Plan(), old, NOW_S + passed_s)


def starts(**changed: Any) -> ObservedPod:
    given = {"ready": False, "ready_at_s": 0.0, "created_at_s": NOW_S - 5, **changed}
    return make_pod(WORKER, **given)


def test_the_deadline_begins_when_work_begins() -> None:
    assert left(old={}) == 600
    assert left(starts(), passed_s=100) == 500
    assert left(starts(), passed_s=600) == 0
    assert left(old=status(condition("Reconciling", "False"))) == 600


@pytest.mark.parametrize("at", ["created_at_s", "ready_at_s"])
def test_a_pod_that_is_made_or_becomes_ready_is_progress(at: str) -> None:
    assert left(starts(**{at: NOW_S + 300}), passed_s=400) == 500


def test_a_pod_that_is_made_again_after_a_failure_is_none() -> None:
    assert left(starts(attempt=3, created_at_s=NOW_S + 300), passed_s=400) == 200
    assert left(plan=Plan(create=(Creation("llama-0", 0, attempt=3),)), passed_s=700) == -100


@pytest.mark.parametrize("step", [Plan(create=(Creation("llama-0", 0),)), Plan(delete=(starts(),))])
def test_a_step_that_is_taken_now_is_progress(step: Plan) -> None:
    assert left(plan=step, old=STALLED, passed_s=5000) == 600


def test_what_is_stalled_stays_so_until_there_is_progress_or_another_spec() -> None:
    another = status(condition("Stalled", observedGeneration=0))

    assert left(starts(), old=STALLED, passed_s=5000) < 0
    assert left(starts(ready_at_s=NOW_S + 5000), old=STALLED, passed_s=5000) == 600
    assert left(starts(), old=another, passed_s=5000) == 600


def test_somebody_elses_pods_and_a_clock_that_is_ahead_are_no_progress() -> None:
    theirs = starts(owner_uid="s-1", created_at_s=NOW_S + 300)
    ahead = starts(created_at_s=NOW_S + 9000)

    assert left(theirs, passed_s=400) == 200
    assert left(ahead, passed_s=400) == 600
