"""The next step of a worker: worker + observed pods + time -> what to create and delete."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from numalocal import names
from numalocal.worker.inject import PoolNumbers
from numalocal.worker.spec import Worker
from numalocal_operator.observing.observed import ObservedPod
from numalocal_operator.planning.barring import Barred
from numalocal_operator.planning.numbers import used
from numalocal_operator.planning.outdated import Made, given_up
from numalocal_operator.planning.pod import pod_name, revision, successor_name

FIRST_BACK_OFF_S: Final = 10.0
LONGEST_BACK_OFF_S: Final = 300.0
"""Also the life of a pod that was ready after which the back-off begins anew."""
CONFLICT_RETRY_S: Final = 30.0
"""How often to see whether somebody else's pod is gone: no event of it need reach us."""
LOST_AFTER_S: Final = 30.0
"""How long beyond its grace period a pod may take to end before its node counts as lost."""


_UNKNOWN: Final = PoolNumbers()
_NOBODY: Final = Barred()

Kept = Mapping[int, ObservedPod | None]
"""The pod of each replica in order, None where one is missing."""


@dataclass(frozen=True, slots=True)
class Creation:
    """A pod to create; `replaces` is a terminal pod of ours to remove just before."""

    name: str
    replica: int
    attempt: int = 0
    replaces: ObservedPod | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One step.  It is derived from what is observed alone, so a restart loses nothing.

    `adopt` are pods that become our own: a worker of the same name left them behind.  `release`
    are pods that are so no longer, `delete` pods of our own.  `conflicts` are names that somebody
    else's pod has, and `lost` pods of ours that do not end, and whose place others take.
    `requeue_after_s` is when to look again without an event, None where there is no need.
    """

    create: tuple[Creation, ...] = ()
    adopt: tuple[ObservedPod, ...] = ()
    release: tuple[ObservedPod, ...] = ()
    delete: tuple[ObservedPod, ...] = ()
    conflicts: tuple[str, ...] = ()
    lost: tuple[ObservedPod, ...] = ()
    requeue_after_s: float | None = None


def back_off_s(attempt: int) -> float:
    """Wait 10 s, doubled with every attempt, at most 300 s."""
    return min(FIRST_BACK_OFF_S * 2.0 ** min(attempt, 16), LONGEST_BACK_OFF_S)


def plan(
    worker: Worker,
    pods: Sequence[ObservedPod],
    now_s: float,
    numbers: PoolNumbers = _UNKNOWN,
    barred: Barred = _NOBODY,
) -> Plan:
    """Decide the next step; nothing to do is the empty plan.

    `numbers` are those by which a pod would be made now, and `barred` what it would be kept off.

    A replica has at most one pod: a new one is created only where there is none, where a terminal
    pod of ours is removed in the same step, or where its pod is lost with its node.
    """
    wanted = revision(worker)
    adopted = tuple(pod for pod in pods if _is_left_behind(pod, worker))
    ours = [*adopted, *(pod for pod in pods if pod.owner_uid == worker.uid)]
    lost = tuple(pod for pod in ours if _lost_in_s(pod, now_s) <= 0)
    there = {pod.uid: pod for pod in ours if _lost_in_s(pod, now_s) > 0}
    kept = _chosen(worker.replicas, there.values(), wanted)
    staying = {pod.uid for pod in kept.values() if pod}
    surplus = [pod for uid, pod in there.items() if not pod.deleting and uid not in staying]
    waits = [_lost_in_s(pod, now_s) for pod in there.values() if pod.deleting]
    taken = {pod.name: pod for pod in pods if pod.uid not in there}
    vacant = _fill(worker, kept, taken, wanted, now_s)
    made = Made(used(worker.ask, numbers), barred)
    return Plan(
        create=() if barred.never else tuple(vacant.create),
        adopt=adopted,
        release=tuple(pod for pod in pods if pod.released_from == worker.uid),
        delete=(*surplus, *given_up(worker, kept.values(), wanted, made)),
        conflicts=tuple(pod.name for pod in vacant.in_the_way if not _goes(pod)),
        lost=lost,
        requeue_after_s=min((*waits, *vacant.waits), default=None),
    )


class _Vacant(NamedTuple):
    """What is to come of the replicas without a pod; `waits` are in seconds."""

    create: list[Creation]
    in_the_way: list[ObservedPod]
    waits: list[float]


def _fill(
    worker: Worker, kept: Kept, taken: Mapping[str, ObservedPod], wanted: str, now_s: float
) -> _Vacant:
    """Create a pod for each replica without one, but in a back-off, or where a name is taken."""
    vacant = _Vacant([], [], [])
    for replica, pod in kept.items():
        if pod is not None and (pod.deleting or not pod.terminal):
            continue
        attempt, wait_s = (0, 0.0) if pod is None else _next_attempt(pod, wanted, now_s)
        name = _free_name(worker, replica, taken)
        if wait_s > 0:
            vacant.waits.append(wait_s)
        elif name in taken:
            vacant.in_the_way.append(taken[name])
            vacant.waits.append(CONFLICT_RETRY_S)
        else:
            vacant.create.append(Creation(name, replica, attempt, replaces=pod))
    return vacant


def _is_left_behind(pod: ObservedPod, worker: Worker) -> bool:
    """Tell whether a pod was left by a worker of this name: deleted with its pods orphaned."""
    ours = pod.label == worker.name and pod.replica is not None and pod.revision != ""
    return ours and not (pod.owner_uid or pod.released or pod.terminal or pod.deleting)


def _lost_in_s(pod: ObservedPod, now_s: float) -> float:
    """Give the seconds until a pod that ends counts as lost; for ever where it does not end."""
    return pod.deleted_at_s + LOST_AFTER_S - now_s if pod.deleting else float("inf")


def _chosen(replicas: int, ours: Iterable[ObservedPod], wanted: str) -> Kept:
    """Pick the pods to keep, by replica, None where one is missing.

    What serves stays, and what has no node goes first, as with a Deployment.
    """

    def worth(pod: ObservedPod) -> tuple[object, ...]:
        idle = pod.deleting, pod.terminal, not pod.node, not pod.ready
        return (*idle, pod.revision != wanted, pod.replica, pod.name)

    kept: dict[int, ObservedPod | None] = {}
    for pod in sorted((one for one in ours if one.replica is not None), key=worth):
        if pod.replica is not None and len(kept) < replicas:
            kept.setdefault(pod.replica, pod)
    missing = [number for number in range(replicas) if number not in kept]
    kept |= dict.fromkeys(missing[: replicas - len(kept)])
    return dict(sorted(kept.items()))


def _free_name(worker: Worker, replica: int, taken: Mapping[str, ObservedPod]) -> str:
    """Name a replica's new pod: past pods of ours that are lost, or that the user released."""
    name = pod_name(worker, replica)
    while (other := taken.get(name)) and (other.released or other.owner_uid == worker.uid):
        name = successor_name(worker, replica, other.uid)
    return name


def _goes(pod: ObservedPod) -> bool:
    """Tell whether somebody else's pod needs no help to go.

    With our names, a pod of another CpuInferenceWorker is one of a deleted worker of the same name,
    and the garbage collector has yet to come for it.
    """
    return pod.deleting or pod.owner_kind == names.KIND


def _next_attempt(pod: ObservedPod, wanted: str, now_s: float) -> tuple[int, float]:
    """Number the successor of a terminal pod, and say in how many seconds it may come.

    What failed by an older spec tells nothing of the present one, which is tried at once.
    """
    if pod.revision not in ("", wanted):
        return 0, 0.0
    worked = pod.was_ready and pod.ended_at_s - pod.created_at_s > LONGEST_BACK_OFF_S
    attempt = 0 if worked else pod.attempt
    return attempt + 1, pod.ended_at_s + back_off_s(attempt) - now_s
