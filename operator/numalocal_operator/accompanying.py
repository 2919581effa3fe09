"""Carry out what a worker's Service and PodDisruptionBudget need."""

from dataclasses import dataclass
from typing import Final

from numalocal.worker.inject import Manifest
from numalocal.worker.spec import Worker
from numalocal_operator.api.answers import TROUBLE, Contended, NameTaken, Refused, sentence
from numalocal_operator.api.cluster import Cluster, Raw
from numalocal_operator.applying import TAKEN_RETRY_S, Done
from numalocal_operator.observing.companions import (
    BUDGET,
    KINDS,
    SERVICE,
    Companion,
    Companions,
    observe,
)
from numalocal_operator.observing.refusals import REFUSED_S
from numalocal_operator.planning.companions import Change, Create, Remove, Taken, is_leaving, step
from numalocal_operator.planning.plan import CONFLICT_RETRY_S
from numalocal_operator.planning.troubles import API_ERROR, NAME_TAKEN, Trouble
from numalocal_operator.worklist import Key

_FIELDS: Final = {SERVICE: "spec.service", BUDGET: "spec.disruptionBudget"}
_MOST_TURNS: Final = 4
"""Steps of one in a round: removed, made anew, found taken, adopted."""


def accompany(cluster: Cluster, companions: Companions, worker: Worker) -> Done:
    """Make a worker's Service and PodDisruptionBudget as it asks; no call where they are."""
    done = [_Hands(cluster, companions, worker, kind).settle() for kind in KINDS]
    return Done(
        trouble=next((one.trouble for one in done if one.trouble), None),
        retry_s=min((one.retry_s for one in done if one.retry_s is not None), default=None),
        error=next((one.error for one in done if one.error), None),
    )


@dataclass(frozen=True, slots=True)
class _Hands:
    """What brings one of them, by its kind, to what is asked."""

    cluster: Cluster
    companions: Companions
    worker: Worker
    kind: str

    def settle(self) -> Done:
        """Take step after step, and say what was in the way."""
        try:
            return self._settle()
        except Contended:
            return Done(retry_s=TAKEN_RETRY_S)
        except Refused as error:
            trouble = self._trouble(f"{self.kind}Refused", error)
            return Done(trouble=trouble, retry_s=REFUSED_S)
        except TROUBLE as error:
            return Done(trouble=self._trouble(API_ERROR, sentence(error)), error=error)

    def _settle(self) -> Done:
        there = self.companions.of(self._key).get(self.kind)
        for _ in range(_MOST_TURNS):
            match step(self.worker, self.kind, there):
                case None:
                    # One that is going may be another's, of which no event reaches us.
                    going = there is not None and there.deleting
                    return Done(retry_s=CONFLICT_RETRY_S if going else None)
                case Taken(other):
                    return self._taken(other)
                case Create(manifest):
                    there = self._create(manifest)
                case Change(other, patch):
                    answer = self.cluster.change_companion(self.kind, *self._key, patch)
                    there = self._seen(other, answer)
                case Remove(other):
                    answer = self.cluster.remove_companion(self.kind, *self._key, other.uid)
                    there = self._seen(other, answer)
        why = "it is written, and changed again at once: see what admission does to it"
        return Done(trouble=self._trouble(f"{self.kind}Refused", why), retry_s=REFUSED_S)

    def _create(self, manifest: Manifest) -> Companion | None:
        """Create it; give what has the name where it is taken, None where that has gone since."""
        try:
            answer = self.cluster.create_companion(manifest)
        except NameTaken:
            found = self.cluster.companion(self.kind, *self._key)
            return None if found is None else observe(self.kind, found)
        self.companions.put(self.kind, answer)
        return observe(self.kind, answer)

    def _seen(self, before: Companion, answer: Raw | None) -> Companion | None:
        """Take the answer of a write: None where it is gone."""
        if answer is None:
            self.companions.drop(self.kind, self._key, before.uid, before.version)
            return None
        self.companions.put(self.kind, answer)
        return observe(self.kind, answer)

    def _taken(self, other: Companion) -> Done:
        """Tell of somebody else's, and look again: no event of it need reach us."""
        todo = f"delete it, or leave out {_FIELDS[self.kind]}"
        why = f"there is one that is not this worker's; {todo}"
        trouble = None if is_leaving(other) else self._trouble(NAME_TAKEN, why)
        return Done(trouble=trouble, retry_s=CONFLICT_RETRY_S)

    def _trouble(self, reason: str, why: object) -> Trouble:
        return Trouble(reason, f"{self.kind} {self.worker.name}: {why}")

    @property
    def _key(self) -> Key:
        return self.worker.namespace, self.worker.name
