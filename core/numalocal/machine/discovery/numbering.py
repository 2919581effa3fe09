"""How a kernel counts the CPUs of its cores: siblings side by side, or one round after another."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from numalocal.idset import IdSet, union


class Numbering(NamedTuple):
    """How far the siblings of a core are from its first: (0, 1) side by side, or (0, 64).

    `starts` are the ids at which a core can begin, as a block of ids and the part of it at its
    start: (2, 1) for every second id, (128, 64) for the first half of each 128.  None where the
    cores follow no such rule.
    """

    offsets: tuple[int, ...]
    starts: tuple[int, int] | None

    def cores_with(self, cpu: int) -> Iterator[IdSet]:
        """Give the cores that could hold a CPU."""
        for offset in self.offsets:
            first = cpu - offset
            if first >= 0 and _begins(first, self.starts):
                yield IdSet.of(first + other for other in self.offsets)


def numbering_of(cores: Sequence[IdSet], offline: int) -> Numbering | None:
    """Find how the cores of one kind count.

    None where more of them have fewer CPUs than others than CPUs that are offline can explain.
    """
    shapes = Counter(tuple(cpu - core.first for cpu in core) for core in cores)
    offsets = max(shapes, key=lambda shape: (len(shape), shapes[shape]))
    if sum(len(core) < len(offsets) for core in cores) > offline:
        return None
    step = offsets[-1] // max(1, len(offsets) - 1) or 1
    starts = (step * len(offsets), step)
    even = tuple(range(0, step * len(offsets), step)) == offsets
    full = (core.first for core in cores if len(core) == len(offsets))
    return Numbering(
        offsets, starts if even and all(_begins(one, starts) for one in full) else None
    )


def pairs(online: IdSet, offline: IdSet) -> tuple[IdSet, ...]:
    """Pair every online CPU with a sibling that is offline, as the numbering of all tells.

    Cores of two that are offline as a whole are among them.  Empty where there is no way, or more
    than one.
    """
    cpus = online | offline
    steps = {1, abs(offline.first - online.first), len(cpus) // 2}
    ways = [found for step in sorted(steps) if (found := _paired(cpus, online, step))]
    return ways[0] if len(ways) == 1 else ()


def _paired(cpus: IdSet, online: IdSet, step: int) -> tuple[IdSet, ...]:
    if not step:
        return ()
    firsts = [cpu for cpu in cpus if _begins(cpu - cpus.first, (2 * step, step))]
    made = tuple(IdSet.of([cpu, cpu + step]) for cpu in firsts)
    fits = union(made) == cpus and not any(core <= online for core in made)
    return made if fits else ()


def _begins(first: int, starts: tuple[int, int] | None) -> bool:
    return starts is None or first % starts[0] < starts[1]
