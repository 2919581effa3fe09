from fractions import Fraction
from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from numalocal.engines.budget import (
    GIB,
    Basis,
    RankMemory,
    as_decimal,
    budgets,
    kv_cache_bytes,
    kv_cache_gib,
    sglang_fraction,
    vllm_asks_bytes,
    vllm_fraction,
)

BASES: tuple[Basis, ...] = get_args(Basis)

amounts = st.integers(0, 4096 * GIB)
ranks_of_a_pod = st.lists(
    st.builds(
        RankMemory,
        numa_node=st.integers(0, 3),
        total_bytes=st.sampled_from([GIB, 96 * GIB, 512 * GIB, 512 * GIB - 12345]),
        huge_page_bytes=st.sampled_from([0, GIB, 600 * GIB]),
        share_bytes=st.none() | amounts,
    ),
    min_size=1,
    max_size=8,
)


def two_big_nodes() -> list[RankMemory]:
    return [RankMemory(numa_node=node, total_bytes=512 * GIB) for node in (0, 1)]


@pytest.mark.parametrize(("basis", "expected"), [("node", "0.1406"), ("limit", "0.4800")])
def test_the_same_pod_needs_another_fraction_of_another_vllm(basis: Basis, expected: str) -> None:
    """The worked example of two 512 GiB nodes, a limit of 150 GiB and 6 GiB beside the ranks."""
    ranks, limit = two_big_nodes(), 150 * GIB
    given_bytes = budgets(ranks, limit_bytes=limit, overhead_bytes=6 * GIB)

    fraction = vllm_fraction(ranks, given_bytes, basis=basis, limit_bytes=limit)

    assert given_bytes == (72 * GIB, 72 * GIB)
    assert as_decimal(fraction) == expected


def test_a_pod_without_a_limit_has_its_nodes() -> None:
    ranks = [*two_big_nodes(), RankMemory(numa_node=1, total_bytes=512 * GIB)]

    assert budgets(ranks, limit_bytes=None, overhead_bytes=GIB) == (
        512 * GIB,
        256 * GIB,
        256 * GIB,
    )


@given(ranks=ranks_of_a_pod, limit=amounts, overhead=amounts)
def test_all_ranks_and_what_is_beside_them_stay_within_the_limit(
    ranks: list[RankMemory], limit: int, overhead: int
) -> None:
    given_bytes = budgets(ranks, limit_bytes=limit, overhead_bytes=overhead)

    assert sum(given_bytes) + overhead <= max(limit, overhead)
    assert all(one >= 0 for one in given_bytes)


@given(ranks=ranks_of_a_pod, limit=st.none() | amounts)
def test_ranks_of_one_node_never_get_more_than_it_has(
    ranks: list[RankMemory], limit: int | None
) -> None:
    given_bytes = budgets(ranks, limit_bytes=limit, overhead_bytes=0)

    for node in {rank.numa_node for rank in ranks}:
        here = [index for index, rank in enumerate(ranks) if rank.numa_node == node]
        largest = max(ranks[index].total_bytes - ranks[index].huge_page_bytes for index in here)
        assert sum(given_bytes[index] for index in here) <= max(0, largest)
    for rank, own in zip(ranks, given_bytes, strict=True):
        assert rank.share_bytes is None or own <= rank.share_bytes


@given(
    ranks=ranks_of_a_pod,
    limit=st.none() | st.integers(GIB, 4096 * GIB),
    overhead=st.integers(0, GIB),
    basis=st.sampled_from(BASES),
)
def test_no_vllm_asks_for_more_than_its_ranks_are_given(
    ranks: list[RankMemory], limit: int | None, overhead: int, basis: Basis
) -> None:
    given_bytes = budgets(ranks, limit_bytes=limit, overhead_bytes=overhead)

    fraction = vllm_fraction(ranks, given_bytes, basis=basis, limit_bytes=limit)
    asked = [vllm_asks_bytes(rank, fraction, basis=basis, limit_bytes=limit) for rank in ranks]

    assert all(one <= own for one, own in zip(asked, given_bytes, strict=True))
    assert limit is None or sum(asked) + overhead <= limit
    assert 0 <= fraction <= 1
    assert Fraction(as_decimal(fraction)) == fraction


@given(
    ranks=ranks_of_a_pod,
    limit=st.none() | st.integers(GIB, 4096 * GIB),
    basis=st.sampled_from(BASES),
)
def test_one_step_more_would_be_too_much(
    ranks: list[RankMemory], limit: int | None, basis: Basis
) -> None:
    given_bytes = budgets(ranks, limit_bytes=limit, overhead_bytes=0)
    fraction = vllm_fraction(ranks, given_bytes, basis=basis, limit_bytes=limit)
    assume(fraction < 1)

    more = fraction + Fraction(1, 10_000)

    asked = [vllm_asks_bytes(rank, more, basis=basis, limit_bytes=limit) for rank in ranks]
    assert any(one > own for one, own in zip(asked, given_bytes, strict=True))


def test_weights_that_leave_nothing_leave_no_cache() -> None:
    assert kv_cache_bytes(10 * GIB, weights_bytes=4 * GIB, activation_bytes=GIB) == 5 * GIB
    assert kv_cache_bytes(4 * GIB, weights_bytes=4 * GIB, activation_bytes=GIB) == 0


def test_whole_gib_are_rounded_down() -> None:
    assert [kv_cache_gib(size) for size in (0, GIB - 1, GIB, 2 * GIB - 1)] == [0, 0, 1, 1]


@given(own=amounts, available=amounts)
def test_sglang_takes_no_more_than_it_is_given(own: int, available: int) -> None:
    assert sglang_fraction(own, available) * available <= own
    assert 0 <= sglang_fraction(own, available) <= 1
