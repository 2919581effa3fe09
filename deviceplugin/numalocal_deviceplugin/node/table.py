"""Every metric of the agent: the one table that output, documents, dashboard and alerts follow.

Units are seconds, bytes and ratios from 0 to 1.  The values of labels are few: names of pods that
hold CPU sets, of pools, of reasons.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from numalocal_deviceplugin.counters import Count, Duration

PREFIX: Final = "numalocal_"


class Kind(StrEnum):
    """How a value behaves, as Prometheus names it."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """One metric; `name` is all of it, with `_total` where it is a counter."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


class Sample(NamedTuple):
    """One value of a metric; `labels` are the values, in the order of the metric's names."""

    metric: Metric
    labels: tuple[str, ...]
    value: float


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(PREFIX + name, Kind.GAUGE, text, labels)


def _total(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"{PREFIX}{name}_total", Kind.COUNTER, text, labels)


def _seconds(name: str, text: str) -> Metric:
    return Metric(f"{PREFIX}{name}_duration_seconds", Kind.HISTOGRAM, text)


_CONTAINER: Final = ("namespace", "pod", "container")

BUILD_INFO: Final = _gauge(
    "build_info", "Always 1; the agent's version, and the node that it is of.", "version", "node"
)
RUNTIME_INFO: Final = _gauge(
    "runtime_info", "Always 1; what the container runtime says it is.", "name", "version"
)
SYNCHRONIZED: Final = _gauge(
    "runtime_synchronized", "1 while the container runtime is connected and has told what runs."
)
CPU_SETS: Final = _gauge(
    "cpu_sets",
    "CPU sets of this node: Free, Held by a pod, or Unavailable as one of the refusals says.",
    *("pool", "state"),
)
LENT_CPUS: Final = _gauge(
    "lent_cpus", "CPUs of sets that nobody holds, which all other containers may use meanwhile."
)
REFUSALS: Final = _gauge(
    "refusals", "What is not served now: reasons of the node, of sets and of containers.", "reason"
)
LISTED: Final = _gauge(
    "kubelet_listing_timestamp_seconds",
    "When the kubelet last told which pods have which CPU sets; 0 = never.",
)

COUNTS: Final = {
    Count.ALLOCATIONS: _total(
        Count.ALLOCATIONS, "Containers for which the kubelet was given CPU sets.", "pool"
    ),
    Count.ALLOCATION_REFUSALS: _total(
        Count.ALLOCATION_REFUSALS, "Calls of Allocate that were answered by an error.", "pool"
    ),
    Count.CONTAINER_CREATIONS: _total(
        Count.CONTAINER_CREATIONS,
        "Containers created: bound to CPU sets, moved to shared CPUs, or left_alone.",
        "result",
    ),
    Count.CONTAINER_REFUSALS: _total(
        Count.CONTAINER_REFUSALS, "Containers whose creation was refused.", "reason"
    ),
    Count.UNBOUND_STARTS: _total(
        Count.UNBOUND_STARTS,
        "Containers found that have CPU sets and were created while the agent was away.",
    ),
    Count.CORRECTIONS: _total(
        Count.CORRECTIONS,
        "Live containers moved: for placement, as sets or CPUs come and go, or for drift, as "
        "somebody else had changed what they may use.",
        "cause",
    ),
    Count.CORRECTION_FAILURES: _total(
        Count.CORRECTION_FAILURES, "Moves of live containers that the container runtime refused."
    ),
    Count.RUNTIME_CONNECTIONS: _total(
        Count.RUNTIME_CONNECTIONS, "Registrations with the container runtime."
    ),
    Count.RUNTIME_SYNCHRONIZATIONS: _total(
        Count.RUNTIME_SYNCHRONIZATIONS, "Full lists of containers that the runtime has sent."
    ),
    Count.KUBELET_REGISTRATIONS: _total(
        Count.KUBELET_REGISTRATIONS, "Registrations with the kubelet.", "pool"
    ),
    Count.PUBLISHING_FAILURES: _total(
        Count.PUBLISHING_FAILURES, "Failed writes of this node's object to the API server."
    ),
}
DURATIONS: Final = {
    Duration.ALLOCATE: _seconds(Duration.ALLOCATE, "Time to answer the kubelet's Allocate."),
    Duration.CREATE_CONTAINER: _seconds(
        Duration.CREATE_CONTAINER, "Time to answer the runtime's CreateContainer; its limit is 2 s."
    ),
    Duration.SYNCHRONIZE: _seconds(
        Duration.SYNCHRONIZE, "Time to answer one part of the runtime's full list of containers."
    ),
}

BOUND: Final = _gauge("bound_containers", "Live containers that have CPU sets.")
NOT_READ: Final = _gauge(
    "bound_containers_not_read",
    "Those of which no use is shown: no cgroup of theirs was found, or they are too many.",
)
RANK_CPUS: Final = _gauge(
    "rank_cpus",
    "CPUs online of a rank's CPU set, with its NUMA node; use is told by container, as the kernel "
    "does not tell a container's processes apart.",
    *(*_CONTAINER, "rank", "cpu_set", "numa_node"),
)
MEMORY: Final = _gauge(
    "container_memory_bytes",
    "Anonymous and file memory on a NUMA node (memory.numa_stat); reserved huge pages are not in "
    "it.",
    *(*_CONTAINER, "numa_node"),
)
LOCAL: Final = _gauge(
    "container_memory_local_ratio",
    "Share of that memory that is on the NUMA nodes that its pod asks for, by default those of its "
    "CPU sets.",
    *_CONTAINER,
)
CPU_SECONDS: Final = _total("container_cpu_seconds", "CPU time used.", *_CONTAINER)
PERIODS: Final = _total(
    "container_cpu_periods", "Periods of a CPU limit that have passed.", *_CONTAINER
)
THROTTLED_PERIODS: Final = _total(
    "container_cpu_throttled_periods", "Those in which the CPU limit stopped threads.", *_CONTAINER
)
THROTTLED_SECONDS: Final = _total(
    "container_cpu_throttled_seconds", "Time for which the CPU limit stopped threads.", *_CONTAINER
)
STALLED: Final = _total(
    "container_pressure_stalled_seconds",
    "Time in which some or all (full) threads waited for cpu, memory or io.",
    *(*_CONTAINER, "resource", "kind"),
)
DRIFTED: Final = _gauge(
    "container_drifted",
    "1 where the CPUs or memory nodes in effect are others than those that it was given.",
    *_CONTAINER,
)

VALUES: Final = (
    BUILD_INFO, RUNTIME_INFO, SYNCHRONIZED, CPU_SETS, LENT_CPUS, REFUSALS, LISTED,
    *COUNTS.values(), BOUND, NOT_READ, RANK_CPUS, MEMORY, LOCAL, CPU_SECONDS, PERIODS,
    THROTTLED_PERIODS, THROTTLED_SECONDS, STALLED, DRIFTED,
)  # fmt: skip
"""All but histograms, in the order of the output."""
TABLE: Final = (*VALUES, *DURATIONS.values())
