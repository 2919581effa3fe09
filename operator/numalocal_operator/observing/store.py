"""Pods as they were seen last, and their workers: by events, and by the answers of our writes.

A round reads this and nothing else.  What is older never takes the place of what is newer, in
whatever order it comes: the answer of a write may overtake the events before it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from numalocal import names
from numalocal_operator.observing.companions import Companions
from numalocal_operator.observing.foreign import Foreign, Seen
from numalocal_operator.observing.observed import ObservedPod
from numalocal_operator.observing.reading import Started, observe
from numalocal_operator.observing.refusals import Refusals
from numalocal_operator.observing.versions import FOR_EVER, is_old, key_of, version_of
from numalocal_operator.observing.workers import Workers
from numalocal_operator.worklist import Key

Raw = Mapping[str, Any]
Keys = frozenset[Key]


class _Pod(NamedTuple):
    """A pod, or what went wrong when it was looked at: that is its worker's round's to tell.

    Of a pod of no worker nothing is kept but that it is known.
    """

    version: int
    keys: Keys
    pod: Seen | None


class Store(Workers):
    """What is known of workers and their pods; all threads may use it.

    Pods are found by the workers that they name, by label or as their owner.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self._pods: dict[str, _Pod] = {}
        self._of: dict[Key, set[str]] = {}
        self._foreign = Foreign(clock)
        self._doubts: dict[Key, set[str]] = {}
        self._held: set[Key] = set()
        self.companions = Companions(clock)
        self.refusals = Refusals(clock)

    def drop_worker(self, metadata: Raw) -> bool:
        """Forget a worker that is gone, and what was in its way; tell whether it was known."""
        known = super().drop_worker(metadata)
        if known:
            with self._lock:
                self._foreign.drop(key_of(metadata))
                self._doubts.pop(key_of(metadata), None)
                self._held.discard(key_of(metadata))
        return known

    def put_pod(self, raw: Raw) -> Keys:
        """Take a pod; give the workers for which that is news."""
        metadata = raw["metadata"]
        uid, version, keys = metadata["uid"], version_of(metadata), _keys(metadata)
        pod = _seen(raw)
        with self._lock:
            before = self._pods.get(uid)
            known = before.version if before else -1
            if self._gone.has(uid, version) or is_old(version, known):
                return frozenset()
            self._pods[uid] = _Pod(version, keys, pod if keys else None)
            for key in keys:
                self._of.setdefault(key, set()).add(uid)
            for key in before.keys - keys if before else ():
                self._unlink(key, uid)
            concerned = self._foreign.see(uid, pod)
            if before is None or (before.keys, before.pod) != (keys, pod):
                concerned |= keys | (before.keys if before else frozenset())
            return concerned

    def drop_pod(self, uid: str, version: int = FOR_EVER) -> Keys:
        """Forget a pod that is gone as of a version; give the workers that it was of."""
        with self._lock:
            known = self._pods.get(uid)
            if known and version < known.version:
                return frozenset()
            self._gone.add(uid, version)
            return self._forget(uid) | self._foreign.see(uid, None)

    def put_read(self, key: Key, raw: Raw) -> None:
        """Take a pod that has one of a worker's names, as it was read just now.

        One that has not our label is foreign: no event will tell that it is gone.
        """
        pod, metadata = _seen(raw), raw["metadata"]
        uid, version = metadata["uid"], version_of(metadata)
        with self._lock:
            # What was said of its end without a version was a guess.
            self._gone.doubt(uid)
            if not self._gone.has(uid, version):
                self._foreign.put(key, uid, pod)
        if names.LABEL_BOUND in (metadata.get("labels") or {}):
            self.put_pod(raw)

    def doubt(self, key: Key, name: str) -> None:
        """Note that a worker may have a pod of a name: the answer of its creation was lost."""
        with self._lock:
            self._doubts.setdefault(key, set()).add(name)

    def doubts(self, key: Key) -> frozenset[str]:
        """Name the pods of a worker of which nobody knows whether they are there."""
        with self._lock:
            return frozenset(self._doubts.get(key, ()))

    def settle(self, key: Key) -> None:
        """Note that these have been read."""
        with self._lock:
            self._doubts.pop(key, None)

    def foreign_left_s(self, key: Key) -> float | None:
        """Give the seconds after which a worker's names are to be tried again; None for never."""
        with self._lock:
            return self._foreign.left_s(key)

    def pods(self, key: Key, started: Started) -> list[ObservedPod]:
        """Give the pods of a worker, and those that are known to have one of its names.

        Raises:
            Exception: what went wrong when one was looked at.
        """
        with self._lock:
            found = {uid: self._pods[uid].pod for uid in self._of.get(key, ())}
            for uid, pod in self._foreign.of(key).items():
                found.setdefault(uid, pod)
        return [_with_start(pod, started) for pod in found.values() if pod is not None]

    def of_pods(self, uids: frozenset[str]) -> Keys:
        """Give the workers of pods."""
        with self._lock:
            return frozenset(
                key for uid in uids if uid in self._pods for key in self._pods[uid].keys
            )

    def hold(self, key: Key, *, held: bool) -> None:
        """Note whether a worker gets no pods while nodes are as they are."""
        with self._lock:
            (self._held.add if held else self._held.discard)(key)

    def waiting(self) -> Keys:
        """Name the workers that have a pod without a node, or that are held."""
        with self._lock:
            pods, held = [(one.keys, one.pod) for one in self._pods.values()], set(self._held)
        unplaced = (keys for keys, pod in pods if isinstance(pod, ObservedPod) and not pod.node)
        return frozenset(held).union(*unplaced)

    def version(self, uid: str) -> int | None:
        """Give the version of a pod as it is known, None where it has none."""
        found = self._pods.get(uid)
        return found.version if found and found.version >= 0 else None

    def versions(self) -> Mapping[str, int]:
        """Give the version of all that is known, by uid."""
        with self._lock:
            pods = {uid: one.version for uid, one in self._pods.items()}
            workers = {one.uid: one.version for one in self._workers.values()}
        return pods | workers | self.companions.versions()

    def keep(self, known: Mapping[str, int], there: frozenset[str]) -> Keys:
        """Forget what was known before a list was asked for and is not in it."""
        missing = known.keys() - there
        with self._lock:
            gone = [key for key, one in self._workers.items() if one.uid in missing]
            for key in gone:
                self._gone.add(self._workers.pop(key).uid, FOR_EVER)
        pods = [uid for uid in missing if uid in self._pods]
        beside = self.companions.keep(missing)
        return beside.union(gone, *(self.drop_pod(uid) for uid in pods))

    def _forget(self, uid: str) -> Keys:
        known = self._pods.pop(uid, None)
        if known is None:
            return frozenset()
        for key in known.keys:
            self._unlink(key, uid)
        return known.keys

    def _unlink(self, key: Key, uid: str) -> None:
        those = self._of[key]
        those.discard(uid)
        if not those:
            del self._of[key]


def _keys(metadata: Raw) -> Keys:
    """Name the workers that a pod names, by label or as its controller."""
    namespace = str(metadata.get("namespace"))
    labels, owners = metadata.get("labels") or {}, metadata.get("ownerReferences") or ()
    named = {str(labels.get(names.LABEL_WORKER) or "")}
    named |= {one["name"] for one in owners if one.get("kind") == names.KIND}
    return frozenset((namespace, name) for name in named if name)


def _unknown(_node: str, _uid: str, _container: str) -> None:
    """Leave to each look what nodes tell: it changes without an event of the pod."""


def _seen(raw: Raw) -> Seen:
    try:
        return observe(raw, _unknown)
    except Exception as error:
        return error


def _with_start(pod: Seen, started: Started) -> ObservedPod:
    if isinstance(pod, Exception):
        raise pod
    told = started(pod.node, pod.uid, pod.engine_id) if pod.engine_id else None
    return pod if told is pod.started else replace(pod, started=told)
