"""How much memory each rank may use, and how an engine is told: sizes in, sizes and fractions out.

Engines size their KV cache from what the host or the cgroup has, each in its own way; this is the
same arithmetic for all of them.  Everything is rounded down, so that all ranks together and what
is beside them stay within the pod's limit.
"""

from fractions import Fraction
from typing import Final

GIB: Final = 1 << 30
_DIGITS: Final = 10_000
"""Engines take fractions of memory with four digits."""


def per_rank_bytes(
    asked_bytes: int, *, ranks: int, limit_bytes: int | None, overhead_bytes: int
) -> int:
    """Give what each rank asks for, at most its even part of the pod's limit, never negative.

    `overhead_bytes` of the limit are everything that is no rank: API server, scheduler, /dev/shm.
    `limit_bytes` None = the pod has no limit.
    """
    if limit_bytes is None:
        return asked_bytes
    return min(asked_bytes, max(0, limit_bytes - overhead_bytes) // ranks)


def fraction(given_bytes: int, basis_bytes: int) -> Fraction:
    """Give the fraction of a basis for each rank, in steps of 1/10000 and at most 1.

    What an engine asks for at that fraction, rounded up to a byte, is no more than it is given.
    It is 0 where the basis is nothing.
    """
    if basis_bytes <= 0:
        return Fraction(0)
    return min(Fraction(given_bytes * _DIGITS // basis_bytes, _DIGITS), Fraction(1))


def as_decimal(part: Fraction) -> str:
    """Write a fraction of whole steps as engines read it: `0.4800`."""
    steps = part * _DIGITS
    return f"{steps.numerator // _DIGITS}.{steps.numerator % _DIGITS:04}"


def kv_cache_gib(kv_bytes: int) -> int:
    """Give VLLM_CPU_KVCACHE_SPACE, whole GiB; 0 must not be told, as vLLM reads it as not set."""
    return kv_bytes // GIB
