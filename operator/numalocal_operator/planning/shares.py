"""What memory the pods of a node's sets may ask for: what its agent and its Node tell in and out.

An agent deals out all that the kernel has.  Its kubelet has less for pods, and those of others take
a part of that: pods that ask for their sets' whole memory would leave the last sets to nobody.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from numalocal_operator.observing.nodes import Node
from numalocal_operator.observing.told import Offer, Told

OTHERS_BYTES: Final = 1 << 30
"""What is left of a node for pods without sets: nobody tells us what they request."""
OTHERS_MOST: Final = 8
"""Of a small node it is this part at most."""
_STEP_BYTES: Final = 1 << 20


def shared(told: Told, node: Node | None) -> Told:
    """Give what a node tells, with no more memory for a set than its pods can all request at once.

    What all sets have is at most the node's allocatable memory less what is left for others, and a
    share that must be less is in whole MiB.  Where the node does not tell, nothing is changed.
    """
    if node is None or node.memory_bytes is None:
        return told
    dealt_bytes = sum(one.sets * (one.set_bytes or 0) for one in told.pools.values())
    room_bytes = room_for_sets_bytes(int(node.memory_bytes))
    if dealt_bytes <= room_bytes:
        return told
    return replace(told, pools=_lessened(told.pools, room_bytes, dealt_bytes))


def room_for_sets_bytes(allocatable_bytes: int) -> int:
    """Give what all sets of a node may have together."""
    return allocatable_bytes - min(OTHERS_BYTES, allocatable_bytes // OTHERS_MOST)


def _lessened(pools: Mapping[str, Offer], room_bytes: int, dealt_bytes: int) -> Mapping[str, Offer]:
    def part(set_bytes: int | None) -> int | None:
        each = (set_bytes or 0) * room_bytes // dealt_bytes
        return each // _STEP_BYTES * _STEP_BYTES or None

    return {name: replace(one, set_bytes=part(one.set_bytes)) for name, one in pools.items()}
