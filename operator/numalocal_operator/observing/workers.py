"""Workers as they were seen last, small enough to be thousands."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from numalocal_operator.observing.versions import FOR_EVER, Gone, is_old, key_of, version_of
from numalocal_operator.worklist import Key

STATUS_EVERY_S: Final = 1.0

Raw = Mapping[str, Any]
Keys = frozenset[Key]


@dataclass(slots=True)
class _Worker:
    """A worker as bytes: as mappings thousands would be too large.

    `read` tells that its spec could be read; `good` is the last that could, where this one cannot.
    """

    uid: str
    version: int
    data: bytes
    generation: int
    good: bytes | None = None
    read: bool = False
    told_at_s: float = float("-inf")


class Workers:
    """What is known of workers; all threads may use it.

    The clock gives seconds and only goes forward.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._workers: dict[Key, _Worker] = {}
        self._gone = Gone(clock)

    def put_worker(self, raw: Raw) -> bool:
        """Take a worker; tell whether that is news."""
        metadata = raw["metadata"]
        key, uid, version = key_of(metadata), metadata["uid"], version_of(metadata)
        kept = {field: value for field, value in metadata.items() if field != "managedFields"}
        data = json.dumps({**raw, "metadata": kept}, separators=(",", ":")).encode()
        now = _Worker(uid, version, data, int(metadata.get("generation", 0)))
        with self._lock:
            before = self._workers.get(key)
            if self._gone.has(uid, version) or (before and is_old(version, before.version)):
                return False
            if before and before.uid == uid:
                if before.data == data:
                    before.version = version
                    return False
                now.told_at_s = before.told_at_s
                now.read = before.read and before.generation == now.generation
                now.good = before.data if before.read and not now.read else before.good
            self._workers[key] = now
        return True

    def drop_worker(self, metadata: Raw) -> bool:
        """Forget a worker that is gone; tell whether it was known."""
        key, uid = key_of(metadata), metadata["uid"]
        with self._lock:
            self._gone.add(uid, FOR_EVER)
            if key not in self._workers or self._workers[key].uid != uid:
                return False
            del self._workers[key]
        return True

    def worker(self, key: Key) -> Raw | None:
        """Give a worker as it is now; None where there is none."""
        found = self._workers.get(key)
        return None if found is None else dict(json.loads(found.data))

    def was_read(self, key: Key, generation: int) -> None:
        """Note that the spec of a worker's generation could be read."""
        with self._lock:
            found = self._workers.get(key)
            if found is not None and found.generation == generation:
                found.read, found.good = True, None

    def last_good(self, key: Key) -> Raw | None:
        """Give the worker as it was when its spec could be read last, where this one cannot."""
        found = self._workers.get(key)
        return None if found is None or found.good is None else dict(json.loads(found.good))

    def keep_good(self, key: Key, raw: Raw) -> None:
        """Take what a worker asked last from where it was kept."""
        with self._lock:
            if found := self._workers.get(key):
                found.good = json.dumps(raw).encode()

    def keys(self) -> Keys:
        """Name all workers."""
        with self._lock:
            return frozenset(self._workers)

    def status_wait_s(self, key: Key) -> float:
        """Give the seconds until a worker's status may be written again; 0 or less is now."""
        found = self._workers.get(key)
        return 0.0 if found is None else found.told_at_s + STATUS_EVERY_S - self._clock()

    def status_written(self, key: Key) -> None:
        """Note that a worker's status is being written."""
        if found := self._workers.get(key):
            found.told_at_s = self._clock()
