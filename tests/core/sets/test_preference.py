from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numalocal.errors import SetsUnavailable
from numalocal.idset import IdSet, union
from numalocal.machine.model import Machine, NumaNode, Package
from numalocal.sets import choices
from numalocal.sets.cpusets import CpuSet, in_rank_order
from numalocal.sets.pools import PREFERENCES, Preference
from numalocal.sets.preference import prefer

Distance = Callable[[int, int], int]
placements = pytest.mark.parametrize("placement", PREFERENCES)


def cpu_set(node: int, *cpus: int) -> CpuSet:
    name = "-".join(map(str, cpus))
    return CpuSet(
        id=f"n{node}c{name}",
        pool="cpuset",
        cpus=IdSet.of(cpus),
        present=IdSet.of(cpus),
        numa_node=node,
        memory_nodes=IdSet.of([node]),
        memory_bytes=1,
    )


def machine_with(
    sets: Iterable[CpuSet],
    *,
    distance: Distance | None = lambda one, other: 10 if one == other else 20,
    l3: Sequence[Iterable[int]] = (),
    package_of: Callable[[int], int] | None = None,
    offline: Collection[int] = (),
) -> Machine:
    """Build the machine that these sets are cut from; a node is what its sets are."""
    cpus_of: dict[int, IdSet] = {}
    for one in sets:
        cpus_of[one.numa_node] = cpus_of.get(one.numa_node, IdSet()) | one.cpus
    gone = IdSet.of(offline)
    online = union(cpus_of.values()) - gone
    packages: dict[int, IdSet] = {}
    if package_of:
        for node, cpus in cpus_of.items():
            package = package_of(node)
            packages[package] = packages.get(package, IdSet()) | (cpus - gone)
    return Machine(
        online=online,
        offline=gone,
        allowed=online,
        allowed_nodes=IdSet.of(cpus_of),
        packages=tuple(Package(id=one, cpus=cpus) for one, cpus in sorted(packages.items())),
        cores=(),
        nodes=tuple(
            NumaNode(
                id=node,
                cpus=cpus - gone,
                memory_bytes=1,
                distances={other: distance(node, other) for other in cpus_of} if distance else {},
            )
            for node, cpus in sorted(cpus_of.items())
        ),
        l3=tuple(IdSet.of(near) - gone for near in l3),
    )


def online_of(sets: Iterable[CpuSet], machine: Machine) -> list[CpuSet]:
    """Give the sets as they are cut while CPUs are offline."""
    return [one._replace(cpus=one.cpus - machine.offline) for one in sets]


def sets_on(*counts: int) -> list[list[CpuSet]]:
    """Make so many sets of one CPU for each node, numbered node after node."""
    made: list[list[CpuSet]] = []
    first = 0
    for node, count in enumerate(counts):
        made.append([cpu_set(node, cpu) for cpu in range(first, first + count)])
        first += count
    return made


def flat(nodes: Iterable[Iterable[CpuSet]]) -> list[CpuSet]:
    return [one for sets in nodes for one in sets]


def nodes_of(sets: Iterable[CpuSet]) -> list[int]:
    return [one.numa_node for one in sets]


def cpus_of(sets: Iterable[CpuSet]) -> list[int]:
    return [cpu for one in sets for cpu in one.cpus]


# What is best, said once more: slow, and by looking at every choice there is.


@dataclass(frozen=True, kw_only=True)
class Request:
    machine: Machine
    free: tuple[CpuSet, ...]
    must: tuple[CpuSet, ...]
    size: int

    def choices(self) -> Iterable[tuple[CpuSet, ...]]:
        return combinations(self.free, self.size - len(self.must))

    def answer(self, placement: Preference) -> tuple[CpuSet, ...]:
        return prefer(
            self.free,
            must_include=self.must,
            size=self.size,
            machine=self.machine,
            placement=placement,
        )


def home(one: CpuSet, machine: Machine) -> tuple[int, int | None]:
    near = [i for i, cpus in enumerate(machine.l3) if not cpus.isdisjoint(one.cpus)]
    inside = len(near) == 1 and one.cpus - machine.offline <= machine.l3[near[0]]
    return one.numa_node, near[0] if inside else None


def package(node: int, machine: Machine) -> int | None:
    cpus = machine.node(node).cpus
    ids = [one.id for one in machine.packages if not cpus.isdisjoint(one.cpus)]
    return ids[0] if ids else None


def extent(nodes: Collection[int], machine: Machine) -> int:
    pairs = [(one, other) for one in nodes for other in nodes if one != other]
    return sum(machine.node(one).distances.get(other, 20) for one, other in pairs)


def in_localities(request: Request, placed: Collection[CpuSet]) -> tuple[int, int]:
    before = {home(one, request.machine) for one in request.must}
    used = before | {home(one, request.machine) for one in placed}
    left = [one for one in request.free if one not in placed]
    return len(used - before), sum(home(one, request.machine) in used for one in left)


def lowest(chosen: Iterable[CpuSet]) -> tuple[list[int], ...]:
    ranks = in_rank_order(chosen)
    return sorted(set(nodes_of(ranks))), nodes_of(ranks), [one.present.first for one in ranks]


def spread_cost(request: Request, placed: Collection[CpuSet]) -> tuple[Any, ...]:
    chosen = [*request.must, *placed]
    ranks = Counter(nodes_of(chosen))
    free = nodes_of(request.free)
    packages = [package(node, request.machine) for node in free]
    return (
        sum(count**2 for count in ranks.values()),
        extent(ranks, request.machine),
        sum(free.count(node) for node in nodes_of(placed)),
        sum(packages.count(package(node, request.machine)) for node in nodes_of(placed)),
        *in_localities(request, placed),
        *lowest(chosen),
    )


def pack_cost(request: Request, placed: Collection[CpuSet]) -> tuple[Any, ...]:
    chosen = [*request.must, *placed]
    used = set(nodes_of(chosen))
    packages = {package(node, request.machine) for node in used}
    left = [one.numa_node for one in request.free if one not in placed]
    turn = sorted(used, key=lambda node: (nodes_of(request.free).count(node), node))
    return (
        len(used),
        extent(used, request.machine),
        sum(node in used for node in left),
        sum(package(node, request.machine) in packages for node in left),
        any(
            one in left and other in nodes_of(placed) for one, other in combinations(turn, 2)
        ),  # one was passed over
        *in_localities(request, placed),
        *lowest(chosen),
    )


COSTS = {"Spread": spread_cost, "Pack": pack_cost}


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Draw small machines of every shape: CPUs numbered at random, some distances missing."""
    nodes = draw(st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True))
    shape = [
        (node, locality)
        for node in nodes
        for locality in draw(st.lists(st.integers(0, 3), min_size=1, max_size=6))
    ]
    numbers = draw(st.permutations(range(2 * len(shape))))
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    sets = [cpu_set(node, *pair) for (node, _), pair in zip(shape, pairs, strict=True)]
    l3: dict[tuple[int, int], list[int]] = {}
    for (node, locality), pair in zip(shape, pairs, strict=True):
        if locality:  # those of 0 lie in none
            l3.setdefault((node, locality), []).extend(pair)
            if locality == 3 and draw(st.booleans()):  # and some cross over
                l3.setdefault((node, 1), []).append(l3[node, locality].pop())
    distances = draw(
        st.dictionaries(
            st.tuples(st.sampled_from(nodes), st.sampled_from(nodes)), st.sampled_from([11, 12, 21])
        )
    )
    packages = {node: draw(st.integers(0, 2)) for node in nodes}
    machine = machine_with(
        sets,
        distance=lambda one, other: distances.get((one, other), 20),
        l3=[near for near in l3.values() if near],
        package_of=packages.__getitem__ if draw(st.booleans()) else None,
        offline=draw(st.sets(st.sampled_from(numbers[1::2]), max_size=2)),
    )
    shuffled = draw(st.permutations(online_of(sets, machine)))[:10]
    known = draw(st.integers(0, min(3, len(shuffled))))
    must, free = shuffled[:known], shuffled[known:]
    size = draw(st.integers(max(1, known), max(1, len(shuffled))))
    return Request(machine=machine, free=tuple(free), must=tuple(must), size=size)


@placements
@settings(max_examples=300)
@given(request=requests())
def test_no_other_choice_is_better(placement: Preference, request: Request) -> None:
    cost = COSTS[placement]

    chosen = request.answer(placement)

    placed = [one for one in chosen if one not in request.must]
    assert cost(request, placed) == min(cost(request, other) for other in request.choices())


@placements
@given(request=requests(), pick=st.randoms(use_true_random=False))
def test_the_answer_depends_on_no_order(placement: Preference, request: Request, pick: Any) -> None:
    free, must = list(request.free), list(request.must)
    pick.shuffle(free)
    pick.shuffle(must)
    # The kubelet lists what must be included among the available, too.
    other = Request(
        machine=request.machine, free=(*must, *free), must=tuple(must), size=request.size
    )

    assert request.answer(placement) == other.answer(placement)


@placements
@given(request=requests())
def test_the_answer_has_the_size_asked_and_no_set_twice(
    placement: Preference, request: Request
) -> None:
    twice = Request(
        machine=request.machine, free=request.free * 2, must=request.must * 2, size=request.size
    )

    chosen = twice.answer(placement)

    assert request.size == len(chosen) == len({one.id for one in chosen})
    assert set(request.must) <= set(chosen) <= {*request.must, *request.free}
    assert chosen == in_rank_order(chosen)


@placements
@given(request=requests())
def test_with_too_many_ways_to_look_at_the_number_of_nodes_is_still_the_best(
    placement: Preference, request: Request
) -> None:
    cost = COSTS[placement]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choices, "MOST_LOOKS", 0)
        chosen = request.answer(placement)

    placed = [one for one in chosen if one not in request.must]
    assert len(chosen) == len(set(chosen)) == request.size
    assert cost(request, placed)[0] == min(cost(request, other)[0] for other in request.choices())


# What that means, by example.


def test_spread_is_the_default() -> None:
    sets = flat(sets_on(2, 2))

    assert nodes_of(prefer(sets, size=2, machine=machine_with(sets))) == [0, 1]


def test_ranks_are_spread_evenly_where_there_are_more_than_nodes() -> None:
    sets = flat(sets_on(5, 1, 5))

    chosen = prefer(sets, size=7, machine=machine_with(sets))

    assert Counter(nodes_of(chosen)) == {0: 3, 1: 1, 2: 3}


def test_what_must_be_included_counts_as_a_rank_on_its_node() -> None:
    here, there = sets_on(3, 3)
    machine = machine_with(here + there)

    chosen = prefer(here + there, must_include=[here[2]], size=2, machine=machine)

    assert chosen == (here[2], there[0])


@placements
def test_what_must_be_included_stays_even_where_it_is_more_than_asked(
    placement: Preference,
) -> None:
    sets = flat(sets_on(3))
    machine = machine_with(sets)

    assert prefer([], must_include=sets, size=2, machine=machine, placement=placement) == (*sets,)


@placements
def test_one_rank_goes_where_least_is_left(placement: Preference) -> None:
    sets = flat(sets_on(3, 2, 3))

    (chosen,) = prefer(sets, size=1, machine=machine_with(sets), placement=placement)

    assert chosen.numa_node == 1


@placements
def test_one_rank_goes_to_the_package_where_least_is_left(placement: Preference) -> None:
    nodes = sets_on(2, 2, 2, 1)
    sets = flat(nodes[:3])
    machine = machine_with(flat(nodes), package_of=lambda node: node // 2)

    (chosen,) = prefer(sets, size=1, machine=machine, placement=placement)

    assert chosen.numa_node == 2


def test_spread_takes_near_nodes() -> None:
    sets = flat(sets_on(2, 2, 1, 1))
    machine = machine_with(sets, distance=lambda one, other: 11 if one % 2 == other % 2 else 21)

    assert nodes_of(prefer(sets, size=2, machine=machine)) == [0, 2]
    assert nodes_of(prefer(sets, must_include=sets[2:3], size=2, machine=machine)) == [1, 3]


def test_distances_count_both_ways_and_20_where_none_is_told() -> None:
    sets = flat(sets_on(1, 1, 1))
    told = {(0, 1): 12, (1, 0): 40, (0, 2): 25, (2, 0): 26, (1, 2): 26, (2, 1): 24}

    assert nodes_of(
        prefer(sets, size=2, machine=machine_with(sets, distance=lambda *two: told.get(two, 10)))
    ) == [1, 2]
    assert nodes_of(prefer(sets, size=2, machine=machine_with(sets, distance=None))) == [0, 1]


@placements
@pytest.mark.parametrize(
    ("l3", "size", "expected"),
    [
        ([range(3), range(3, 5), range(5, 8)], 2, [3, 4]),
        ([range(3), range(3, 5), range(5, 8)], 3, [0, 1, 2]),
        ([range(3), range(3, 5), range(5, 8)], 5, [0, 1, 2, 3, 4]),
        ([range(1), range(1, 3), range(3, 8)], 6, [0, 3, 4, 5, 6, 7]),
        ([], 2, [0, 1]),
    ],
    ids=["best fit", "lowest", "two filled up", "few before full", "none known"],
)
def test_l3_caches_stay_whole(
    placement: Preference, l3: list[range], size: int, expected: list[int]
) -> None:
    sets = flat(sets_on(8))

    chosen = prefer(sets, size=size, machine=machine_with(sets, l3=l3), placement=placement)

    assert cpus_of(chosen) == expected


@pytest.mark.parametrize(("placement", "size"), [("Spread", 1), ("Pack", 3)])
def test_of_equal_nodes_the_one_is_taken_whose_l3_caches_fit(
    placement: Preference, size: int
) -> None:
    sets = flat(sets_on(4, 4))
    machine = machine_with(sets, l3=[range(2), range(2, 4), range(4, 7), range(7, 8)])

    chosen = prefer(sets, size=size, machine=machine, placement=placement)

    assert cpus_of(chosen) == ([7] if size == 1 else [4, 5, 6])


@placements
def test_ranks_join_the_l3_cache_that_has_one(placement: Preference) -> None:
    sets = flat(sets_on(6))
    machine = machine_with(sets, l3=[range(2), range(2, 6)])

    chosen = prefer(sets, must_include=[sets[5]], size=3, machine=machine, placement=placement)

    assert cpus_of(chosen) == [2, 3, 5]


@placements
def test_sets_across_l3_caches_count_together(placement: Preference) -> None:
    sets = [cpu_set(0, 0, 4), cpu_set(0, 1, 5), cpu_set(0, 2, 3), cpu_set(0, 6, 7)]
    machine = machine_with(sets, l3=[range(4), range(4, 8)])

    assert prefer(sets, size=2, machine=machine, placement=placement) == tuple(sets[:2])
    assert prefer(sets, size=1, machine=machine, placement=placement) == (sets[2],)


@placements
def test_an_offline_sibling_moves_no_set_out_of_its_l3_cache(placement: Preference) -> None:
    sets = [cpu_set(0, 0, 4), cpu_set(0, 1, 5), cpu_set(0, 2, 6), cpu_set(0, 3, 7)]
    machine = machine_with(sets, l3=[(0, 1, 4, 5), (2, 3, 6, 7)], offline=[0, 6])
    sets = online_of(sets, machine)

    chosen = prefer(sets[1:], size=2, machine=machine, placement=placement)
    beside = prefer(sets[1:], must_include=sets[:1], size=2, machine=machine, placement=placement)

    assert chosen == (sets[2], sets[3])
    assert beside == (sets[0], sets[1])


def test_pack_keeps_to_the_one_node_that_fits_best() -> None:
    sets = flat(sets_on(6, 2, 4, 3))
    machine = machine_with(sets)

    for size, node in ((1, 1), (2, 1), (3, 3), (4, 2), (5, 0)):
        chosen = prefer(sets, size=size, machine=machine, placement="Pack")
        assert set(nodes_of(chosen)) == {node}


def test_pack_leaves_the_rest_on_one_node() -> None:
    sets = flat(sets_on(5, 3, 4))

    chosen = prefer(sets, size=10, machine=machine_with(sets), placement="Pack")

    assert Counter(nodes_of(chosen)) == {0: 3, 1: 3, 2: 4}


def test_pack_takes_near_nodes_before_those_that_fit_best() -> None:
    sets = flat(sets_on(3, 2, 3, 3))
    machine = machine_with(sets, distance=lambda one, other: 11 if one // 2 == other // 2 else 21)

    assert set(nodes_of(prefer(sets, size=5, machine=machine, placement="Pack"))) == {0, 1}
    assert set(nodes_of(prefer(sets, size=6, machine=machine, placement="Pack"))) == {2, 3}


def test_pack_stays_on_the_node_of_what_must_be_included() -> None:
    here, there = sets_on(3, 2)
    machine = machine_with(here + there)

    chosen = prefer(here + there, must_include=[here[1]], size=3, machine=machine, placement="Pack")

    assert chosen == tuple(here)


@placements
def test_too_few_free_sets_is_told_with_the_numbers(placement: Preference) -> None:
    sets = flat(sets_on(1, 1))

    with pytest.raises(
        SetsUnavailable,
        match=r"^3 CPU sets are asked for, 2 are free$",
    ):
        prefer(sets, size=3, machine=machine_with(sets), placement=placement)


def test_a_set_of_no_node_of_this_machine_is_an_error() -> None:
    with pytest.raises(KeyError):
        prefer([cpu_set(7, 0)], size=1, machine=machine_with([cpu_set(0, 0)]))


# Large machines: the nodes can be chosen in too many ways, and the kubelet waits.


def large(
    nodes: int, sets: int, *, threads: int = 4, near: int = 8
) -> tuple[Machine, list[CpuSet]]:
    """Make nodes of one-core sets: `near` of them share an L3 cache, eight nodes a package."""
    cores = [range(core * threads, (core + 1) * threads) for core in range(nodes * sets)]
    made = [cpu_set(core // sets, *cpus) for core, cpus in enumerate(cores)]
    step = near * threads
    machine = machine_with(
        made,
        distance=lambda one, other: 10 if one == other else 12 if one // 8 == other // 8 else 32,
        l3=[range(first, first + step) for first in range(0, len(cores) * threads, step)],
        package_of=lambda node: node // 8,
    )
    return machine, made


@pytest.mark.parametrize(("placement", "size"), [("Spread", 4), ("Spread", 7), ("Pack", 30)])
def test_on_a_large_machine_a_replica_stays_on_near_nodes(placement: Preference, size: int) -> None:
    machine, sets = large(64, 8)
    # Package 0 has three nodes left, package 5 all, every other one four.
    full = [node for node in range(64) if node // 8 != 5 and node % 8 >= (4 if node > 7 else 3)]
    free = [one for one in sets if one.numa_node not in full]

    chosen = prefer(free, size=size, machine=machine, placement=placement)

    packages = {node // 8 for node in nodes_of(chosen)}
    assert packages == ({1} if size == 4 else {5} if size == 7 else {1})
    assert len(set(nodes_of(chosen))) == (4 if placement == "Pack" else size)


def test_on_a_large_machine_a_replica_stays_near_what_must_be_included() -> None:
    machine, sets = large(64, 8)

    chosen = prefer(sets, must_include=[sets[-1]], size=6, machine=machine)

    assert nodes_of(chosen) == [56, 57, 58, 59, 60, 63]


@pytest.mark.no_cover
@placements
@pytest.mark.parametrize("size", [1, 4, 8, 64])
@pytest.mark.parametrize("shape", [(1, 512), (8, 64), (64, 8)], ids=str)
def test_a_preference_takes_no_time(
    shape: tuple[int, int], size: int, placement: Preference
) -> None:
    machine, sets = large(*shape)
    seconds = []
    for _ in range(15):
        started = process_time()
        prefer(sets, size=size, machine=machine, placement=placement)
        seconds.append(process_time() - started)

    assert median(seconds) < 0.005
