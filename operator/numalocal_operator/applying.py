"""Carry out one step of a worker: create and delete its pods, and say what was refused."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn

from numalocal.errors import NumalocalError
from numalocal.worker.inject import Manifest
from numalocal.worker.spec import Worker
from numalocal_operator.api.answers import TROUBLE, Contended, NameTaken, Refused, sentence
from numalocal_operator.api.cluster import Cluster, Raw
from numalocal_operator.observing.observed import ObservedPod, started_unbound
from numalocal_operator.observing.refusals import REFUSED_S
from numalocal_operator.observing.store import Store
from numalocal_operator.planning.plan import Creation, Plan
from numalocal_operator.planning.pod import changed, owner
from numalocal_operator.planning.quota import refused as refused_for
from numalocal_operator.planning.troubles import (
    API_ERROR,
    CPU_QUOTA,
    POD_CHANGED,
    POD_REFUSED,
    Trouble,
    listed,
)
from numalocal_operator.worklist import Key

TAKEN_RETRY_S: Final = 5.0
"""When to try again after a conflict: that of two writes of a quota has no event of ours."""

# Reasons of Events; those of a degraded worker are its condition's.
POD_CREATED: Final = "PodCreated"
POD_REPLACED: Final = "PodReplaced"
POD_DELETED: Final = "PodDeleted"
POD_ADOPTED: Final = "PodAdopted"
POD_RELEASED: Final = "PodReleased"

_VERBS: Final = {
    POD_CREATED: "created",
    POD_REPLACED: "replaced",
    POD_DELETED: "deleted",
    POD_ADOPTED: "adopted",
    POD_RELEASED: "released",
}

Make = Callable[[Creation], Manifest]
Tell = Callable[[str, str], None]
"""Is given the reason and the sentence of an Event."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a step.

    `taken` are names that other pods turned out to have.  `trouble` is what the API server
    refused, `retry_s` when to try again what was not created, and `error` what is to be raised
    once it has been told: the worker then comes again by a back-off.
    """

    taken: tuple[str, ...] = ()
    trouble: Trouble | None = None
    retry_s: float | None = None
    error: Exception | None = None


def carry_out(step: Plan, hands: "Hands") -> Done:
    """Do what a step says, up to the first refusal: what the next pod would meet is the same."""
    try:
        hands.do(step)
    except Refused as error:
        quota = refused_for(str(error))
        refused = Trouble(CPU_QUOTA if quota else POD_REFUSED, f"{hands.what}: {quota or error}")
        return Done(trouble=refused, retry_s=hands.retry_s or REFUSED_S)
    except _Changed as error:
        return Done(trouble=Trouble(POD_CHANGED, str(error)), retry_s=REFUSED_S)
    except TROUBLE as error:
        return Done(trouble=Trouble(API_ERROR, f"{hands.what}: {sentence(error)}"), error=error)
    finally:
        hands.tell_all()
    return Done(taken=tuple(hands.taken), retry_s=hands.retry_s)


class _Changed(NumalocalError):
    """The API server makes another pod than was asked for."""


@dataclass(slots=True, kw_only=True)
class Hands:
    """What carries out a step of a worker, and notes how far it came.

    `what` is what is being done, for the sentence of its refusal.
    """

    cluster: Cluster
    store: Store
    worker: Worker
    make: Make
    tell: Tell
    what: str = ""
    taken: list[str] = field(default_factory=list)
    retry_s: float | None = None
    done: dict[str, list[str]] = field(default_factory=dict)

    def do(self, step: Plan) -> None:
        """Adopt, release, delete and create, in this order."""
        for pod in (*step.adopt, *step.release):
            self.what = f"pod {pod.name} cannot be adopted or released"
            self._own(pod)
        for pod in step.delete:
            self.what = f"pod {pod.name} cannot be deleted"
            self._give_up(pod)
        if step.create and (why := self.store.refusals.of(self._key, self.worker.generation)):
            raise _Changed(why)
        for left, creation in zip(range(len(step.create))[::-1], step.create, strict=True):
            manifest = self.make(creation)
            self.what = f"pod {creation.name}{_more(left)}"
            self._create(creation, manifest)

    def _give_up(self, pod: ObservedPod) -> None:
        """Delete a pod; one without a node only while it has none."""
        try:
            gone = self._delete(pod, version=None if pod.node else self.store.version(pod.uid))
        except Contended:
            self._come_again(TAKEN_RETRY_S)
            return
        if gone:  # the event of it is no news any more
            self._come_again(0.0)
        why = f": {started_unbound(pod)}" if pod.started is False else ""
        self._note(POD_DELETED, f"{pod.name}{why}")

    def tell_all(self) -> None:
        """Tell what was done: one Event of a kind, whatever the number of pods."""
        for reason, pods in self.done.items():
            what = "pods" if len(pods) > 1 else "pod"
            self.tell(reason, f"{_VERBS[reason]} {what} {listed(pods)}")
        self.done.clear()

    def _note(self, reason: str, what: str) -> None:
        self.done.setdefault(reason, []).append(what)

    def _own(self, pod: ObservedPod) -> None:
        """Make a pod the worker's own, or no longer where it is released."""
        reference: Manifest = owner(self.worker)
        if pod.released:
            reference = {"$patch": "delete", "uid": self.worker.uid}
        answer = self.cluster.own_pod(self.worker.namespace, pod.name, pod.uid, reference)
        self._settle(pod, answer)
        self._note(POD_RELEASED if pod.released else POD_ADOPTED, pod.name)

    def _delete(
        self, pod: ObservedPod, *, terminal: bool = False, version: int | None = None
    ) -> bool:
        """Delete a pod; tell whether it is gone already, as one is that never had a node."""
        namespace = self.worker.namespace
        answer = self.cluster.delete_pod(
            namespace, pod.name, pod.uid, terminal=terminal, version=version
        )
        self._settle(pod, answer)
        return answer is None

    def _come_again(self, wait_s: float) -> None:
        self.retry_s = wait_s if self.retry_s is None else min(self.retry_s, wait_s)

    def _settle(self, pod: ObservedPod, answer: Raw | None) -> None:
        if answer is None:
            self.store.drop_pod(pod.uid)
        else:
            self.store.put_pod(answer)

    def _create(self, creation: Creation, manifest: Manifest) -> None:
        old = creation.replaces
        if old is not None:
            self._delete(old, terminal=True)
        try:
            made = self.cluster.create_pod(manifest)
        except NameTaken:
            _log.info("pod name taken", extra={"pod": creation.name})
            self.taken.append(creation.name)
            return
        except Contended:
            self._come_again(TAKEN_RETRY_S)
            return
        except TROUBLE:
            # It may be there all the same, and must not get a sister of another name.
            self.store.doubt(self._key, creation.name)
            raise
        if what := changed(manifest, made):
            self._undo(made, f"admission changes {what}; exempt a worker's pods from it")
        self.store.put_pod(made)
        if old is None:
            self._note(POD_CREATED, creation.name)
        else:
            self._note(POD_REPLACED, f"{old.name}, attempt {creation.attempt}: {old.failure}")

    def _undo(self, made: Raw, why: str) -> NoReturn:
        """Delete a pod that nobody could tell for the worker's, and make none for a while.

        Each of its events would else bring another one.
        """
        metadata = made["metadata"]
        why = f"{self.what}: {why}"
        self.store.refusals.note(self._key, self.worker.generation, why)
        self.cluster.delete_pod(self.worker.namespace, metadata["name"], metadata["uid"])
        raise _Changed(why)

    @property
    def _key(self) -> Key:
        return self.worker.namespace, self.worker.name


def _more(left: int) -> str:
    return f" (and {left} more)" if left else ""
