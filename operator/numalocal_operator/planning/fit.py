"""Whether any node can take a replica, and what is nearest where none can.

What is told here holds for certain: a node that might do is never called too small.  The scheduler
knows more, and decides.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Final, NamedTuple

from numalocal.problems import printable
from numalocal.quantity import format_bytes
from numalocal_operator.observing.nodes import Node
from numalocal_operator.observing.told import Offer, Told
from numalocal_operator.planning.ability import counted, inability
from numalocal_operator.planning.constraints import NOT_SELECTED, obstacle
from numalocal_operator.planning.demand import Demand
from numalocal_operator.planning.numbers import Fleet, Sight, can_land

_MOST_KINDS: Final = 6
"""Kinds of obstacles that a sentence tells: nobody reads more."""
_UNABLE: Final = 4
_KEPT_OFF: Final = 5
_KEPT_OFF_AND_SHORT: Final = 6
_NO_POOL: Final = 7
_LONGEST: Final = 160
"""Characters of one obstacle, as a taint or a node may have a long name."""


class _Miss(NamedTuple):
    """Why a node cannot take a replica.

    Of alike nodes the one that `has` the most is the nearest, and `text` is told of it.  Where it
    is empty, `kind` is what is said of all of them.  The lowest `order` is the most telling.
    """

    order: int
    kind: str
    has: Fraction = Fraction(0)
    text: str = ""
    node: str = ""


def unfit(fleet: Fleet, wanted: Demand) -> str:
    """Say why no node can ever take a replica, as nodes are now; empty where one can."""
    if (known := fleet.verdicts.get(wanted)) is None:
        known = fleet.verdicts[wanted] = _unfit(fleet, wanted)
    return known


def occupied(fleet: Fleet, wanted: Demand, told: Mapping[str, Told]) -> str:
    """Say which node has the most sets free, where none has enough; empty where one has."""
    most = -1, ""
    able = 0
    unable = frozenset(fleet.unable(wanted).names)
    for sight in fleet.candidates(wanted.asked):
        offer = sight.told.pools.get(wanted.pool)
        if offer is None or offer.sets < wanted.ranks or not can_land(wanted.asked, sight):
            continue
        if sight.name in unable:
            continue
        free = told[sight.name].free.get(wanted.pool, 0) if sight.name in told else 0
        if free >= wanted.ranks:
            return ""
        able += 1
        if free > most[0]:
            most = free, sight.name
    if not able:
        return ""
    others = f", the most of {able} nodes that could take it" if able > 1 else ""
    sets = _sets(wanted)
    return f"node {_clip(most[1])} has {most[0]} free of the {sets} of a replica{others}"


def _unfit(fleet: Fleet, wanted: Demand) -> str:
    nearest: dict[tuple[int, str], _Miss] = {}
    counts: Counter[tuple[int, str]] = Counter()
    near = fleet.candidates(wanted.asked)
    for sight in near:
        miss = _miss(sight, wanted)
        if miss is None:
            return ""
        key = miss[:2]
        counts[key] += 1
        if key not in nearest or miss.has > nearest[key].has:
            nearest[key] = miss
    if far := len(fleet.sights) - len(near):  # a rare label spares looking at each of them
        miss = _Miss(_KEPT_OFF_AND_SHORT, NOT_SELECTED)
        nearest.setdefault(miss[:2], miss)
        counts[miss[:2]] += far
    keys = sorted(nearest, key=lambda key: (key[0], -counts[key], key[1]))
    told = [_told(nearest[key], counts[key]) for key in keys[:_MOST_KINDS]]
    if more := sum(counts[key] for key in keys[_MOST_KINDS:]):
        told.append(f"and {more} more nodes")
    why = "; ".join(told) or f"no node offers pool {wanted.pool}"
    return f"no node can take a replica: {why}"


def _miss(sight: Sight, wanted: Demand) -> _Miss | None:
    offer = sight.told.pools.get(wanted.pool)
    if offer is None:
        return _Miss(_NO_POOL, f"no pool {wanted.pool}", node=sight.name)
    short = next(_shortages(sight, offer, wanted), None)
    if sight.node is not None and (why := obstacle(wanted.asked, sight.node)):
        # A node that is too small as well would be of no help.
        order = _KEPT_OFF if short is None else _KEPT_OFF_AND_SHORT
        return _Miss(order, why, node=sight.name)
    return short


def _shortages(sight: Sight, offer: Offer, wanted: Demand) -> Iterator[_Miss]:
    """Compare what a replica asks for with all that a node has, whoever holds it now."""
    name, node = sight.name, sight.node
    if offer.sets < wanted.ranks:
        yield _Miss(0, "sets", Fraction(offer.sets), f"{offer.sets} of {_sets(wanted)}", name)
    each = wanted.per_rank_bytes
    has = offer.most_rank_bytes(counted(wanted.memory))
    if each is not None and has is not None and has < each:
        text = f"{format_bytes(has)} of {format_bytes(each)} per rank"
        yield _Miss(1, "memory of a rank", Fraction(has), text, name)
    if node is not None:
        yield from _shortages_for_pods(node, wanted)
    if (why := inability(sight.told.ability, offer, wanted)) is not None:
        yield _Miss(_UNABLE, why.kind, text=why.text, node=name)


def _shortages_for_pods(node: Node, wanted: Demand) -> Iterator[_Miss]:
    """Compare with what the kubelet of a node has for all pods."""
    whole = None if wanted.per_rank_bytes is None else wanted.per_rank_bytes * wanted.ranks
    if whole is not None and node.memory_bytes is not None and node.memory_bytes < whole:
        has = format_bytes(int(node.memory_bytes))
        text = f"{has} for pods of {format_bytes(whole)} for all ranks"
        yield _Miss(2, "memory", node.memory_bytes, text, node.name)
    if wanted.cpus is not None and node.cpus is not None and node.cpus < wanted.cpus:
        text = f"{float(node.cpus):g} of {float(wanted.cpus):g} CPUs"
        yield _Miss(3, "CPUs", node.cpus, text, node.name)


def _told(miss: _Miss, count: int) -> str:
    """Tell a kind of miss: of the nearest node in numbers, of others how many they are."""
    if miss.text:
        of_all = f"one of {count} such" if miss.order == _UNABLE else f"the most of {count}"
        most = f" ({of_all} nodes)" if count > 1 else ""
        return f"node {_clip(miss.node)} has {miss.text}{most}"
    one = f"node {_clip(miss.node)}" if miss.node else "another node"
    return f"{one if count == 1 else f'{count} nodes'}: {_clip(miss.kind)}"


def _sets(wanted: Demand) -> str:
    return f"{wanted.ranks} CPU set{'s' if wanted.ranks > 1 else ''} of pool {wanted.pool}"


def _clip(text: str) -> str:
    return printable(text, _LONGEST)
