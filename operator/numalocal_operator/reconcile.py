"""One round for one worker: observe, plan, apply."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Final

from numalocal.errors import SpecInvalid
from numalocal.worker import limits
from numalocal.worker.inject import Manifest, PoolNumbers
from numalocal.worker.spec import Worker, parse_worker
from numalocal_operator.accompanying import accompany
from numalocal_operator.api.answers import TROUBLE
from numalocal_operator.api.cluster import Cluster, Raw
from numalocal_operator.api.gate import NotLeading
from numalocal_operator.applying import TAKEN_RETRY_S, Done, Hands, Make, carry_out
from numalocal_operator.config import Config
from numalocal_operator.observing.observed import ObservedPod
from numalocal_operator.observing.store import Store
from numalocal_operator.observing.topologies import Topologies
from numalocal_operator.planning.placements import unable
from numalocal_operator.planning.plan import Creation, Plan, plan
from numalocal_operator.planning.pod import Mould, manifest, mould, owner
from numalocal_operator.planning.target import Target, target, unread
from numalocal_operator.remembering import keep, recall, told
from numalocal_operator.sizing import Sized, Sizing
from numalocal_operator.telling import Voice
from numalocal_operator.worklist import Key

_MOST_TURNS: Final = 8
"""How often in a round to plan again because names are taken: what is left waits some seconds."""


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
            one.voice.fail(error)
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

    @property
    def voice(self) -> Voice:
        """Give what speaks of this worker."""
        return Voice(self.rounds.cluster, self.rounds.store, self.key, self.raw, self.now)

    def run(self) -> tuple[float | None, Exception | None]:
        """Return after how many seconds to look again, and what was told and is to be raised."""
        store = self.rounds.store
        try:
            worker, sized = self._parsed()
        except SpecInvalid as error:
            known = self._last_good()
            if known is None:
                wanted, kept = unread(self.raw, error), told(self.raw)
                return self.voice.say(wanted, self._pods(), Plan(), None, kept), None
            # A typing error must not stop what serves: pods go on as they were asked last.
            worker, sized = replace(known, paused=True), self.rounds.sizing.of(known)
            wanted = replace(target(worker), generation=self._generation, problem=str(error))
            kept = told(self.raw)
        else:
            store.was_read(self.key, self._generation)
            wanted = target(worker)
            kept = keep(self.rounds.cluster, self.raw, owner(worker))
        step, done = self._work(worker, sized)
        beside = accompany(self.rounds.cluster, store.companions, worker)
        wanted = self._foreseen(worker, sized, wanted)
        trouble = done.trouble or beside.trouble
        left_s = self.voice.say(wanted, self._pods(), step, trouble, kept)
        foreign_s = store.foreign_left_s(self.key)
        waits = (step.requeue_after_s, done.retry_s, beside.retry_s, left_s, foreign_s)
        again_s = min((wait_s for wait_s in waits if wait_s is not None), default=None)
        return again_s, done.error or beside.error

    def _work(self, worker: Worker, sized: Sized) -> tuple[Plan, Done]:
        """Plan and carry out, again where a name was taken by a pod that nobody told of."""
        self._read(self.rounds.store.doubts(self.key))
        for _ in range(_MOST_TURNS):
            numbers, pods = sized.numbers, self._pods()
            barred = sized.barred(unable(pods, worker.memory))
            self.rounds.store.hold(self.key, held=barred.never)
            step = plan(worker, pods, self.now.timestamp(), numbers, barred)
            hands = Hands(
                cluster=self.rounds.cluster,
                store=self.rounds.store,
                worker=worker,
                make=self._maker(worker, numbers, barred.nodes),
                tell=self.voice.tell,
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

    def _parsed(self) -> tuple[Worker, Sized]:
        """Read what is asked and what nodes are to it; refuse a CPU limit below all those sets.

        Raises:
            SpecInvalid: with every problem.
        """
        worker = parse_worker(self.raw)
        template, sized = worker.template, self.rounds.sizing.of(worker)
        each = sized.numbers.cpus_per_set
        limits.refuse_quota(template.raw, template.engine.name, worker.ranks, each)
        return worker, sized

    def _foreseen(self, worker: Worker, sized: Sized, wanted: Target) -> Target:
        """Say what nodes are to a worker, where not all of its replicas have one."""
        ours = [pod for pod in self._pods() if pod.owner_uid == worker.uid and not pod.terminal]
        if sum(bool(pod.node) or pod.ready for pod in ours) >= worker.replicas:
            return wanted
        waiting = (pod.admitted for pod in ours if not (pod.node or pod.deleting))
        return sized.foreseen(wanted, next(waiting, None))

    def _last_good(self) -> Worker | None:
        """Find what the worker asked when its spec could be read last."""
        found = self.rounds.store.last_good(self.key)
        if found is None and (found := recall(self.rounds.cluster, self.raw)) is not None:
            self.rounds.store.keep_good(self.key, found)
        try:
            return None if found is None else parse_worker(found)
        except SpecInvalid:  # an older operator could read what this one cannot
            return None

    def _maker(self, worker: Worker, numbers: PoolNumbers, off: Sequence[str]) -> Make:
        @cache
        def cast() -> Mould:
            return mould(worker, numbers, self.rounds.config, off)

        def make(creation: Creation) -> Manifest:
            return manifest(cast(), creation.replica, attempt=creation.attempt, name=creation.name)

        return make

    @property
    def _generation(self) -> int:
        return int(self.raw["metadata"].get("generation", 0))

    def _pods(self) -> list[ObservedPod]:
        return self.rounds.store.pods(self.key, self.rounds.topologies.started)
