"""What Prometheus is told: the node as it is when it asks, and what was counted since the start."""

from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from numalocal_deviceplugin.counters import Cause, Counted, Creation, Histogram
from numalocal_deviceplugin.facts import Phase
from numalocal_deviceplugin.node import cgroups, locality, table, usage
from numalocal_deviceplugin.node.document import FREE, HELD, UNAVAILABLE, states
from numalocal_deviceplugin.node.exposition import Exposition
from numalocal_deviceplugin.node.locality import Bound
from numalocal_deviceplugin.node.table import Metric, Sample
from numalocal_deviceplugin.refusals import Reason
from numalocal_deviceplugin.snapshot import Snapshot
from numalocal_deviceplugin.state import State

_REFUSES_CREATION: Final = (Reason.NOT_BOUND, Reason.CPUS_HELD)
_LABEL_LENGTH: Final = 128


class _Standing(NamedTuple):
    """What a scrape tells until the node changes."""

    of: Snapshot
    bound: tuple[Bound, ...]
    samples: tuple[Sample, ...]


class Metrics:
    """Make the text of one scrape; may be asked by several threads.

    Containers' cgroups are below `root`; `version` is the agent's and `node` the node's name.
    """

    def __init__(self, state: State, root: Path, version: str, node: str) -> None:
        self._state = state
        self._root = root
        self._about = version, node
        self._kept: _Standing | None = None
        self._exposition = Exposition()

    def text(self) -> bytes:
        """Write every metric of the table as Prometheus reads it, with the values of now."""
        now, counted = self._state.snapshot(), self._state.counters.now()
        pools = [pool.name for pool in now.node.partition.pools]
        values: dict[Metric, list[Sample]] = {one: [] for one in table.VALUES}
        values[table.BUILD_INFO].append(Sample(table.BUILD_INFO, self._about, 1))
        standing = self._standing(now)
        used = self._used(standing.bound)
        for one in (*standing.samples, *_counts(counted, pools), *used):
            values[one.metric].append(one)
        durations = {
            metric: counted.durations.get(duration, Histogram())
            for duration, metric in table.DURATIONS.items()
        }
        return self._exposition.text({**values, **durations})

    def _standing(self, now: Snapshot) -> _Standing:
        """Work out what stands; a node at rest is asked for the same over and over."""
        kept = self._kept
        if kept is None or kept.of is not now:
            bound = locality.bound(now.node)
            ranks = (sample for one in _shown(bound) for sample in locality.ranks(one))
            kept = self._kept = _Standing(now, bound, (*_node(now), *ranks))
        return kept

    def _used(self, bound: tuple[Bound, ...]) -> Iterator[Sample]:
        read = 0
        with closing(cgroups.Tree(self._root)) as tree:
            for one in _shown(bound):
                parts = cgroups.parts_of(one.container.cgroup)
                if parts is not None and (used := usage.read(tree, parts)) is not None:
                    read += 1
                    yield from locality.used(one, used)
        yield Sample(table.BOUND, (), len(bound))
        yield Sample(table.NOT_READ, (), len(bound) - read)


def _shown(bound: tuple[Bound, ...]) -> tuple[Bound, ...]:
    return bound[: locality.MOST_SHOWN]


def _node(now: Snapshot) -> Iterator[Sample]:
    runtime = now.facts.runtime
    if runtime.told.name:
        told = runtime.told.name[:_LABEL_LENGTH], runtime.told.version[:_LABEL_LENGTH]
        yield Sample(table.RUNTIME_INFO, told, 1)
    yield Sample(table.SYNCHRONIZED, (), runtime.phase is Phase.SYNCHRONIZED)
    yield from _sets(now)
    yield Sample(table.LENT_CPUS, (), len(now.node.lent))
    reasons = Tally(one.reason for one in now.refusals)
    for reason in Reason:
        yield Sample(table.REFUSALS, (reason,), reasons[reason])


def _sets(now: Snapshot) -> Iterator[Sample]:
    tally = Tally((one.pool, state) for one, state, _ in states(now))
    for pool in now.node.partition.pools:
        for state in (FREE, HELD, UNAVAILABLE):
            yield Sample(table.CPU_SETS, (pool.name, state), tally[pool.name, state])


def _counts(counted: Counted, pools: Iterable[str]) -> Iterator[Sample]:
    """Give all counts, those that are 0 as well: a rate needs where it began."""
    values = {
        "pool": tuple(pools),
        "reason": _REFUSES_CREATION,
        "result": tuple(Creation),
        "cause": tuple(Cause),
    }
    zeros = {
        (count, label): 0
        for count, metric in table.COUNTS.items()
        for label in (values[metric.labels[0]] if metric.labels else ("",))
    }
    for (count, label), number in {**zeros, **counted.counts}.items():
        metric = table.COUNTS[count]
        yield Sample(metric, (label,) if metric.labels else (), number)
    yield Sample(table.LISTED, (), counted.listed_at_s)
