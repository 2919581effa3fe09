"""What of a pod matters to us, and what that means: nothing here knows how the API writes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from numalocal.worker.inject import PoolNumbers

STARTED_UNBOUND: Final = "StartedUnbound"
"""Reason of conditions and events for an engine that was created while its agent was away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedPod:
    """One pod.

    `owner_uid` is that of its controller, empty where it has none; `owner_kind` likewise.
    `label` names the worker that it says it is of.  `released` tells that the user took it out of
    its worker's service, by removing the label: nobody owns it, but that the worker
    `released_from`, by uid, has yet to take its name off it; empty where none has.
    `replica` is told by its name, None where that is not its worker's.
    `ready` pods serve and are to go on serving.  `ended_at_s` and `was_ready` count for terminal
    pods only, `deleted_at_s` for those that are being deleted: it is when their grace is over.
    `check_message` is the termination message of the
    last check that ended, `check_passed` whether it ended well, None while none has.
    `engine` is the name of its engine's container, and `engine_id` the container that runs now, as
    the runtime names it, empty where none does.  `engine_ended` is the one that has ended and that
    none comes after, empty while one may.  `started` tells whether the one of both was created with
    its binding, None where its node has not said so.
    `unschedulable` is the scheduler's message; `failure` says why the pod failed, or why a
    container of it cannot start; `restarted` how one ended that runs again.  All are empty where
    nothing is wrong.  `restarts` are the engine's, `ready_at_s` is since when the pod is ready, 0
    where it is not.  `notes` say what its engine is not told.
    `sized_by` are the numbers of its pool by which it was made, None where it does not say, and
    `kept_off` the nodes that it must not land on.  `best_effort` tells that it may run unbound.
    `cpu_limit` is the quota of its
    engine, in CPUs, None where it has none; `limited_by_range` tells that a LimitRange of the
    namespace has set it.  `admitted` is what a pod without a node says of nodes by selector and
    tolerations, those included that admission has added; None for one that has a node.
    """

    name: str
    uid: str
    owner_uid: str
    owner_kind: str
    label: str
    released: bool
    released_from: str
    replica: int | None
    revision: str
    attempt: int
    created_at_s: float
    ended_at_s: float
    deleted_at_s: float
    was_ready: bool
    terminal: bool
    deleting: bool
    ready: bool
    node: str
    check_passed: bool | None
    check_message: str
    engine: str
    engine_id: str
    engine_ended: str
    started: bool | None
    unschedulable: str
    failure: str
    restarted: str
    restarts: int
    ready_at_s: float
    notes: tuple[str, ...]
    sized_by: PoolNumbers | None
    kept_off: frozenset[str]
    best_effort: bool
    cpu_limit: Fraction | None
    limited_by_range: bool
    admitted: Mapping[str, Any] | None = field(hash=False)


def is_to_be_replaced(pod: ObservedPod) -> bool:
    """Tell whether another pod might be started with its binding, which this one must have."""
    return pod.started is False and not pod.best_effort


def started_unbound(pod: ObservedPod) -> str:
    """Say what is wrong with an engine that was created while its agent was away."""
    return (
        f"container {pod.engine} was created while the agent of node {pod.node} was away, and "
        "lacks the variables of its CPU sets for good"
    )


def unverified(pod: ObservedPod) -> str:
    """Say why nothing shows that the engine runs as its check has seen it; empty where it does."""
    if not pod.engine_id:
        return f"container {pod.engine} does not run"
    if pod.started is None:
        told = f"the NodeCpuTopology of node {pod.node} does not say yet"
        return f"{told} how container {pod.engine} was started"
    return "" if pod.started else started_unbound(pod)
