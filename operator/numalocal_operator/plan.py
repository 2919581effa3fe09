"""The next step of a worker: worker + observed pods + time -> what to create and delete."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from numalocal.worker import Worker
from numalocal_operator.observed import ObservedPod
from numalocal_operator.pod import pod_name, revision

FIRST_BACK_OFF_S: Final = 10.0
LONGEST_BACK_OFF_S: Final = 300.0
"""Also the life after which a pod counts as having worked: its successor starts from attempt 0."""


@dataclass(frozen=True, slots=True)
class Creation:
    """A pod to create; `replaces` is a terminal pod of the same name to remove just before."""

    replica: int
    attempt: int = 0
    replaces: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One step.  It is derived from what is observed alone, so a restart loses nothing.

    `delete` are names of our own pods.  `conflicts` are names that somebody else's pod has.
    `requeue_after_s` is when a back-off ends, None where nothing waits.
    """

    create: tuple[Creation, ...] = ()
    delete: tuple[str, ...] = ()
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
    taken = {pod.name for pod in pods if pod.owner_uid != worker.uid}
    create: list[Creation] = []
    conflicts: list[str] = []
    waits: list[float] = []
    for replica in range(worker.replicas):
        pod = of_replica.get(replica)
        if pod is None and pod_name(worker, replica) in taken:
            conflicts.append(pod_name(worker, replica))
        elif pod is None:
            create.append(Creation(replica))
        elif pod.terminal and not pod.deleting:
            attempt = _attempt(pod)
            wait_s = pod.ended_at_s + back_off_s(attempt) - now_s
            if wait_s > 0:
                waits.append(wait_s)
            else:
                create.append(Creation(replica, attempt + 1, replaces=True))
    surplus = [pod.name for pod in ours if not pod.deleting and _surplus(pod, worker)]
    return Plan(
        create=tuple(create),
        delete=tuple(surplus) or _outdated(worker, ours, settled=not create),
        conflicts=tuple(conflicts),
        requeue_after_s=min(waits, default=None),
    )


def _attempt(pod: ObservedPod) -> int:
    return 0 if pod.ended_at_s - pod.created_at_s > LONGEST_BACK_OFF_S else pod.attempt


def _surplus(pod: ObservedPod, worker: Worker) -> bool:
    return pod.replica is None or pod.replica >= worker.replicas


def _outdated(worker: Worker, ours: Sequence[ObservedPod], *, settled: bool) -> tuple[str, ...]:
    """Pick the one pod to give up for a new revision, if it is time.

    One at a time, and what does not serve goes first; a pod that serves is given up only while
    all others serve.  CPU sets are scarce, so the old pod goes before the new one comes.
    """
    live = [pod for pod in ours if not pod.terminal]
    if not settled or any(pod.deleting for pod in live):
        return ()
    wanted = revision(worker)
    outdated = [pod for pod in live if pod.revision != wanted]
    idle = [pod for pod in outdated if not pod.ready]
    if idle:
        return (idle[0].name,)
    if outdated and all(pod.ready for pod in live):
        return (max(outdated, key=lambda pod: pod.replica or 0).name,)
    return ()
