"""The next step of a worker: worker + observed pods + time -> what to create and delete."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from numalocal import names
from numalocal.worker.spec import Worker
from numalocal_operator.observed import ObservedPod
from numalocal_operator.pod import pod_name, revision

FIRST_BACK_OFF_S: Final = 10.0
LONGEST_BACK_OFF_S: Final = 300.0
"""Also the life after which a pod counts as having worked: the back-off begins anew."""
CONFLICT_RETRY_S: Final = 30.0
"""How often to see whether somebody else's pod is gone: no event of it need reach us."""


@dataclass(frozen=True, slots=True)
class Creation:
    """A pod to create; `replaces` is a terminal pod of the same name to remove just before."""

    replica: int
    attempt: int = 0
    replaces: ObservedPod | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One step.  It is derived from what is observed alone, so a restart loses nothing.

    `delete` are pods of our own.  `conflicts` are names that somebody else's pod has.
    `requeue_after_s` is when to look again without an event, None where there is no need.
    """

    create: tuple[Creation, ...] = ()
    delete: tuple[ObservedPod, ...] = ()
    conflicts: tuple[str, ...] = ()
    requeue_after_s: float | None = None


def back_off_s(attempt: int) -> float:
    """Wait 10 s, doubled with every attempt, at most 300 s."""
    return min(FIRST_BACK_OFF_S * 2.0 ** min(attempt, 16), LONGEST_BACK_OFF_S)


def plan(worker: Worker, pods: Sequence[ObservedPod], now_s: float) -> Plan:
    """Decide the next step; nothing to do is the empty plan.

    A replica has at most one pod: a new one is created only where its name is free, or taken by a
    terminal pod of ours, which is removed in the same step.
    """
    ours = [pod for pod in pods if pod.owner_uid == worker.uid]
    of_replica = {pod.replica: pod for pod in ours}
    others = {pod.name: pod for pod in pods if pod.owner_uid != worker.uid}
    create: list[Creation] = []
    in_the_way: list[ObservedPod] = []
    waits: list[float] = []
    for replica in range(worker.replicas):
        pod, other = of_replica.get(replica), others.get(pod_name(worker, replica))
        if pod is None and other is not None:
            in_the_way.append(other)
        elif pod is None:
            create.append(Creation(replica))
        elif pod.terminal and not pod.deleting:
            attempt, wait_s = _next_attempt(worker, pod, now_s)
            if wait_s > 0:
                waits.append(wait_s)
            else:
                create.append(Creation(replica, attempt, replaces=pod))
    surplus = [pod for pod in ours if not pod.deleting and _surplus(pod, worker)]
    settled = not create and not waits
    return Plan(
        create=tuple(create),
        delete=tuple(surplus) or _outdated(worker, ours, settled=settled),
        conflicts=tuple(pod.name for pod in in_the_way if not _goes(pod)),
        requeue_after_s=min([*waits, *(CONFLICT_RETRY_S for _ in in_the_way)], default=None),
    )


def _goes(pod: ObservedPod) -> bool:
    """Tell whether somebody else's pod needs no help to go.

    With our names, a pod of another CpuInferenceWorker is one of a deleted worker of the same name,
    and the garbage collector has yet to come for it.
    """
    return pod.deleting or pod.owner_kind == names.KIND


def _next_attempt(worker: Worker, pod: ObservedPod, now_s: float) -> tuple[int, float]:
    """Number the successor of a terminal pod, and say in how many seconds it may come.

    What failed by an older spec tells nothing of the present one, which is tried at once.
    """
    if pod.revision != revision(worker):
        return 0, 0.0
    worked = pod.ended_at_s - pod.created_at_s > LONGEST_BACK_OFF_S
    attempt = 0 if worked else pod.attempt
    return attempt + 1, pod.ended_at_s + back_off_s(attempt) - now_s


def _surplus(pod: ObservedPod, worker: Worker) -> bool:
    return pod.replica is None or pod.replica >= worker.replicas


def _outdated(
    worker: Worker, ours: Sequence[ObservedPod], *, settled: bool
) -> tuple[ObservedPod, ...]:
    """Pick the one pod to give up for a new revision, or a start with its binding, if it is time.

    One at a time, and what does not serve goes first; a pod that serves is given up only while
    all others serve.  CPU sets are scarce, so the old pod goes before the new one comes.
    """
    live = [pod for pod in ours if not pod.terminal]
    if not settled or any(pod.deleting for pod in live):
        return ()
    wanted = revision(worker)
    outdated = [pod for pod in live if pod.revision != wanted or pod.started is False]
    idle = [pod for pod in outdated if not pod.ready]
    if idle:
        return (idle[0],)
    if outdated and all(pod.ready for pod in live):
        return (max(outdated, key=lambda pod: pod.replica or 0),)
    return ()
