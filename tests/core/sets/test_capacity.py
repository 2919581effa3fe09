"""How many ranks memory holds, judged by a search that knows no theorem."""

from collections import defaultdict
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.idset import IdSet
from numalocal.sets.capacity import largest_rank_bytes, overdrawn, slots
from numalocal.sets.sharing import crowded, in_turn

KEYS = st.frozensets(st.integers(0, 3), min_size=1, max_size=3).map(IdSet.of)
SOURCES = st.dictionaries(KEYS, st.integers(0, 3), min_size=1, max_size=4)
MEMORY = st.fixed_dictionaries({node: st.integers(0, 12) for node in range(4)})


def of(*nodes: int) -> IdSet:
    return IdSet.of(nodes)


@pytest.mark.parametrize(
    ("sources", "memory", "held"),
    [
        ({of(0): 4, of(1): 4}, {0: 64, 1: 64}, {of(0): 4, of(1): 4}),
        ({of(0): 4, of(1): 4}, {0: 8, 1: 64}, {of(0): 0, of(1): 4}),
        ({of(0): 4}, {}, {of(0): 4}),
        ({of(0): 4, of(0, 1): 4}, {0: 48, 1: 0}, {of(0): 3, of(0, 1): 0}),
        ({of(0, 1): 4}, {0: 24, 1: 24}, {of(0, 1): 3}),
        ({of(0): 1, of(0, 1): 1, of(0, 2): 1}, {0: 16, 1: 8, 2: 8}, None),
    ],
    ids=["all", "one node is full", "not known", "own before lent", "over two nodes", "lent wins"],
)
def test_ranks_of_sixteen_fit_where_there_is_room(
    sources: dict[IdSet, int], memory: dict[int, int], held: dict[IdSet, int] | None
) -> None:
    found = slots(sources, memory, 16)

    assert found == (held or {of(0): 0, of(0, 1): 1, of(0, 2): 1})


@given(SOURCES, MEMORY, st.integers(1, 6))
def test_no_way_to_share_nodes_out_holds_more_ranks(
    sources: dict[IdSet, int], memory: dict[int, int], rank: int
) -> None:
    found = slots(sources, memory, rank)

    assert all(0 <= found[key] <= count for key, count in sources.items())
    assert flows(found, memory, rank)
    ways = product(*(range(count + 1) for count in sources.values()))
    best = max(
        sum(way) for way in ways if flows(dict(zip(sources, way, strict=True)), memory, rank)
    )
    assert sum(found.values()) == best


@given(SOURCES, MEMORY, st.integers(1, 6))
def test_what_is_overdrawn_is_named_and_nothing_else(
    sources: dict[IdSet, int], memory: dict[int, int], rank: int
) -> None:
    named = overdrawn(sources, memory, rank)

    assert bool(named) != flows(sources, memory, rank)
    for nodes in named:
        asked = rank * sum(count for key, count in sources.items() if key <= nodes)
        assert asked > sum(memory[node] for node in nodes)


@given(SOURCES, MEMORY, st.integers(1, 4))
def test_the_largest_amount_fits_and_a_larger_one_does_not(
    sources: dict[IdSet, int], memory: dict[int, int], ranks: int
) -> None:
    mib = {node: size << 20 for node, size in memory.items()}

    largest = largest_rank_bytes(sources, mib, ranks)

    assert largest == 0 or sum(slots(sources, mib, largest).values()) >= ranks
    assert sum(slots(sources, mib, largest + (1 << 20)).values()) < ranks


def test_a_machine_with_many_groups_of_nodes_is_answered_at_once_and_never_too_much() -> None:
    sources = {of(node, (node + 1) % 64): 4 for node in range(64)}
    memory = dict.fromkeys(range(64), 40)

    found = slots(sources, memory, 16)

    assert sum(found.values()) == 64 * 40 // 16
    assert flows(found, memory, 16)


def test_thirteen_small_nodes_beside_one_that_all_take_from_hold_all_their_ranks() -> None:
    sources = {of(node, 99): 1 for node in range(13)}
    memory = {**dict.fromkeys(range(13), 10), 99: 13 * 6}

    assert slots(sources, memory, 16) == sources
    assert overdrawn(sources, memory, 16) == ()
    assert sum(slots(sources, memory | {99: 13 * 6 - 1}, 16).values()) == 12


def test_what_a_few_of_many_groups_ask_too_much_of_is_named() -> None:
    sources = {of(node, 99): 1 for node in range(16)}
    memory = {**dict.fromkeys(range(16), 256), 0: 8, 1: 8, 99: 64}

    assert overdrawn(sources, memory, 60) == (of(0, 1, 99),)


@given(SOURCES, MEMORY, st.integers(1, 6))
def test_who_shares_nodes_out_by_moving_over_names_what_is_overdrawn(
    sources: dict[IdSet, int], memory: dict[int, int], rank: int
) -> None:
    nodes = crowded({key: count * rank for key, count in sources.items()}, memory)

    assert bool(nodes) != flows(sources, memory, rank)
    asked = rank * sum(count for key, count in sources.items() if key <= nodes)
    assert not nodes or asked > sum(memory[node] for node in nodes)


def test_twelve_groups_that_share_nodes_are_answered_at_once() -> None:
    sources = {of(node, (node + 1) % 12): 16 for node in range(12)}
    memory = dict.fromkeys(range(12), 100)

    found = slots(sources, memory, 16)

    assert 12 * 100 // 16 - 6 <= sum(found.values()) <= 12 * 100 // 16
    assert flows(found, memory, 16)


@given(SOURCES, MEMORY, st.integers(1, 6))
def test_in_turn_all_fit_and_none_more(
    sources: dict[IdSet, int], memory: dict[int, int], rank: int
) -> None:
    found = in_turn(sources, memory, rank)

    assert flows(found, memory, rank)
    for key, count in sources.items():
        assert found[key] <= count
        assert found[key] == count or not flows(found | {key: found[key] + 1}, memory, rank)


def flows(ranks: dict[IdSet, int], memory: dict[int, int], rank: int) -> bool:
    """Tell whether every byte finds a place, if those before it move over (augmenting paths)."""
    placed: dict[int, list[IdSet]] = defaultdict(list)

    def place(key: IdSet, seen: set[int]) -> bool:
        for node in key - IdSet.of(seen):
            seen.add(node)
            if len(placed[node]) < memory.get(node, 1 << 62):
                placed[node].append(key)
                return True
            for index, other in enumerate(placed[node]):
                if other != key and place(other, seen):
                    placed[node][index] = key
                    return True
        return False

    return all(place(key, set()) for key, count in ranks.items() for _ in range(count * rank))
