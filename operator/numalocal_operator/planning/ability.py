"""Whether a node can bind a container as asked: a demand and what it tells in, why not out."""

from typing import Final, NamedTuple

from numalocal.problems import printable
from numalocal.sets.memoryask import Enforcement, MemoryAsk, MemoryPolicy, Overflow
from numalocal.sets.near import MemoryNodes
from numalocal_operator.observing.told import Ability, Offer
from numalocal_operator.planning.demand import Demand

_LONGEST: Final = 1024
"""Characters of what a node says."""


class Inability(NamedTuple):
    """Why a node cannot bind: `text` is what it has, and `kind` tells alike ones.

    What is `lasting` no agent that starts, and no runtime that comes back, makes good.
    """

    kind: str
    text: str
    lasting: bool


def inability(ability: Ability, offer: Offer, wanted: Demand) -> Inability | None:
    """Say why a node's agent would refuse a container; None where it would not, or may not.

    Who asks for no more than the best gets it on every node but where there are no such nodes.
    """
    nodes, must = wanted.memory.nodes, wanted.enforcement is Enforcement.REQUIRED
    if ability.unbound:
        why = f"no runtime that binds containers now: {_clip(ability.unbound)}"
        return Inability("unbound", why, lasting=False) if must else None
    # Movable memory that no policy can bind to is told as none: who need not be bound gets it.
    has_all = must or bool((ability.policies or frozenset()) - {MemoryPolicy.BIND})
    if nodes is MemoryNodes.MEMORY_ONLY and offer.reach_bytes.get(nodes) == 0 and has_all:
        why = f"no memory that memory.nodes {nodes} means{_said(ability)}"
        return Inability(f"nodes {nodes}", why, lasting=ability.serves)
    return _unsettable(ability, offer, wanted) if must else None


def _unsettable(ability: Ability, offer: Offer, wanted: Demand) -> Inability | None:
    """Say why a node cannot set the policy that it would need; None where it can, or needs none."""
    nodes, policy = wanted.memory.nodes, needed(ability, offer, wanted)
    is_wider = nodes is not MemoryNodes.LOCAL and ability.numa_nodes != 1
    if ability.policies is None and (policy is not MemoryPolicy.BIND or is_wider):
        why = (
            f"an agent of an older release, which cannot do memory policy {policy} of nodes {nodes}"
        )
        return Inability("older", why, lasting=False)
    if policy is MemoryPolicy.BIND or policy in (ability.policies or ()):
        return None
    why = f"a runtime or kernel that cannot set memory policy {policy}{_said(ability)}"
    return Inability(f"policy {policy}", why, lasting=ability.serves)


def needed(ability: Ability, offer: Offer, wanted: Demand) -> MemoryPolicy:
    """Give the policy that a node must set for a demand; Bind is none, and all nodes can."""
    memory, overflows = wanted.memory, _overflows(offer, wanted)
    match memory.policy:
        case _ if ability.numa_nodes == 1:
            return MemoryPolicy.BIND
        case MemoryPolicy.BIND:
            return MemoryPolicy.INTERLEAVE if overflows else MemoryPolicy.BIND
        case MemoryPolicy.PREFERRED:
            has_others = not _is_as(offer, memory.nodes, MemoryNodes.ANY)
            return MemoryPolicy.PREFERRED if has_others else MemoryPolicy.BIND
        case policy:
            is_one = offer.memory_nodes == wanted.ranks == 1 and not overflows
            takes_no_turns = is_one and _is_local(offer, memory.nodes)
            return MemoryPolicy.BIND if takes_no_turns else policy


def _is_as(offer: Offer, nodes: MemoryNodes, others: MemoryNodes) -> bool:
    """Tell whether two words mean the same nodes: one holds the other, and has no more memory."""
    has = None if nodes is MemoryNodes.MEMORY_ONLY else offer.reach_bytes.get(nodes)
    return nodes is others or (has is not None and has == offer.reach_bytes.get(others))


def _is_local(offer: Offer, nodes: MemoryNodes) -> bool:
    """Tell whether a word means no more than the set's own nodes.

    What is told is of the best set by each word: the largest may have no tier near it and another
    one, with as much memory together with its tier.
    """
    has_tier = nodes is MemoryNodes.NEAR and bool(offer.reach_bytes.get(MemoryNodes.MEMORY_ONLY))
    return not has_tier and _is_as(offer, nodes, MemoryNodes.LOCAL)


def counted(memory: MemoryAsk) -> MemoryNodes:
    """Give the nodes whose memory counts for a rank: all of them, where it may have of all."""
    may_overflow = memory.on_overflow is Overflow.INTERLEAVE
    return (
        MemoryNodes.ANY if may_overflow or memory.policy is MemoryPolicy.PREFERRED else memory.nodes
    )


def _overflows(offer: Offer, wanted: Demand) -> bool:
    """Tell whether a rank certainly gets more nodes than it asks for."""
    memory, each = wanted.memory, wanted.per_rank_bytes
    if memory.on_overflow is not Overflow.INTERLEAVE or memory.policy is MemoryPolicy.PREFERRED:
        return False
    has = offer.most_rank_bytes(memory.nodes)
    return each is not None and has is not None and has < each


def _said(ability: Ability) -> str:
    return ability.why_not and f": {_clip(ability.why_not)}"


def _clip(text: str) -> str:
    return printable(text, _LONGEST)
