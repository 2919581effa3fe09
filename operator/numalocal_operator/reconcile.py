"""One round for one worker: observe, plan, apply."""

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from numalocal.errors import SpecInvalid
from numalocal.worker import limits
from numalocal.worker.inject import Manifest, PoolNumbers
from numalocal.worker.spec import Worker, parse_worker
from numalocal_operator.accompanying import accompany
from numalocal_operator.api.answers import TROUBLE, is_lasting, sentence
from numalocal_operator.api.cluster import Cluster, Raw
from numalocal_operator.api.connection import NotLeading
from numalocal_operator.applying import TAKEN_RETRY_S, Done, Hands, Make, carry_out
from numalocal_operator.config import Config
from numalocal_operator.observing.observed import ObservedPod
from numalocal_operator.observing.store import Store
from numalocal_operator.observing.topologies import Topologies
from numalocal_operator.planning import conditions, progress
from numalocal_operator.planning import status as statuses
from numalocal_operator.planning.plan import Creation, Plan, plan
from numalocal_operator.planning.pod import manifest, owner
from numalocal_operator.planning.target import Target, target, unread
from numalocal_operator.planning.troubles import API_ERROR, INTERNAL_ERROR, Trouble
from numalocal_operator.remembering import forget, keep, recall
from numalocal_operator.sizing import Sizing
from numalocal_operator.worklist import Key

_MOST_TURNS: Final = 8
"""How often in a round to plan again because names are taken: what is left waits some seconds."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rounds:
    """What all rounds work with."""

    cluster: Cluster
    config: Config
    topologies: Topologies
    sizing: Sizing
    store: Store


def reconcile(rounds: Rounds, key: Key, *, now: datetime | None = None) -> float | None:
    """Bring a worker one step further; return after how many seconds to look again, if at all.

    `key` is its namespace and name.  What is written enters the store at once, and events of what
    changes bring the next round.  A worker that is gone or going needs nothing: its pods have it as
    owner, and the garbage collector removes them.  What nobody foresaw is raised, and told in the
    status as well.
    """
    raw = rounds.store.worker(key)
    if raw is None or "deletionTimestamp" in raw["metadata"]:
        return None
    one = _Round(rounds, key, raw, now or datetime.now(UTC))
    try:
        again_s, refused = one.run()
    except NotLeading:
        raise
    except Exception as error:
        with suppress(*TROUBLE):
            one.fail(error)
        raise
    if refused is not None:
        raise refused
    return again_s


@dataclass(frozen=True, slots=True)
class _Round:
    """What one round works with; `raw` is the worker as the API server gives it."""

    rounds: Rounds
    key: Key
    raw: Raw
    now: datetime

    def run(self) -> tuple[float | None, Exception | None]:
        """Return after how many seconds to look again, and what was told and is to be raised."""
        store = self.rounds.store
        try:
            worker = self._parsed()
        except SpecInvalid as error:
            known = self._last_good()
            if known is None:
                return self._say(unread(self.raw, error), Plan(), None, self._told_revision), None
            # A typing error must not stop what serves: pods go on as they were asked last.
            worker = replace(known, paused=True)
            wanted = replace(target(worker), generation=self._generation, problem=str(error))
            kept = self._told_revision
        else:
            store.was_read(self.key, self._generation)
            wanted = target(worker)
            kept = keep(self.rounds.cluster, self.raw, owner(worker))
        step, done = self._work(worker)
        beside = accompany(self.rounds.cluster, store.companions, worker)
        wanted = self._foreseen(worker, wanted)
        left_s = self._say(wanted, step, done.trouble or beside.trouble, kept)
        foreign_s = store.foreign_left_s(self.key)
        waits = (step.requeue_after_s, done.retry_s, beside.retry_s, left_s, foreign_s)
        again_s = min((wait_s for wait_s in waits if wait_s is not None), default=None)
        return again_s, done.error or beside.error

    def _work(self, worker: Worker) -> tuple[Plan, Done]:
        """Plan and carry out, again where a name was taken by a pod that nobody told of."""
        self._read(self.rounds.store.doubts(self.key))
        for _ in range(_MOST_TURNS):
            numbers = self.rounds.sizing.numbers(worker)
            step = plan(worker, self._pods(), self.now.timestamp(), numbers)
            hands = Hands(
                cluster=self.rounds.cluster,
                store=self.rounds.store,
                worker=worker,
                make=self._maker(worker, numbers),
                tell=self._tell,
            )
            done = carry_out(step, hands)
            if not done.taken:
                return step, done
            self._read(done.taken)
        return step, replace(done, retry_s=TAKEN_RETRY_S)

    def _read(self, pods: Iterable[str]) -> None:
        """Look at pods by their names: the only reading of a round."""
        store = self.rounds.store
        for name in pods:
            found = self.rounds.cluster.pod(self.key[0], name)
            if found is not None:
                store.put_read(self.key, found)
        store.settle(self.key)

    def _parsed(self) -> Worker:
        """Read what is asked, and refuse a CPU limit below all sets that it can get.

        Raises:
            SpecInvalid: with every problem.
        """
        worker = parse_worker(self.raw)
        template, each = worker.template, self.rounds.sizing.numbers(worker).cpus_per_set
        limits.refuse_quota(template.raw, template.engine.name, worker.ranks, each)
        return worker

    def _foreseen(self, worker: Worker, wanted: Target) -> Target:
        """Say what nodes are to a worker, where not all of its replicas have one."""
        sizing = self.rounds.sizing
        ours = [pod for pod in self._pods() if pod.owner_uid == worker.uid and not pod.terminal]
        if sum(bool(pod.node) or pod.ready for pod in ours) >= worker.replicas:
            return wanted
        numbers = sizing.numbers(worker)
        return sizing.foreseen(worker, replace(wanted, cpus_per_set=numbers.cpus_per_set))

    def _last_good(self) -> Worker | None:
        """Find what the worker asked when its spec could be read last."""
        found = self.rounds.store.last_good(self.key)
        if found is None and (found := recall(self.rounds.cluster, self.raw)) is not None:
            self.rounds.store.keep_good(self.key, found)
        try:
            return None if found is None else parse_worker(found)
        except SpecInvalid:  # an older operator could read what this one cannot
            return None

    def _maker(self, worker: Worker, numbers: PoolNumbers) -> Make:
        def make(creation: Creation) -> Manifest:
            return manifest(
                worker,
                creation.replica,
                numbers=numbers,
                attempt=creation.attempt,
                config=self.rounds.config,
                name=creation.name,
            )

        return make

    def fail(self, error: Exception) -> None:
        """Tell of an error that the next round may meet again."""
        if not isinstance(error, TROUBLE):
            what = f"a fault of the operator ({type(error).__name__}) keeps it from this worker"
            trouble = Trouble(INTERNAL_ERROR, f"{what}: its log has the trace")
        elif is_lasting(error):
            trouble = Trouble(API_ERROR, sentence(error))
        else:
            return  # of the moment: a busy API server needs no writes for each worker
        stamp = self._timestamp()
        self._publish(statuses.failed(trouble, self._generation, self._old, stamp))

    @property
    def _generation(self) -> int:
        return int(self.raw["metadata"].get("generation", 0))

    @property
    def _old(self) -> Mapping[str, Any]:
        return self.raw.get("status") or {}

    @property
    def _told_revision(self) -> str:
        return str(self._old.get("currentRevision") or "")

    def _pods(self) -> list[ObservedPod]:
        return self.rounds.store.pods(self.key, self.rounds.topologies.started)

    def _say(self, wanted: Target, step: Plan, trouble: Trouble | None, kept: str) -> float | None:
        """Write the status; return in how many seconds it is to be looked at, None for never."""
        pods = self._pods()
        left_s = progress.left_s(wanted, pods, step, self._old, self.now.timestamp())
        new = statuses.status(
            wanted,
            pods,
            step,
            self._old,
            self._timestamp(),
            trouble=trouble,
            overdue=left_s <= 0,
        )
        new |= {"currentRevision": kept} if kept else {}
        if (wait_s := self._publish(new)) is not None:
            return wait_s
        # A spec that cannot be read has no deadline: only another one helps.
        settled = statuses.is_ready(new) or wanted.revision is None
        return None if settled or left_s <= 0 else left_s

    def _publish(self, new: Mapping[str, Any]) -> float | None:
        """Write the status where it changed, and an Event where something new is wrong.

        Return in how many seconds to come again where it was written too short a time ago.
        """
        if all(self._old.get(key) == value for key, value in new.items()):
            return None
        cluster, store = self.rounds.cluster, self.rounds.store
        if (wait_s := store.status_wait_s(self.key)) > 0:
            return wait_s
        store.status_written(self.key)
        if (answer := cluster.patch_status(*self.key, new)) is not None:
            store.put_worker(answer)
            forget(cluster, self.raw, new.get("currentRevision", self._told_revision))
        before, wrong = _degraded(self._old), _degraded(new)
        if wrong is not None and (before is None or _kind(before) != _kind(wrong)):
            reason, message = wrong["reason"], wrong["message"]
            cluster.event(self.raw, "Warning", reason, message, self._timestamp())
        return None

    def _tell(self, reason: str, message: str) -> None:
        metadata = self.raw["metadata"]
        fields = {"namespace": metadata["namespace"], "worker": metadata["name"], "reason": reason}
        _log.info("pods changed", extra={**fields, "what": message})
        self.rounds.cluster.event(self.raw, "Normal", reason, message, self._timestamp())

    def _timestamp(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _degraded(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Give the condition of a degraded status, None where it is none."""
    found: list[Mapping[str, Any]] = status.get("conditions") or []
    wrong = (one for one in found if one["type"] == conditions.DEGRADED)
    return next((one for one in wrong if one["status"] == "True"), None)


def _kind(condition: Mapping[str, Any]) -> tuple[object, ...]:
    """Tell conditions apart; messages with free memory in them differ every time."""
    return condition["reason"], condition.get("observedGeneration")
