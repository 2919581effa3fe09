"""Which NUMA nodes the ranks of one container take memory from, and how: what the agent binds."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from numalocal import names
from numalocal.errors import MemoryUnreachable
from numalocal.idset import IdSet, union
from numalocal.machine.model import Machine
from numalocal.quantity import format_bytes
from numalocal.sets import capacity
from numalocal.sets.assignment import Assignment
from numalocal.sets.cpusets import CpuSet, differing
from numalocal.sets.memoryask import BINDER_WORDS, MemoryAsk, MemoryPolicy, Overflow
from numalocal.sets.near import MemoryNodes, farther, lenders, named, of_devices


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What one container is bound to.

    `mems` are for cpuset.mems.  `policy` is what the runtime sets, over `policy_nodes`; it sets
    none where these are empty, as BIND needs none but for movable memory.  `rank_mems` are the
    nodes asked for each rank, further ones included where `overflowed`, all where any is preferred.
    `notes` say where that differs from what was asked.
    """

    mems: IdSet
    policy: MemoryPolicy
    policy_nodes: IdSet
    rank_mems: tuple[IdSet, ...]
    overflowed: bool = False
    notes: tuple[str, ...] = ()

    @property
    def named(self) -> IdSet:
        """The nodes that whoever sets the policy names: the binder's --mems."""
        return self.policy_nodes or self.mems

    @property
    def takes_turns(self) -> bool:
        """Whether pages of every rank come from the nodes of all ranks in turn."""
        return self.policy in (MemoryPolicy.INTERLEAVE, MemoryPolicy.WEIGHTED_INTERLEAVE)

    def environment(self) -> Mapping[str, str]:
        """The variables of a bound container that depend on what was asked of its memory."""
        told = {
            names.ENV_MEMS: str(self.mems),
            names.ENV_RANK_MEMS: "|".join(map(str, self.rank_mems)),
        }
        if self.policy_nodes:
            told[names.ENV_MEMORY_POLICY] = BINDER_WORDS[self.policy]
            told[names.ENV_MEMORY_POLICY_NODES] = str(self.policy_nodes)
        if self.overflowed:
            told[names.ENV_MEMORY_OVERFLOW] = "1"
        return told


def reach(
    assignment: Assignment, machine: Machine, ask: MemoryAsk, per_rank_bytes: int | None
) -> Reach:
    """Tell which nodes a container's ranks take memory from, by what the machine has.

    What is free now does not count, so that check and engine get the same.  Where even all nodes
    do not hold the ranks none is added, and it is the check that refuses.  Ranks that share a
    container share its policy, over the nodes of all of them.  A cpuset of movable memory alone
    would be short of all that is not: it has the sets' nodes too, and a policy binds to the others.

    Raises:
        MemoryUnreachable: where a set has none of the nodes, or the machine not the set's own.
    """
    (one,) = reach_together([assignment], machine, ask, per_rank_bytes)
    return one


def reach_together(
    assignments: Sequence[Assignment], machine: Machine, ask: MemoryAsk, per_rank_bytes: int | None
) -> tuple[Reach, ...]:
    """Tell the same of several containers, whose ranks are to fit all at a time.

    Raises:
        MemoryUnreachable: as `reach`.
    """
    sets = Assignment(tuple(one for each in assignments for one in each.sets))
    asked = _asked(sets.sets, machine, ask.nodes)
    given = _widened(sets, machine, ask, asked, per_rank_bytes or 0)
    why = "" if given == asked else _why_wider(asked, machine, per_rank_bytes or 0)
    pairs = zip(asked, given, strict=True)
    return tuple(
        _reach(one, machine, ask.policy, [*islice(pairs, len(one.sets))], why)
        for one in assignments
    )


def _reach(
    assignment: Assignment,
    machine: Machine,
    policy: MemoryPolicy,
    ranks: Sequence[tuple[IdSet, IdSet]],
    why_wider: str,
) -> Reach:
    """Bind ranks to nodes; of each those that it asked for, and those that hold it."""
    rank_mems = tuple(given for _, given in ranks)
    nodes, notes = union(rank_mems), []
    if overflowed := any(asked != given for asked, given in ranks):
        notes.append(f"{why_wider}: pages are interleaved over {_nodes(nodes)}")
        if policy is MemoryPolicy.BIND:
            policy = MemoryPolicy.INTERLEAVE
    mems = nodes | lenders(machine) if policy is MemoryPolicy.PREFERRED else nodes
    bare = all(node.movable for node in machine.nodes if node.id in mems)
    if needless := _needless(policy, nodes, mems):
        notes.append(needless)
        if policy is MemoryPolicy.PREFERRED:  # a rank may have what is preferred for another
            rank_mems = (mems,) * len(rank_mems)
        policy = MemoryPolicy.BIND
    return Reach(
        mems=mems | assignment.mems if bare else mems,
        policy=policy,
        policy_nodes=IdSet() if policy is MemoryPolicy.BIND and not bare else nodes,
        rank_mems=rank_mems,
        overflowed=overflowed,
        notes=tuple(notes),
    )


def reach_bytes(sets: Iterable[CpuSet], machine: Machine) -> Mapping[MemoryNodes, int]:
    """Give for each word the most memory that a rank on one of these sets can reach by it.

    A word is left out where a node that it means does not tell its memory.
    """
    usable, apart = capacity.usable_bytes(machine), differing(sets)
    found = {}
    for word in MemoryNodes:
        choices = [named(one, machine, word) for one in apart]
        if union(choices) <= usable.keys():
            found[word] = max((sum(usable[node] for node in one) for one in choices), default=0)
    return found


def _asked(sets: Sequence[CpuSet], machine: Machine, nodes: MemoryNodes) -> tuple[IdSet, ...]:
    """Give the nodes that a word means for each set: found once for all that are alike."""
    found = {one.place: _named(one, machine, nodes) for one in differing(sets)}
    return tuple(found[one.place] for one in sets)


def _named(one: CpuSet, machine: Machine, nodes: MemoryNodes) -> IdSet:
    found = named(one, machine, nodes)
    if not found:
        raise MemoryUnreachable(
            f"CPU set {one.id} has no memory-only node near its NUMA node {one.numa_node}"
            f"{of_devices(machine)}: ask for other nodes than {nodes}"
        )
    return found


def _widened(
    assignment: Assignment,
    machine: Machine,
    ask: MemoryAsk,
    asked: tuple[IdSet, ...],
    per_rank_bytes: int,
) -> tuple[IdSet, ...]:
    """Add nodes to the ranks that theirs do not hold together, until they do.

    Where they never do, and where nothing is to be added, the ranks keep what they have.
    """
    if ask.on_overflow is Overflow.REFUSE or ask.policy is MemoryPolicy.PREFERRED:
        return asked
    usable, rank_mems = capacity.usable_bytes(machine), asked
    while over := capacity.overdrawn(Counter(rank_mems), usable, per_rank_bytes):
        wider = tuple(
            farther(one, machine, mems) if any(mems <= nodes for nodes in over) else mems
            for one, mems in zip(assignment.sets, rank_mems, strict=True)
        )
        if wider == rank_mems:
            return asked
        rank_mems = wider
    return rank_mems


def _why_wider(asked: Iterable[IdSet], machine: Machine, per_rank_bytes: int) -> str:
    usable = capacity.usable_bytes(machine)
    short = union(capacity.overdrawn(Counter(asked), usable, per_rank_bytes))
    return f"{format_bytes(per_rank_bytes)} for each rank is more than {_nodes(short)} can hold"


def _needless(policy: MemoryPolicy, nodes: IdSet, mems: IdSet) -> str:
    """Say why a policy would change nothing; empty where it does."""
    match policy:
        case MemoryPolicy.INTERLEAVE | MemoryPolicy.WEIGHTED_INTERLEAVE if len(nodes) == 1:
            return f"memory policy {policy} is not set, as all memory is taken from {_nodes(nodes)}"
        case MemoryPolicy.PREFERRED if nodes == mems:
            return f"memory policy {policy} is not set, as no node lends memory but {_nodes(nodes)}"
        case _:
            return ""


def _nodes(nodes: IdSet) -> str:
    return f"NUMA node{'s' if len(nodes) > 1 else ''} {nodes}"
