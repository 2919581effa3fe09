"""How much memory each rank may use, and how an engine is told: sizes in, sizes and fractions out.

Engines size their KV cache from what the host or the cgroup has, each in its own way; this is the
same arithmetic for all of them.  Everything is rounded down, so that all ranks together and what
is beside them stay within the pod's limit.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

GIB: Final = 1 << 30
_DIGITS: Final = 10_000
"""vLLM's --gpu-memory-utilization is given with four digits."""

Basis = Literal["node", "limit"]
"""What vLLM takes its fraction of: the node's memory, or that cut to the cgroup's limit.

The first before v0.24, the second since it reads memory.max (vllm#45086).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankMemory:
    """One rank and its NUMA node.

    `total_bytes` is the node's MemTotal, `huge_page_bytes` the part of it in huge pages, and
    `share_bytes` what this rank's CPU set may use of it; None = no less than any other's.
    """

    numa_node: int
    total_bytes: int
    huge_page_bytes: int = 0
    share_bytes: int | None = None


def budgets(
    ranks: Sequence[RankMemory], *, limit_bytes: int | None, overhead_bytes: int
) -> tuple[int, ...]:
    """Give each rank its bytes, in rank order, never negative.

    The least of: an even share of the pod's limit less `overhead_bytes` (everything that is no
    rank: API server, scheduler, /dev/shm), the set's share of its node, and an even share of the
    node among the ranks on it.  `limit_bytes` None = the pod has no limit.
    """
    on_node = Counter(rank.numa_node for rank in ranks)
    bounds = []
    for rank in ranks:
        usable = max(0, rank.total_bytes - rank.huge_page_bytes)
        bound = [usable // on_node[rank.numa_node]]
        if rank.share_bytes is not None:
            bound.append(rank.share_bytes)
        if limit_bytes is not None:
            bound.append(max(0, limit_bytes - overhead_bytes) // len(ranks))
        bounds.append(min(bound))
    return tuple(bounds)


def vllm_fraction(
    ranks: Sequence[RankMemory],
    given: Sequence[int],
    *,
    basis: Basis,
    limit_bytes: int | None,
) -> Fraction:
    """Give vLLM's --gpu-memory-utilization, one for all ranks, in steps of 1/10000.

    Every rank asks for the fraction of its own basis, rounded up to a byte, and no rank gets more
    than it is `given`; where nodes differ, the rank that gets least decides.
    """
    fractions = (
        Fraction(own * _DIGITS // _basis_bytes(rank, basis, limit_bytes), _DIGITS)
        for rank, own in zip(ranks, given, strict=True)
    )
    return min(*fractions, Fraction(1))


def vllm_asks_bytes(
    rank: RankMemory, fraction: Fraction, *, basis: Basis, limit_bytes: int | None
) -> int:
    """Tell what a rank of vLLM will ask for at a fraction: its basis times that, rounded up."""
    asked = _basis_bytes(rank, basis, limit_bytes) * fraction
    return -(-asked.numerator // asked.denominator)


def kv_cache_bytes(given_bytes: int, *, weights_bytes: int, activation_bytes: int) -> int:
    """Give --kv-cache-memory-bytes of a rank: what is left, 0 where the weights leave nothing."""
    return max(0, given_bytes - weights_bytes - activation_bytes)


def kv_cache_gib(kv_bytes: int) -> int:
    """Give VLLM_CPU_KVCACHE_SPACE, whole GiB; 0 must not be told, as vLLM reads it as not set."""
    return kv_bytes // GIB


def sglang_fraction(given_bytes: int, available_bytes: int) -> Fraction:
    """Give SGLang's --mem-fraction-static: weights and KV cache of a rank, of its free memory.

    In steps of 1/10000; 0 where nothing is available.
    """
    if available_bytes <= 0:
        return Fraction(0)
    return min(Fraction(given_bytes * _DIGITS // available_bytes, _DIGITS), Fraction(1))


def as_decimal(fraction: Fraction) -> str:
    """Write a fraction of whole steps as engines read it: `0.4800`."""
    steps = fraction * _DIGITS
    return f"{steps.numerator // _DIGITS}.{steps.numerator % _DIGITS:04}"


def _basis_bytes(rank: RankMemory, basis: Basis, limit_bytes: int | None) -> int:
    if basis == "limit" and limit_bytes is not None:
        return max(1, min(rank.total_bytes, limit_bytes))
    return max(1, rank.total_bytes)
