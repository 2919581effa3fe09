from fractions import Fraction
from math import ceil

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from numalocal.engines.budget import GIB, as_decimal, fraction, kv_cache_gib, per_rank_bytes

amounts = st.integers(0, 4096 * GIB)
bases = st.integers(1, 4096 * GIB)


@pytest.mark.parametrize(("basis_gib", "expected"), [(512, "0.1406"), (150, "0.4800")])
def test_the_same_pod_needs_another_fraction_of_another_basis(
    basis_gib: int, expected: str
) -> None:
    """The worked example of two ranks, a limit of 150 GiB and 6 GiB beside the ranks."""
    own = per_rank_bytes(500 * GIB, ranks=2, limit_bytes=150 * GIB, overhead_bytes=6 * GIB)

    assert own == 72 * GIB
    assert as_decimal(fraction(own, basis_gib * GIB)) == expected


def test_a_pod_without_a_limit_has_what_it_asks_for() -> None:
    assert per_rank_bytes(5 * GIB, ranks=2, limit_bytes=None, overhead_bytes=GIB) == 5 * GIB


@given(asked=amounts, ranks=st.integers(1, 8), limit=amounts, overhead=amounts)
def test_all_ranks_and_what_is_beside_them_stay_within_the_limit(
    asked: int, ranks: int, limit: int, overhead: int
) -> None:
    own = per_rank_bytes(asked, ranks=ranks, limit_bytes=limit, overhead_bytes=overhead)

    assert own * ranks + overhead <= max(limit, overhead)
    assert 0 <= own <= asked


@given(own=amounts, basis=bases)
def test_no_engine_asks_for_more_than_it_is_given(own: int, basis: int) -> None:
    part = fraction(own, basis)

    assert ceil(part * basis) <= own
    assert 0 <= part <= 1
    assert Fraction(as_decimal(part)) == part


@given(own=amounts, basis=bases)
def test_one_step_more_would_be_too_much(own: int, basis: int) -> None:
    part = fraction(own, basis)
    assume(part < 1)

    assert ceil((part + Fraction(1, 10_000)) * basis) > own


def test_of_nothing_there_is_no_fraction() -> None:
    assert fraction(GIB, 0) == 0


def test_whole_gib_are_rounded_down() -> None:
    assert [kv_cache_gib(size) for size in (0, GIB - 1, GIB, 2 * GIB - 1)] == [0, 0, 1, 1]
