import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numalocal.worker.inject import PoolNumbers
from numalocal.worker.spec import Worker
from numalocal_operator.observing.observed import ObservedPod
from numalocal_operator.observing.reading import observe
from numalocal_operator.planning.barring import Barred
from numalocal_operator.planning.plan import CONFLICT_RETRY_S, Creation, Plan, back_off_s, plan
from numalocal_operator.planning.pod import manifest, mould, revision, successor_name

from ..builders import CONFIG, NOW_S, NUMBERS, make_pod, make_worker


def planned(worker: Worker, *pods: ObservedPod, now_s: float = NOW_S) -> Plan:
    return plan(worker, pods, now_s)


def creation(replica: int, **changed: Any) -> Creation:
    return Creation(f"llama-{replica}", replica, **changed)


def old(worker: Worker, replica: int, **changed: Any) -> ObservedPod:
    return make_pod(worker, replica, revision="old", **changed)


def failed(worker: Worker, replica: int = 0, **changed: Any) -> ObservedPod:
    """Make a pod that failed at NOW, a minute after its creation."""
    given = {"terminal": True, "ready": False, "ended_at_s": NOW_S, **changed}
    return make_pod(worker, replica, **given)


def test_a_new_worker_gets_all_its_pods_at_once() -> None:
    assert planned(make_worker(replicas=3)) == Plan(
        create=(creation(0), creation(1), creation(2)),
    )


def test_a_worker_without_replicas_gets_none() -> None:
    assert planned(make_worker(replicas=0)) == Plan()


def test_a_worker_that_is_as_wanted_is_left_alone() -> None:
    worker = make_worker(replicas=2)

    assert planned(worker, make_pod(worker, 0), make_pod(worker, 1)) == Plan()


def test_a_missing_replica_in_the_middle_is_filled() -> None:
    worker = make_worker(replicas=3)

    step = planned(worker, make_pod(worker, 0), make_pod(worker, 2))

    assert step == Plan(create=(creation(1),))


def test_scaling_down_deletes_the_highest_replicas() -> None:
    worker = make_worker(replicas=1)
    pods = [make_pod(worker, replica) for replica in range(3)]

    assert planned(worker, *pods) == Plan(delete=(pods[1], pods[2]))


def test_a_terminal_pod_beyond_the_replicas_is_deleted_and_not_replaced() -> None:
    worker = make_worker(replicas=0)
    pod = failed(worker)

    assert planned(worker, pod) == Plan(delete=(pod,))


def test_a_pod_of_ours_with_a_name_that_no_replica_has_is_deleted() -> None:
    worker = make_worker()
    pod = make_pod(worker, replica=0)
    lost = replace(pod, name="llama-x", uid="p-x", replica=None)

    assert planned(worker, pod, lost) == Plan(delete=(lost,))


def test_nothing_is_created_while_the_old_pod_of_a_replica_ends() -> None:
    worker = make_worker()

    assert planned(worker, make_pod(worker, deleting=True)) == Plan(requeue_after_s=60)
    assert planned(worker, failed(worker, deleting=True)) == Plan(requeue_after_s=60)


def lost(worker: Worker, replica: int = 0, **changed: Any) -> ObservedPod:
    """Make a pod whose grace was over a minute ago."""
    given = {"ready": False, "deleting": True, "deleted_at_s": NOW_S - 60, **changed}
    return make_pod(worker, replica, **given)


@pytest.mark.parametrize("terminal", [False, True], ids=["its node is lost", "of a finalizer"])
def test_a_pod_that_does_not_end_has_a_successor_of_another_name(*, terminal: bool) -> None:
    worker = make_worker(replicas=2)
    stuck, other = lost(worker, terminal=terminal), make_pod(worker, 1)
    name = successor_name(worker, 0, stuck.uid)

    step = planned(worker, stuck, other)

    assert step == Plan(create=(Creation(name, 0),), lost=(stuck,))
    successor = make_pod(worker, 0, name=name, uid="p-s")
    assert planned(worker, stuck, other, successor) == Plan(lost=(stuck,))
    assert planned(worker, other, successor) == Plan(), "the name is told by no one any more"


def test_a_successor_that_is_lost_too_has_one_of_its_own() -> None:
    worker = make_worker()
    first = lost(worker)
    second = lost(worker, uid="p-s", name=successor_name(worker, 0, first.uid))

    (made,) = planned(worker, first, second).create

    assert made.name == successor_name(worker, 0, "p-s")


def test_a_successor_that_failed_is_replaced_by_the_replicas_own_name_once_it_is_free() -> None:
    worker = make_worker()
    pod = failed(worker, name="llama-0-0a1b2c3d")

    assert planned(worker, pod, now_s=NOW_S + 10).create == (creation(0, attempt=1, replaces=pod),)


def test_a_surplus_pod_that_does_not_end_blocks_no_rollout() -> None:
    worker = make_worker(replicas=2)
    pods = [old(worker, 0), old(worker, 1), lost(worker, 2)]
    ending = make_pod(worker, 2, ready=False, deleting=True)

    assert planned(worker, *pods).delete == (pods[1],)
    assert planned(worker, *pods[:2], ending).delete == (pods[1],)


def test_a_pod_that_was_released_is_not_touched_and_its_replica_made_by_another_name() -> None:
    worker = make_worker()
    released = make_pod(
        worker, owner_uid="", owner_kind="", label="", released=True, released_from=worker.uid
    )
    made = Creation(successor_name(worker, 0, released.uid), 0)

    assert planned(worker, released) == Plan(create=(made,), release=(released,))
    assert planned(worker, replace(released, released_from="")) == Plan(create=(made,))


def test_scaling_down_gives_up_what_serves_last() -> None:
    worker = make_worker(replicas=2)
    unscheduled = make_pod(worker, 0, ready=False, node="")
    starts, serves = make_pod(worker, 1, ready=False), make_pod(worker, 2)

    assert planned(worker, unscheduled, starts, serves) == Plan(delete=(unscheduled,))
    assert planned(worker, serves, make_pod(worker, 3), starts) == Plan(delete=(starts,))
    assert planned(worker, make_pod(worker, 3), serves) == Plan(), "numbers need not begin at 0"


def test_scaling_up_fills_the_lowest_numbers_that_are_free() -> None:
    worker = make_worker(replicas=4)

    step = planned(worker, make_pod(worker, 1), make_pod(worker, 3))

    assert step.create == (creation(0), creation(2))


def test_a_rollout_gives_up_as_many_as_may_be_missing() -> None:
    worker = make_worker(replicas=5, maxUnavailable=3)
    pods = [old(worker, replica) for replica in range(5)]
    starts = replace(pods[0], ready=False, revision=revision(worker))

    assert planned(worker, *pods).delete == (pods[4], pods[3], pods[2])
    assert planned(worker, starts, *pods[1:]).delete == (pods[4], pods[3])
    assert planned(worker, *pods[:3]).delete == (pods[2],), "two are missing"


def test_a_share_of_the_replicas_may_be_missing_and_one_always() -> None:
    few, many = (make_worker(replicas=one, maxUnavailable="25%") for one in (3, 8))

    assert len(planned(few, *(old(few, replica) for replica in range(3))).delete) == 1
    assert len(planned(many, *(old(many, replica) for replica in range(8))).delete) == 2


def test_pods_of_an_old_spec_that_do_not_serve_go_all_at_once() -> None:
    worker = make_worker(replicas=3)
    idle = [old(worker, replica, ready=False) for replica in range(3)]

    assert planned(worker, *idle).delete == tuple(idle)


def test_a_worker_that_is_paused_rolls_nothing_but_keeps_its_replicas() -> None:
    worker = make_worker(replicas=3, paused=True)
    unbound = make_pod(worker, 1, started=False)

    step = planned(worker, old(worker, 0), unbound)

    assert step.create == (creation(2),)
    assert planned(worker, old(worker, 0), unbound, make_pod(worker, 2)).delete == (unbound,)


def test_a_pod_that_has_lost_its_revision_is_neither_rolled_nor_tried_at_once() -> None:
    worker = make_worker(replicas=2)
    live = make_pod(worker, 0, revision="", ready=False)
    over = make_pod(worker, 1, revision="", terminal=True, ready=False, ended_at_s=NOW_S - 1)

    step = planned(worker, live, over)

    assert (step.create, step.delete) == ((), ())
    assert step.requeue_after_s == 9


def test_nothing_that_serves_is_given_up_while_a_name_is_taken() -> None:
    worker = make_worker(replicas=2)
    other = make_pod(worker, 0, owner_uid="s-1", owner_kind="StatefulSet")

    assert planned(worker, other, old(worker, 1)).delete == ()


SMALLER = PoolNumbers(cpus_per_set=2)


@pytest.mark.parametrize(
    ("changed", "given_up"),
    [
        pytest.param({"sized_by": PoolNumbers()}, True, id="made before anything was known"),
        pytest.param({"sized_by": PoolNumbers(cpus_per_set=4)}, True, id="larger than any node"),
        pytest.param({"sized_by": SMALLER}, False, id="as it would be made now"),
        pytest.param({"sized_by": PoolNumbers(cpus_per_set=1)}, False, id="smaller"),
        pytest.param({"sized_by": None}, False, id="does not say by what it was made"),
        pytest.param({"node": "node-a"}, False, id="has a node"),
        pytest.param({"deleting": True}, False, id="ends already"),
    ],
)
def test_a_pod_without_a_node_that_asks_for_too_much_is_made_anew(
    changed: dict[str, Any],
    given_up: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    worker = make_worker()
    pod = make_pod(worker, **{"node": "", "ready": False, "sized_by": PoolNumbers(), **changed})

    step = plan(worker, [pod], NOW_S, SMALLER)

    assert step.delete == ((pod,) if given_up else ())
    assert step.create == ()


def test_while_nothing_is_known_of_nodes_no_pod_is_made_anew() -> None:
    worker = make_worker()
    pod = make_pod(worker, node="", ready=False, sized_by=PoolNumbers())

    assert planned(worker, pod) == Plan()


def test_a_paused_worker_keeps_a_waiting_pod_of_an_older_spec_as_it_is() -> None:
    worker = make_worker(paused=True)
    pod = old(worker, 0, node="", ready=False, sized_by=PoolNumbers())

    assert plan(worker, [pod], NOW_S, SMALLER) == Plan()


def test_the_successor_of_a_pod_that_asked_for_too_much_asks_for_what_there_is() -> None:
    worker = make_worker()
    numbers = PoolNumbers(cpus_per_set=2, set_bytes=1 << 30)
    raw = manifest(mould(worker, numbers, CONFIG), 0, attempt=0)
    made = observe({**raw, "metadata": {**raw["metadata"], "uid": "p-1"}}, lambda *_: None)

    assert plan(worker, [replace(made, owner_uid=worker.uid)], NOW_S, numbers) == Plan()


def test_somebody_elses_pod_is_never_touched_and_looked_at_again() -> None:
    worker = make_worker(replicas=2)
    other = make_pod(worker, 0, owner_uid="s-1", owner_kind="StatefulSet", terminal=True)

    assert planned(worker, other, make_pod(worker, 1)) == Plan(
        conflicts=("llama-0",), requeue_after_s=CONFLICT_RETRY_S
    )


def test_a_pod_without_an_owner_is_somebody_elses() -> None:
    worker = make_worker()

    step = planned(worker, make_pod(worker, owner_uid="", owner_kind="", label=""))

    assert step.conflicts == ("llama-0",)


def test_pods_that_a_worker_of_the_same_name_left_are_adopted_and_counted_on() -> None:
    """As after `kubectl delete --cascade=orphan` and `kubectl apply`."""
    worker = make_worker(replicas=2)
    orphan = {"owner_uid": "", "owner_kind": ""}
    left = make_pod(worker, 0, **orphan), old(worker, 1, **orphan)

    assert planned(worker, *left) == Plan(adopt=left, delete=(left[1],))


@pytest.mark.parametrize(
    "changed",
    [
        {"label": "other"},
        {"revision": ""},
        {"replica": None, "name": "llama-x"},
        {"deleting": True},
        {"terminal": True, "ready": False},
        {"released": True},
        {"owner_uid": "s-1", "owner_kind": "StatefulSet"},
    ],
    ids=str,
)
def test_no_other_pod_is_adopted(changed: dict[str, Any]) -> None:
    worker = make_worker()

    step = planned(worker, make_pod(worker, **{"owner_uid": "", "owner_kind": "", **changed}))

    assert step.adopt == step.delete == ()


@pytest.mark.parametrize(
    "going",
    [
        pytest.param({"owner_kind": "StatefulSet", "deleting": True}, id="it ends"),
        pytest.param({}, id="it was a deleted worker's of the same name"),
    ],
)
def test_somebody_elses_pod_that_goes_is_waited_for_without_complaint(going: Any) -> None:
    worker = make_worker()
    other = make_pod(worker, owner_uid="w-0", **going)

    assert planned(worker, other) == Plan(requeue_after_s=CONFLICT_RETRY_S)


def test_a_failed_pod_waits_for_its_back_off() -> None:
    worker = make_worker()

    assert planned(worker, failed(worker), now_s=NOW_S + 4) == Plan(requeue_after_s=6)


def test_a_failed_pod_is_replaced_in_one_step_when_its_back_off_ends() -> None:
    worker = make_worker()
    pod = failed(worker, attempt=2)

    assert planned(worker, pod, now_s=NOW_S + 39).create == ()
    assert planned(worker, pod, now_s=NOW_S + 40) == Plan(
        create=(creation(0, attempt=3, replaces=pod),)
    )


def test_the_soonest_back_off_counts() -> None:
    worker = make_worker(replicas=2)

    step = planned(worker, failed(worker, 0, attempt=3), failed(worker, 1))

    assert step.requeue_after_s == 10


def test_a_pod_that_had_worked_is_replaced_as_at_first() -> None:
    worker = make_worker()
    pod = failed(worker, attempt=7, created_at_s=NOW_S - 301, was_ready=True)

    assert planned(worker, pod).requeue_after_s == 10
    assert planned(worker, pod, now_s=NOW_S + 10).create[0].attempt == 1


@pytest.mark.parametrize(
    ("was_ready", "lived_s"), [(False, 3_000), (True, 20)], ids=["never ready", "for a moment"]
)
def test_a_pod_that_lives_long_without_serving_has_not_worked(
    *, was_ready: bool, lived_s: float
) -> None:
    """Such as an engine that loads its model for ten minutes and crashes then."""
    worker = make_worker()
    pod = failed(worker, attempt=7, created_at_s=NOW_S - lived_s, was_ready=was_ready)

    assert planned(worker, pod).requeue_after_s == 300


def test_a_pod_that_failed_by_an_older_spec_is_replaced_at_once() -> None:
    worker = make_worker()
    pod = failed(worker, attempt=7, revision="old")

    assert planned(worker, pod) == Plan(create=(creation(0, attempt=0, replaces=pod),))


@pytest.mark.parametrize(
    ("attempt", "wait_s"), [(0, 10), (1, 20), (2, 40), (4, 160), (5, 300), (1_000_000, 300)]
)
def test_the_back_off_doubles_up_to_five_minutes(attempt: int, wait_s: float) -> None:
    assert back_off_s(attempt) == wait_s


def test_a_new_revision_replaces_the_highest_ready_pod_first() -> None:
    worker = make_worker(replicas=3)
    pods = [old(worker, replica) for replica in range(3)]

    assert planned(worker, *pods) == Plan(delete=(pods[2],))


def test_a_new_revision_replaces_a_pod_that_does_not_serve_first() -> None:
    worker = make_worker(replicas=3)
    idle = old(worker, 1, ready=False)

    step = planned(worker, old(worker, 0), idle, old(worker, 2))

    assert step == Plan(delete=(idle,))


def test_a_pod_that_does_not_serve_is_replaced_though_others_do_not_serve_either() -> None:
    worker = make_worker(replicas=2)
    idle = old(worker, 0, ready=False)

    assert planned(worker, idle, make_pod(worker, 1, ready=False)) == Plan(delete=(idle,))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"ready": False}, id="starts"),
        pytest.param({"deleting": True}, id="ends"),
        pytest.param({"terminal": True, "ready": False, "ended_at_s": NOW_S}, id="backs off"),
    ],
)
def test_a_pod_that_serves_is_not_given_up_while_another_is_missing(other: Any) -> None:
    worker = make_worker(replicas=2)

    assert planned(worker, old(worker, 0), make_pod(worker, 1, **other)).delete == ()


def test_a_pod_that_serves_is_not_given_up_in_the_step_that_creates_another() -> None:
    worker = make_worker(replicas=2)

    assert planned(worker, old(worker, 0)) == Plan(create=(creation(1),))


# Below: the plan replayed against a cluster of nothing but names, in any order of events.


def applied(
    worker: Worker, pods: Sequence[ObservedPod], step: Plan, now_s: float
) -> list[ObservedPod]:
    """Carry out a step as an API server would: one pod a name, a deleted live pod lingers."""
    ending = {pod.name for pod in step.delete}
    gone = {one.replaces.name for one in step.create if one.replaces}
    left = [
        replace(pod, deleting=True, ready=False, deleted_at_s=now_s + 30)
        if pod.name in ending
        else pod
        for pod in pods
        if pod.name not in gone
    ]
    for one in step.create:
        assert one.name not in {pod.name for pod in left}, "the API server would refuse it"
        alive = [pod for pod in left if pod.replica == one.replica and pod not in step.lost]
        assert not alive, "a replica would have two pods"
        new = make_pod(worker, one.replica, ready=False, attempt=one.attempt, node="")
        uid = f"{one.name}@{now_s}"
        left.append(replace(new, name=one.name, uid=uid, created_at_s=now_s, ended_at_s=now_s))
    return left


EVENTS = ("nothing", "ready", "fail", "vanish", "delete", "start unbound", "scheduled")
"""What may happen to a pod between two steps."""


def happened(pod: ObservedPod, event: str, now_s: float) -> list[ObservedPod]:
    if pod.deleting:
        return [] if event == "vanish" else [pod]
    if pod.terminal or event == "nothing":
        return [pod]
    changes: dict[str, dict[str, Any]] = {
        "scheduled": {"node": "node-a"},
        "ready": {"ready": True, "node": "node-a"},
        "start unbound": {"started": False},
        "fail": {"terminal": True, "ready": False, "ended_at_s": now_s},
        "delete": {"deleting": True, "ready": False, "deleted_at_s": now_s + 30},
    }
    return [] if event == "vanish" else [replace(pod, **changes[event])]


def settled(
    worker: Worker, pods: Sequence[ObservedPod], now_s: float, stuck: frozenset[str]
) -> tuple[Sequence[ObservedPod], int]:
    """Let everything go well but for what is stuck until the plan is empty; give pods and steps."""
    for steps in range(200):
        step = plan(worker, pods, now_s)
        moving = [pod for pod in pods if waits(pod) and pod not in step.lost]
        if not (step.create or step.delete or step.requeue_after_s or moving):
            return [pod for pod in pods if pod not in step.lost], steps
        pods = applied(worker, pods, step, now_s)
        pods = [
            one
            for pod in pods
            for one in happened(
                pod, "vanish" if pod.deleting and pod.uid not in stuck else "ready", now_s
            )
        ]
        now_s += step.requeue_after_s or 1
    raise AssertionError(f"not settled after 200 steps: {pods}")


def waits(pod: ObservedPod) -> bool:
    return pod.deleting or pod.terminal or not pod.ready


def serving(pods: Sequence[ObservedPod]) -> int:
    return sum(pod.ready for pod in pods)


@settings(max_examples=200, deadline=None)
@given(
    changes=st.lists(
        st.tuples(
            st.integers(0, 4),
            st.integers(1, 3),
            st.sampled_from(["x", "y"]),
            st.lists(st.sampled_from(EVENTS), min_size=6, max_size=6),
            st.floats(0, 400),
        ),
        max_size=12,
    ),
    replicas=st.integers(0, 4),
    nodes_die=st.booleans(),
)
def test_whatever_happens_the_plan_ends_with_one_ready_pod_a_replica(
    changes: list[tuple[int, int, str, list[str], float]], replicas: int, *, nodes_die: bool
) -> None:
    pods: Sequence[ObservedPod] = []
    now_s = NOW_S
    for wanted, most, image, events, passed_s in changes:
        worker = make_worker(
            {"name": "engine", "image": image}, replicas=wanted, maxUnavailable=most
        )
        step = plan(worker, pods, now_s)
        before = serving(pods)
        pods = applied(worker, pods, step, now_s)
        assert serving(pods) >= min(before, wanted - most), "it gave up more than it may"
        now_s += passed_s
        paired = zip(pods, (*events, *events), strict=False)
        pods = [one for pod, event in paired for one in happened(pod, event, now_s)]

    worker = make_worker({"name": "engine", "image": "final"}, replicas=replicas)
    stuck = frozenset(pod.uid for pod in pods if pod.deleting) if nodes_die else frozenset()
    end, _ = settled(worker, pods, now_s, stuck)

    assert len(end) == replicas
    assert len({pod.replica for pod in end}) == replicas
    assert {pod.revision for pod in end} <= {revision(worker)}
    assert all(pod.started for pod in end)


def test_ten_thousand_replicas_are_planned_in_a_moment() -> None:
    worker = make_worker(replicas=10_000)
    pods = [old(worker, replica) for replica in range(0, 20_000, 2)]
    began_s = time.process_time()

    step = planned(worker, *pods)

    assert step.delete == (pods[-1],)
    assert time.process_time() - began_s < 5, "10,000 squared takes minutes"


def test_an_engine_that_started_unbound_is_given_up_though_its_pod_serves() -> None:
    worker = make_worker(replicas=2)
    unbound, fine = make_pod(worker, 0, started=False), make_pod(worker, 1)

    assert plan(worker, [unbound, fine], NOW_S) == Plan(delete=(unbound,))


def test_of_several_that_started_unbound_one_goes_at_a_time_and_the_rest_serves() -> None:
    worker = make_worker(replicas=3)
    unbound = [make_pod(worker, replica, started=False) for replica in range(3)]
    starting = [replace(unbound[0], started=True, ready=False), *unbound[1:]]

    assert len(plan(worker, unbound, NOW_S).delete) == 1
    assert plan(worker, starting, NOW_S).delete == ()


def test_what_a_node_has_not_told_yet_is_no_reason_to_replace_a_pod() -> None:
    worker = make_worker()

    assert plan(worker, [make_pod(worker, started=None)], NOW_S) == Plan()


@given(replicas=st.integers(1, 5))
def test_a_roll_keeps_all_replicas_but_one_serving(replicas: int) -> None:
    worker = make_worker(replicas=replicas)
    pods: Sequence[ObservedPod] = [old(worker, replica) for replica in range(replicas)]

    for _ in range(4 * replicas):
        pods = applied(worker, pods, plan(worker, pods, NOW_S), NOW_S)
        assert sum(pod.ready for pod in pods) >= replicas - 1
        pods = [
            one
            for pod in pods
            for one in happened(pod, "vanish" if pod.deleting else "ready", NOW_S)
        ]

    assert {pod.revision for pod in pods} == {revision(worker)}


UNSCHEDULED: dict[str, Any] = {"node": "", "ready": False, "engine_id": "", "started": None}


def barring(*nodes: str, known: str = "abc") -> Barred:
    return Barred(nodes, 0, frozenset(known))


@pytest.mark.parametrize(
    ("kept_off", "barred", "anew"),
    [
        pytest.param("", barring("a"), True, id="a node cannot bind it any more"),
        pytest.param("a", barring(), True, id="a node can now"),
        pytest.param("a", barring("a"), False, id="nothing has changed"),
        pytest.param("a", barring(known="bc"), False, id="a node is gone"),
    ],
)
def test_a_pod_that_waits_is_made_anew_where_its_nodes_are_not_those_it_is_kept_off(
    kept_off: str,
    barred: Barred,
    anew: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    worker = make_worker()
    pod = make_pod(worker, kept_off=frozenset(kept_off), **UNSCHEDULED)

    assert plan(worker, [pod], NOW_S, NUMBERS, barred).delete == ((pod,) if anew else ())


STRANDING = Barred(("node-a",), 0, frozenset({"node-a"}), frozenset({"node-a"}))
REFUSED: dict[str, Any] = {"ready": False, "engine_id": "", "started": None}


def test_a_pod_that_came_to_a_node_before_that_was_known_to_refuse_it_comes_elsewhere() -> None:
    worker = make_worker()
    pod = make_pod(worker, **REFUSED)

    assert plan(worker, [pod], NOW_S, NUMBERS, STRANDING).delete == (pod,)


@pytest.mark.parametrize(
    ("fields", "barred"),
    [
        pytest.param({}, STRANDING, id="it serves"),
        pytest.param({**REFUSED, "check_passed": True}, STRANDING, id="it was bound there"),
        pytest.param({**REFUSED, "check_passed": False}, STRANDING, id="its check says more"),
        pytest.param(REFUSED, replace(STRANDING, for_good=frozenset()), id="for a moment"),
        pytest.param(REFUSED, replace(STRANDING, left=1), id="it might come to another"),
        pytest.param(REFUSED, replace(STRANDING, never=True), id="there is no other"),
        pytest.param({**REFUSED, "sized_by": None}, STRANDING, id="annotations are taken off"),
    ],
)
def test_a_pod_that_has_its_node_stays_else(fields: dict[str, Any], barred: Barred) -> None:
    worker = make_worker()

    assert plan(worker, [make_pod(worker, **fields)], NOW_S, NUMBERS, barred) == Plan()


def test_a_pod_whose_annotations_admission_takes_off_is_not_made_again_and_again() -> None:
    worker = make_worker()
    pod = make_pod(worker, sized_by=None, **UNSCHEDULED)

    assert plan(worker, [pod], NOW_S, NUMBERS, barring("a")).delete == ()


def test_a_pod_that_may_run_unbound_is_not_replaced_for_how_it_started() -> None:
    worker = make_worker(enforcement="BestEffort")

    assert plan(worker, [make_pod(worker, best_effort=True, started=False)], NOW_S) == Plan()


nodes = st.lists(st.sampled_from("abc"), unique=True).map(sorted)


@given(st.lists(st.tuples(nodes, nodes, st.booleans()), min_size=1, max_size=6))
def test_whatever_becomes_of_nodes_pods_that_wait_come_to_rest_as_these_are(
    fleets: list[tuple[list[str], list[str], bool]],
) -> None:
    worker = make_worker(replicas=2)
    pods: list[ObservedPod] = []

    def step(barred: Barred) -> Plan:
        """Do a step, as the API server would: what has no node is gone at once."""
        found = plan(worker, pods, NOW_S, NUMBERS, barred)
        pods[:] = [one for one in pods if one not in found.delete]
        pods.extend(
            make_pod(worker, one.replica, kept_off=frozenset(barred.nodes), **UNSCHEDULED)
            for one in found.create
        )
        return found

    for unable, known, never in fleets:
        barred = Barred(tuple(unable), 0, frozenset(known) | frozenset(unable), never=never)
        for _ in range(3):
            last = step(barred)
        assert last == Plan(), "it is at rest"
        assert all(frozenset(unable) <= one.kept_off for one in pods)
        assert len(pods) == 2 or never
