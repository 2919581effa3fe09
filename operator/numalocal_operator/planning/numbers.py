"""What a pod is to be sized by: the nodes that it can land on in, numbers of its pool out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from numalocal.problems import printable
from numalocal.sets.memoryask import Overflow
from numalocal.worker.ask import Ask
from numalocal.worker.inject import PoolNumbers
from numalocal_operator.observing.nodes import Node
from numalocal_operator.observing.told import Offer, Told
from numalocal_operator.planning.ability import Inability, inability
from numalocal_operator.planning.constraints import Constraints, is_selected, obstacle
from numalocal_operator.planning.demand import Demand
from numalocal_operator.planning.shares import shared


@dataclass(frozen=True, slots=True)
class Sight:
    """A node as its agent and its Node tell of it; `node` None = nothing is known of any.

    Of its memory `told` has what all its sets' pods can request at once.
    """

    name: str
    told: Told
    node: Node | None


class Unable(NamedTuple):
    """Nodes that have the sets, and could not bind a pod as it asks.

    `names` are in order, and `for_good` those that nothing of the moment makes so.  `never` says
    why of one of these where all that have the sets are among them; else it is empty.
    """

    names: tuple[str, ...] = ()
    for_good: frozenset[str] = frozenset()
    never: str = ""


class Fleet:
    """All nodes as they are now.  What was found is kept, for workers with the same constraints.

    Without `nodes` a pod can land on each that tells of CPU sets.
    """

    def __init__(self, told: Mapping[str, Told], nodes: Mapping[str, Node] | None) -> None:
        self.sights: Sequence[Sight] = tuple(_sight(name, one, nodes) for name, one in told.items())
        self.verdicts: dict[Any, str] = {}
        """What `fit` has found, by what was asked."""
        self.names = frozenset(told)
        self._known: dict[tuple[Constraints, tuple[str, ...]], Mapping[str, PoolNumbers]] = {}
        self._unable: dict[Demand, Unable] = {}
        self._by_label: dict[str, Mapping[str, Sequence[Sight]]] = {}

    def pools(self, asked: Constraints, unable: tuple[str, ...] = ()) -> Mapping[str, PoolNumbers]:
        """Give the numbers of every pool that is offered, for a pod that says this of nodes.

        They are those of the nodes that it can land on and that are not `unable`; of a pool that
        none of these offers, those of all others: what is true there is the best that is known of
        nodes that may come.
        """
        if (known := self._known.get((asked, unable))) is None:
            off = frozenset(unable)
            landing = (one for one in self.candidates(asked) if can_land(asked, one))
            pools = (one.told.pools for one in landing if one.name not in off)
            known = self._known[asked, unable] = {**self._all, **together(pools)}
        return known

    def unable(self, wanted: Demand) -> Unable:
        """Give the nodes that have the sets and could not bind a pod as it asks."""
        # Of memory and CPUs there may be as many amounts as workers: most say nothing here.
        overflows = wanted.memory.on_overflow is Overflow.INTERLEAVE
        each = wanted.per_rank_bytes if overflows else None
        key = replace(wanted, per_rank_bytes=each, cpus=None)
        if (known := self._unable.get(key)) is None:
            known = self._unable[key] = _unable(self.candidates(key.asked), key)
        return known

    def candidates(self, asked: Constraints) -> Sequence[Sight]:
        """Give the nodes that a selector may mean: of its labels the rarest is looked up."""
        if not asked.selector or any(one.node is None for one in self.sights[:1]):
            return self.sights
        having = (self._having(key).get(value, ()) for key, value in asked.selector)
        return min(having, key=len)

    def _having(self, label: str) -> Mapping[str, Sequence[Sight]]:
        if (known := self._by_label.get(label)) is None:
            found: dict[str, list[Sight]] = {}
            for one in self.sights:
                if one.node and (value := one.node.labels.get(label)) is not None:
                    found.setdefault(value, []).append(one)
            known = self._by_label[label] = found
        return known

    @cached_property
    def _all(self) -> Mapping[str, PoolNumbers]:
        return together(one.told.pools for one in self.sights)


def _sight(name: str, told: Told, nodes: Mapping[str, Node] | None) -> Sight:
    if nodes is None:
        return Sight(name, told, None)
    # A node may leave its object behind for a while, or be heard of after it.
    node = nodes.get(name) or Node(name=name, ready=False)
    return Sight(name, shared(told, node), node)


def _unable(sights: Iterable[Sight], wanted: Demand) -> Unable:
    found: dict[str, Inability | None] = {}
    for name, told, node in ((one.name, one.told, one.node) for one in sights):
        offer = told.pools.get(wanted.pool)
        if offer is None or offer.sets < wanted.ranks:
            continue
        # Admission may add tolerations, and what keeps a node from being ready passes.
        if node is None or is_selected(wanted.asked, node):
            found[name] = inability(told.ability, offer, wanted)
    never = {name: why for name, why in found.items() if why and why.lasting}
    names = tuple(sorted(name for name, why in found.items() if why))
    if not never or len(never) < len(found):
        return Unable(names, frozenset(never))
    first = min(never)
    more = f" (one of {len(never)} such nodes)" if len(never) > 1 else ""
    return Unable(names, frozenset(never), f"node {printable(first)} has {never[first].text}{more}")


def can_land(asked: Constraints, sight: Sight) -> bool:
    """Tell whether nothing keeps a pod off a node, whatever is free there."""
    return sight.node is None or not obstacle(asked, sight.node)


def together(nodes: Iterable[Mapping[str, Offer]]) -> Mapping[str, PoolNumbers]:
    """Give for each pool what fits all nodes: their smallest set, and their largest NUMA node.

    A request that mirrors a larger set than a node has keeps pods off it for ever.  What is counted
    from the largest NUMA node is too much on none.
    """
    found: dict[str, PoolNumbers] = {}
    for pools in nodes:
        for pool, offer in pools.items():
            known = found.get(pool, PoolNumbers())
            found[pool] = PoolNumbers(
                cpus_per_set=_of_both(min, known.cpus_per_set, offer.cpus_per_set),
                set_bytes=_of_both(min, known.set_bytes, offer.set_bytes),
                node_bytes=_of_both(max, known.node_bytes, offer.node_bytes),
            )
    return found


def _of_both(choose: Callable[[int, int], int], one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one if other is None else other
    return choose(one, other)


def used(ask: Ask, numbers: PoolNumbers) -> PoolNumbers:
    """Give those of a pool's numbers by which a pod asks for something."""
    shares = ask.memory_per_rank_bytes is None and not ask.memory.is_apart
    return PoolNumbers(
        cpus_per_set=numbers.cpus_per_set, set_bytes=numbers.set_bytes if shares else None
    )


def outgrown(made: PoolNumbers | None, now: PoolNumbers) -> bool:
    """Tell whether a pod without a node asks for more than the nodes have that it can land on.

    One that was made before anything was known has no request for its CPUs at all.  One that does
    not say by what it was made, None, is left alone: its successor might not say it either.
    """
    if made is None:
        return False
    pairs = ((made.cpus_per_set, now.cpus_per_set), (made.set_bytes, now.set_bytes))
    return any(known is not None and (asked is None or asked > known) for asked, known in pairs)
