"""What others are told of a node's memory: what can be set, what is reached, what a holder has."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from numalocal import names
from numalocal.errors import MemoryUnreachable
from numalocal.sets import reach as reaching
from numalocal.sets.assignment import Assignment
from numalocal.sets.cpusets import CpuSet, differing
from numalocal.sets.memoryask import BINDER_WORDS, MemoryAsk, MemoryPolicy
from numalocal.sets.near import MemoryNodes
from numalocal.sets.reach import Reach
from numalocal_deviceplugin.binding import reached
from numalocal_deviceplugin.errors import BindingRefused
from numalocal_deviceplugin.pods import Container, Pod, was_born_bound
from numalocal_deviceplugin.thisnode import Node

MOST_SENTENCE: Final = 1024
MOST_NODES: Final = 4096

_TIER: Final = MemoryAsk(nodes=MemoryNodes.MEMORY_ONLY)


def of_node(node: Node) -> Mapping[str, Any]:
    """Say which policies can be set here, and why not the others."""
    return {
        "policies": [str(one) for one in node.abilities.policies],
        "message": "; ".join(_missing(node))[:MOST_SENTENCE],
    }


def reach_bytes(sets: Sequence[CpuSet], node: Node) -> Mapping[str, int]:
    """Say how much the best of a pool's sets reaches by each word of `spec.memory.nodes`.

    What can be bound to by a policy alone is not reached where none can be set.
    """
    sizes = dict(reaching.reach_bytes(sets, node.machine))
    if node.abilities.runtime and MemoryNodes.MEMORY_ONLY in sizes:
        bound = [one for one in differing(sets) if not _needs_policy(one, node)]
        sizes |= {_TIER.nodes: reaching.reach_bytes(bound, node.machine).get(_TIER.nodes, 0)}
    return {str(word): size for word, size in sizes.items()}


def of_holder(pod: Pod, live: Container, given: Assignment, node: Node) -> Mapping[str, Any]:
    """Say where a container's memory is and by which policy; nothing where it asks nonsense."""
    try:
        found = reached(pod, live, given, node)
    except BindingRefused:
        return {}
    has, over = _set_at_birth(live)
    why = "" if has else _not_set(found, live, node)
    said = "; ".join([*found.notes, *([why] if why else [])])[:MOST_SENTENCE]
    return {
        "nodes": (over or str(found.named))[:MOST_NODES],
        "policy": str(has or MemoryPolicy.BIND),
        "overflowed": found.overflowed,
        **({"message": said} if said else {}),
    }


def _set_at_birth(live: Container) -> tuple[MemoryPolicy | None, str]:
    """Tell the policy that a container was created with, and its nodes: no update changes them."""
    word = live.variables.get(names.ENV_MEMORY_POLICY)
    found = next((one for one, said in BINDER_WORDS.items() if said == word), None)
    if not was_born_bound(live) or names.ENV_MEMORY_POLICY_UNSET in live.variables:
        found = None
    return found, live.variables.get(names.ENV_MEMORY_POLICY_NODES, "") if found else ""


def _not_set(found: Reach, live: Container, node: Node) -> str:
    """Say why a container does not have the policy that it should have; empty where it has."""
    if not found.policy_nodes:
        return ""
    why = node.abilities.lacks(found) or "it was created where it was not needed, or not to be had"
    if not was_born_bound(live):
        why = "it was created while the agent was away"
    return f"memory policy {found.policy} is not set: {why}"


def _missing(node: Node) -> Iterator[str]:
    able = node.abilities
    if able.message:
        yield able.message
    if able.runtime and any(_needs_policy(one, node) for one in differing(node.partition.sets)):
        yield f"{MemoryPolicy.BIND} with nodes {_TIER.nodes}: as it is movable"


def _needs_policy(one: CpuSet, node: Node) -> bool:
    """Tell whether a set is bound to its memory-only nodes by a policy, and not by its cpuset."""
    try:
        return bool(reaching.reach(Assignment((one,)), node.machine, _TIER, None).policy_nodes)
    except MemoryUnreachable:
        return False
