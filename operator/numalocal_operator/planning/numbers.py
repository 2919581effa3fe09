"""What a pod is to be sized by: the nodes that it can land on in, numbers of its pool out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from numalocal.worker.ask import Ask
from numalocal.worker.inject import PoolNumbers
from numalocal_operator.observing.nodes import Node
from numalocal_operator.observing.topologies import Offer, Told
from numalocal_operator.planning.constraints import Constraints, constraints, obstacle
from numalocal_operator.planning.shares import shared


@dataclass(frozen=True, slots=True)
class Sight:
    """A node as its agent and its Node tell of it; `node` None = nothing is known of any.

    Of its memory `told` has what all its sets' pods can request at once.
    """

    name: str
    told: Told
    node: Node | None


class Fleet:
    """All nodes as they are now.  What was found is kept, for workers with the same constraints.

    Without `nodes` a pod can land on each that tells of CPU sets.
    """

    def __init__(self, told: Mapping[str, Told], nodes: Mapping[str, Node] | None) -> None:
        self.sights: Sequence[Sight] = tuple(_sight(name, one, nodes) for name, one in told.items())
        self.verdicts: dict[Any, str] = {}
        """What `fit` has found, by what was asked."""
        self._known: dict[Constraints, Mapping[str, PoolNumbers]] = {}
        self._by_label: dict[str, Mapping[str, Sequence[Sight]]] = {}

    def pools(self, asked: Constraints) -> Mapping[str, PoolNumbers]:
        """Give the numbers of every pool that is offered, for a pod that says this of nodes.

        They are those of the nodes that it can land on; of a pool that none of these offers, those
        of all others: what is true there is the best that is known of nodes that may come.
        """
        if (known := self._known.get(asked)) is None:
            landing = (one for one in self.candidates(asked) if can_land(asked, one))
            known = {**self._all, **together(one.told.pools for one in landing)}
            self._known[asked] = known
        return known

    def offers(self, pod: Mapping[str, Any]) -> Mapping[str, PoolNumbers]:
        """Give the numbers of every pool for a pod as somebody has made it."""
        return self.pools(constraints(pod.get("spec")))

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
    shares = ask.memory_per_rank_bytes is None
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
