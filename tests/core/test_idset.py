import copy
import pickle
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.errors import ListInvalid
from numalocal.idset import IdSet, union

ids = st.frozensets(st.integers(min_value=0, max_value=4096), max_size=64)


@given(ids)
def test_a_set_survives_the_list_format(values: frozenset[int]) -> None:
    assert IdSet(values) == IdSet.parse(str(IdSet(values)))


@given(ids)
def test_ids_come_in_ascending_order(values: frozenset[int]) -> None:
    assert sorted(values) == list(IdSet(values))


@given(ids, ids)
def test_the_algebra_is_that_of_sets(left: frozenset[int], right: frozenset[int]) -> None:
    assert IdSet(left | right) == IdSet(left) | IdSet(right)
    assert IdSet(left & right) == IdSet(left) & IdSet(right)
    assert IdSet(left - right) == IdSet(left) - IdSet(right)
    assert (left <= right) == (IdSet(left) <= IdSet(right))
    assert left.isdisjoint(right) == IdSet(left).isdisjoint(IdSet(right))
    assert left.isdisjoint(right) == IdSet(left).isdisjoint(iter(right))


def test_a_list_is_written_once() -> None:
    cpus = IdSet.of(range(0, 1000, 2))

    text = str(cpus)

    assert str(cpus) is text
    assert str(copy.deepcopy(cpus)) == str(pickle.loads(pickle.dumps(cpus))) == str(cpus)


def test_to_tell_sets_apart_none_is_sorted() -> None:
    class Unsorted(IdSet):
        def __iter__(self) -> Iterator[int]:
            raise AssertionError("it was walked in order")

    assert not IdSet.of([1, 2]).isdisjoint(Unsorted([2, 3]))
    assert Unsorted([1, 2]).isdisjoint(Unsorted([3]))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("\n", "", id="the kernel's empty line"),
        pytest.param("3", "3", id="one"),
        pytest.param("0-3,8", "0-3,8", id="range and one"),
        pytest.param("5,2-4", "2-5", id="order is not kept"),
        pytest.param("1,1,1-2", "1-2", id="repetitions"),
        pytest.param("0-0", "0", id="range of one"),
        pytest.param("0-1023\n", "0-1023", id="wide"),
    ],
)
def test_the_kernels_lists_are_read_and_written(text: str, written: str) -> None:
    assert written == str(IdSet.parse(text))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("a", "'a' is neither an id nor a range", id="word"),
        pytest.param("1,,2", "'' is neither an id nor a range", id="nothing between commas"),
        pytest.param("1-", "'1-' is neither", id="open range"),
        pytest.param("-1", "'-1' is neither", id="negative"),
        pytest.param("5-3", "write 3-5", id="backwards"),
        pytest.param("0-8:2", "'0-8:2' is neither", id="stride"),
        pytest.param("\u0663", "is neither", id="a digit that is not ASCII"),
        pytest.param("0-99999999999", "above the highest id", id="huge"),
    ],
)
def test_anything_else_is_refused_with_the_part_that_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(ListInvalid, match=reason.replace("(", r"\(")):
        IdSet.parse(text)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).map(sorted)))
def test_ranges_may_come_in_any_order_and_overlap(spans: list[list[int]]) -> None:
    text = ",".join(f"{low}-{high}" for low, high in spans)

    assert IdSet.parse(text) == IdSet.of(one for low, high in spans for one in range(low, high + 1))


def test_a_text_that_names_every_id_a_thousand_times_takes_no_longer_for_it() -> None:
    started = time.process_time()

    assert len(IdSet.parse(",".join(["0-8191"] * 9000))) == 8192

    assert time.process_time() - started < 0.5


def test_the_union_of_nothing_is_empty() -> None:
    assert IdSet() == union([])


def test_the_first_id_is_the_lowest() -> None:
    assert IdSet.parse("9,4-6").first == 4
