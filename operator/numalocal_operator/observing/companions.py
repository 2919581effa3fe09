"""Services and PodDisruptionBudgets as they were seen last, and what tells ours from others'."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Final

from numalocal import names
from numalocal_operator.observing.versions import Gone, is_old, key_of, version_of
from numalocal_operator.worklist import Key

Raw = Mapping[str, Any]

SERVICE: Final = "Service"
BUDGET: Final = "PodDisruptionBudget"
KINDS: Final = (SERVICE, BUDGET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """A Service or a PodDisruptionBudget that has a worker's name.

    `label` is the worker that it is labelled with, `owner_uid` and `owner_kind` are its
    controller's, all empty where there is none.  `owners` and `spec` are as the API server has
    them.
    """

    kind: str
    name: str
    uid: str
    version: int
    label: str
    owner_uid: str
    owner_kind: str
    owners: tuple[Mapping[str, Any], ...]
    deleting: bool
    spec: Mapping[str, Any]


def observe(kind: str, raw: Raw) -> Companion:
    """Keep what is needed; the largest part of such an object tells who wrote which field."""
    metadata = raw["metadata"]
    owners = tuple(metadata.get("ownerReferences") or ())
    owner: Mapping[str, Any] = next((one for one in owners if one.get("controller")), {})
    return Companion(
        kind=kind,
        name=metadata["name"],
        uid=metadata["uid"],
        version=version_of(metadata),
        label=(metadata.get("labels") or {}).get(names.LABEL_WORKER, ""),
        owner_uid=owner.get("uid", ""),
        owner_kind=owner.get("kind", ""),
        owners=owners,
        deleting="deletionTimestamp" in metadata,
        spec=raw.get("spec") or {},
    )


class Companions:
    """Services and PodDisruptionBudgets as they were seen last, by kind and name.

    Fed by events and by the answers of our writes, from any thread; what is older never takes the
    place of what is newer.  The clock gives seconds and only goes forward.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._lock = Lock()
        self._known: dict[tuple[str, Key], Companion] = {}
        self._gone = Gone(clock)

    def put(self, kind: str, raw: Raw) -> bool:
        """Take one; tell whether that is news."""
        metadata = raw["metadata"]
        place = kind, key_of(metadata)
        now = observe(kind, raw)
        with self._lock:
            before = self._known.get(place)
            gone = self._gone.has(now.uid, now.version)
            if gone or (before and is_old(now.version, before.version)):
                return False
            self._known[place] = now
        return before is None or replace(before, version=now.version) != now

    def drop(self, kind: str, key: Key, uid: str, version: int) -> bool:
        """Forget one that is gone as of a version; tell whether it was known.

        One that has lost our label is gone as well, and may come back.
        """
        with self._lock:
            self._gone.add(uid, version)
            known = self._known.get((kind, key))
            if known is None or known.uid != uid:
                return False
            del self._known[kind, key]
        return True

    def of(self, key: Key) -> Mapping[str, Companion]:
        """Give those that have a worker's name, by kind."""
        found = {kind: self._known.get((kind, key)) for kind in KINDS}
        return {kind: one for kind, one in found.items() if one is not None}

    def versions(self) -> dict[str, int]:
        """Give the version of each by its uid."""
        with self._lock:
            return {one.uid: one.version for one in self._known.values()}

    def keep(self, missing: Collection[str]) -> frozenset[Key]:
        """Forget what is missing, by uid; give whose it was."""
        with self._lock:
            gone = [found for found in self._known.items() if found[1].uid in missing]
        return frozenset(
            key for (kind, key), one in gone if self.drop(kind, key, one.uid, one.version)
        )
