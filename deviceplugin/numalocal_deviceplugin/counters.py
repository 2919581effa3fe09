"""What has happened since the agent's start, counted by whoever sees it; node/table.py names it."""

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Count(StrEnum):
    """Events; each has one label at most, of few values."""

    ALLOCATIONS = "allocations"
    ALLOCATION_REFUSALS = "allocation_refusals"
    CONTAINER_CREATIONS = "container_creations"
    CONTAINER_REFUSALS = "container_refusals"
    UNBOUND_STARTS = "unbound_starts"
    CORRECTIONS = "corrections"
    CORRECTION_FAILURES = "correction_failures"
    RUNTIME_CONNECTIONS = "runtime_connections"
    RUNTIME_SYNCHRONIZATIONS = "runtime_synchronizations"
    KUBELET_REGISTRATIONS = "kubelet_registrations"
    PUBLISHING_FAILURES = "publishing_failures"


class Duration(StrEnum):
    """Calls whose time is taken."""

    ALLOCATE = "allocate"
    CREATE_CONTAINER = "create_container"
    SYNCHRONIZE = "synchronize"


class Creation(StrEnum):
    """What became of a container that was created: label of CONTAINER_CREATIONS."""

    BOUND = "bound"
    SHARED = "shared"
    LEFT_ALONE = "left_alone"


class Cause(StrEnum):
    """Why a live container was moved: label of CORRECTIONS."""

    DRIFT = "drift"
    PLACEMENT = "placement"


BUCKETS_S: Final = (
    0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0,
)  # fmt: skip
"""Upper bounds; the runtime waits 2 s for an answer, and the promises are 2, 3 and 100 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """`counts` has one number for each bucket, and one more for what took longer than any."""

    counts: tuple[int, ...] = (0,) * (len(BUCKETS_S) + 1)
    sum_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """All counts at one moment; `listed_at_s` is Unix time, 0 = the kubelet has never listed."""

    counts: Mapping[tuple[Count, str], int] = field(default_factory=dict)
    durations: Mapping[Duration, Histogram] = field(default_factory=dict)
    listed_at_s: float = 0.0


class Counters:
    """Count; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[Count, str], int] = {}
        self._buckets = {one: [0] * (len(BUCKETS_S) + 1) for one in Duration}
        self._sums_s = dict.fromkeys(Duration, 0.0)
        self._listed_at_s = 0.0
        self._unbound: frozenset[str] = frozenset()

    def add(self, what: Count, label: str = "", *, by: int = 1) -> None:
        """Count an event."""
        with self._lock:
            self._counts[what, label] = self._counts.get((what, label), 0) + by

    def unbound_starts(self, ids: AbstractSet[str]) -> None:
        """Count those of these containers that are not counted yet: pools change, starts do not."""
        with self._lock:
            new = ids - self._unbound
            self._unbound |= new
        self.add(Count.UNBOUND_STARTS, by=len(new))

    def live(self, ids: AbstractSet[str]) -> None:
        """Take the ids of all containers that there are: no other will be seen again."""
        with self._lock:
            self._unbound &= ids

    def observe(self, what: Duration, took_s: float) -> None:
        """Take how long a call took, in seconds."""
        with self._lock:
            self._buckets[what][bisect_left(BUCKETS_S, took_s)] += 1
            self._sums_s[what] += took_s

    @contextmanager
    def timed(self, what: Duration) -> Iterator[None]:
        """Take how long this lasts, however it ends."""
        started_s = time.perf_counter()
        try:
            yield
        finally:
            self.observe(what, time.perf_counter() - started_s)

    def listed(self) -> None:
        """Remember that the kubelet has told now who has which devices."""
        with self._lock:
            self._listed_at_s = time.time()

    def now(self) -> Counted:
        """Give all counts as they are now."""
        with self._lock:
            return Counted(
                counts=dict(self._counts),
                durations={
                    one: Histogram(counts=tuple(self._buckets[one]), sum_s=self._sums_s[one])
                    for one in Duration
                },
                listed_at_s=self._listed_at_s,
            )
