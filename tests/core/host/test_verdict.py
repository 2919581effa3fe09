from dataclasses import replace
from itertools import permutations

import pytest

from numalocal.host.observation import Observation, Stray
from numalocal.host.placement import Placement
from numalocal.host.verdict import Evidence, Outcome, local_share, problems
from numalocal.idset import IdSet
from numalocal.report import CheckReport
from numalocal.sets.assignment import Assignment
from numalocal.sets.cpusets import CpuSet
from numalocal.sets.memoryask import MemoryAsk, MemoryPolicy
from numalocal.sets.reach import reach

from ..conftest import make_machine

ASSIGNMENT = Assignment.of(
    [
        CpuSet(
            id="a",
            pool="p",
            cpus=IdSet.parse("2-3"),
            present=IdSet.parse("2-3"),
            numa_node=1,
            memory_nodes=IdSet.of([1]),
            memory_bytes=1,
        )
    ]
)
PLACEMENT = Placement(
    replica=0,
    assignment=ASSIGNMENT,
    reach=reach(ASSIGNMENT, make_machine(), MemoryAsk(), None),
    command=(),
    environment={},
    notes=(),
)
REPORT = CheckReport(
    verified=True, cpus="2-3", mems="1", ranks=(), limit_bytes=None, message="bound"
)
LOOK = Observation(
    threads=2, cpus=IdSet.parse("2-3"), mems=IdSet.of([1]), bytes_on_node={0: 1, 1: 999}
)
STRAY = Stray(pid=10, thread=11, name="'pool 1'", cpus=IdSet.parse("0-1"))
ASTRAY = replace(LOOK, cpus=IdSet.parse("0-3"), strays=2, stray=STRAY)


def seen(*looks: Observation, on: IdSet = PLACEMENT.reach.mems) -> Evidence:
    evidence = Evidence()
    for look in looks:
        evidence = evidence.after(look, on)
    return evidence


GOOD = Outcome(report=REPORT, evidence=seen(LOOK), rate="", exit_status=0)


def test_a_bound_replica_with_local_memory_has_no_problem() -> None:
    assert problems(PLACEMENT, GOOD) == ()


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        pytest.param(
            replace(GOOD, report=replace(REPORT, verified=False, message="node 1 is full")),
            "node 1 is full",
            id="refused",
        ),
        pytest.param(
            replace(GOOD, exit_status=3), "the engine ended with status 3", id="exit status"
        ),
        pytest.param(
            replace(GOOD, exit_status=-11), "was ended by signal 11 (SIGSEGV)", id="signal"
        ),
        pytest.param(replace(GOOD, exit_status=-50), "was ended by signal 50;", id="real time"),
        pytest.param(
            replace(GOOD, evidence=Evidence()), "ended before it could be observed", id="too soon"
        ),
        pytest.param(
            replace(GOOD, evidence=Evidence(), stopped=True, exit_status=-15),
            "was stopped before it could be observed",
            id="stopped too soon",
        ),
        pytest.param(
            replace(GOOD, exit_status=None, evidence=Evidence()), "was not started", id="no start"
        ),
        pytest.param(replace(GOOD, left=(7, 9)), "processes 7, 9 did not end", id="left"),
        pytest.param(
            replace(GOOD, evidence=seen(ASTRAY)),
            "thread 'pool 1' (id 11, pid 10) might run on CPUs 0-1 outside the set 2-3, "
            "as might 1 more at once",
            id="stray thread",
        ),
        pytest.param(
            replace(GOOD, evidence=seen(replace(LOOK, bytes_on_node={0: 50, 1: 50}))),
            "only 50.0% of its memory was on NUMA node 1",
            id="remote memory",
        ),
        pytest.param(
            replace(GOOD, evidence=seen(replace(LOOK, bytes_on_node={}, mems=IdSet.of([0, 1])))),
            "where its memory is could not be looked at",
            id="a kernel that tells no pages",
        ),
        pytest.param(
            replace(GOOD, evidence=seen(replace(LOOK, unread=("the memory of x is hidden",)))),
            "the memory of x is hidden",
            id="unread",
        ),
    ],
)
def test_whatever_is_wrong_is_one_sentence(outcome: Outcome, sentence: str) -> None:
    (found,) = problems(PLACEMENT, outcome)

    assert sentence in found


def test_no_memory_is_not_remote() -> None:
    assert local_share({}, IdSet.of([1])) == 1.0


def test_one_bad_look_is_not_made_good_by_a_fuller_one() -> None:
    """Any order of looks gives one verdict; the fullest is for people to see."""
    fuller = replace(LOOK, threads=50, bytes_on_node={1: 1 << 30})
    remote = replace(LOOK, bytes_on_node={0: 900, 1: 100})
    hidden = replace(LOOK, unread=("hidden",))

    for looks in permutations([LOOK, fuller, ASTRAY, remote, hidden]):
        evidence = seen(*looks)
        found = problems(PLACEMENT, replace(GOOD, evidence=evidence))

        assert evidence.fullest == fuller
        assert len(found) == 3
        assert "outside the set" in found[0]
        assert found[1].startswith("only 10.0%")
        assert found[2] == "hidden"


def test_what_was_not_looked_at_is_said_once_and_counted_beyond_three() -> None:
    looks = [replace(LOOK, unread=(f"{number % 5} hidden",)) for number in range(10)]

    found = problems(PLACEMENT, replace(GOOD, evidence=seen(*looks)))

    assert found == ("0 hidden", "1 hidden", "2 hidden", "2 more could not be looked at")


def test_an_engine_that_we_stopped_ends_as_it_likes() -> None:
    assert problems(PLACEMENT, replace(GOOD, exit_status=-9, stopped=True)) == ()


def test_a_kernel_that_tells_no_pages_is_enough_where_there_is_one_node() -> None:
    evidence = seen(replace(LOOK, bytes_on_node={}))

    assert problems(PLACEMENT, replace(GOOD, evidence=evidence)) == ()


@pytest.mark.parametrize("first", [0, 1])
def test_a_look_that_comes_before_any_memory_hides_none(first: int) -> None:
    early = replace(LOOK, threads=1, bytes_on_node={}, mems=IdSet.of([0, 1]))
    local = replace(early, threads=2, bytes_on_node={1: 1000})
    looks = (early, local) if first == 0 else (local, early)

    assert problems(PLACEMENT, replace(GOOD, evidence=seen(*looks))) == ()


INTERLEAVED = replace(
    PLACEMENT,
    reach=replace(
        PLACEMENT.reach,
        mems=IdSet.of([0, 1]),
        policy=MemoryPolicy.INTERLEAVE,
        policy_nodes=IdSet.of([0, 1]),
    ),
)


@pytest.mark.parametrize(
    ("by_policy", "sentence"),
    [
        pytest.param({"interleave:0-1": 995, "default": 5}, "", id="as asked"),
        pytest.param(
            {"interleave:0-1": 30, "bind:1": 900, "default": 70},
            "only 3.0% of its memory was under memory policy interleave:0-1, most of the rest "
            "under bind:1: the engine set a policy of its own",
            id="an engine that binds itself",
        ),
        pytest.param({"interleave:1": 999, "default": 1}, "", id="of each rank, by the binder"),
        pytest.param({"interleave:0": 100}, "only 0.0% of its memory was under", id="other nodes"),
        pytest.param({}, "", id="a kernel that does not tell"),
    ],
)
def test_memory_under_another_policy_is_told(by_policy: dict[str, int], sentence: str) -> None:
    look = replace(LOOK, bytes_on_node={0: 500, 1: 500}, bytes_by_policy=by_policy)
    outcome = replace(GOOD, evidence=Evidence().after(look, INTERLEAVED.reach.mems))

    told = problems(INTERLEAVED, outcome)

    assert len(told) == bool(sentence)
    assert sentence in "".join(told)


def test_a_list_of_nodes_that_the_kernel_cuts_off_is_the_same_policy() -> None:
    many = IdSet.of(range(0, 60, 2))
    spread = replace(INTERLEAVED, reach=replace(INTERLEAVED.reach, mems=many, policy_nodes=many))
    look = replace(LOOK, bytes_on_node={0: 9}, bytes_by_policy={f"interleave:{many}"[:63]: 4096})
    outcome = replace(GOOD, evidence=Evidence().after(look, many))

    assert problems(spread, outcome) == ()


@pytest.mark.parametrize("flags", ["static", "relative", "balancing", "static|balancing", ""])
@pytest.mark.parametrize("last", [2, 60])
def test_flags_of_a_policy_make_it_no_other(flags: str, last: int) -> None:
    """As the check has it: the nodes that the kernel shows are those in force with them."""
    many = IdSet.of(range(0, last, 2))
    spread = replace(INTERLEAVED, reach=replace(INTERLEAVED.reach, mems=many, policy_nodes=many))
    look = replace(
        LOOK, bytes_on_node={0: 9}, bytes_by_policy={f"interleave={flags}:{many}"[:63]: 4096}
    )
    other = replace(look, bytes_by_policy={f"interleave={flags}:2-4": 4096})

    assert problems(spread, replace(GOOD, evidence=Evidence().after(look, many))) == ()
    assert len(problems(spread, replace(GOOD, evidence=Evidence().after(other, many)))) == 1


def test_what_counts_of_policies_is_the_look_with_most_memory() -> None:
    """Not that with most threads, as while an engine compiles; nor one of its first moments."""
    compiling = replace(LOOK, threads=500, bytes_by_policy={"interleave:0-1": 1 << 20})
    serving = replace(
        LOOK, threads=9, bytes_on_node={0: 1 << 40}, bytes_by_policy={"bind:0": 1 << 40}
    )
    early = replace(LOOK, threads=1, bytes_on_node={1: 9}, bytes_by_policy={"default": 1 << 10})

    for looks in permutations([compiling, serving, early]):
        (told,) = problems(INTERLEAVED, replace(GOOD, evidence=seen(*looks, on=IdSet.of([0, 1]))))
        assert "under bind:0" in told
    for looks in permutations([compiling, early]):
        good = replace(GOOD, evidence=seen(*looks, on=IdSet.of([0, 1])))
        assert problems(INTERLEAVED, good) == ()


def test_a_run_of_days_does_not_remember_all_that_could_not_be_looked_at() -> None:
    looks = [replace(LOOK, unread=(f"{number} hidden",)) for number in range(5000)]

    evidence = seen(*looks)
    found = problems(PLACEMENT, replace(GOOD, evidence=evidence))

    assert len(evidence.unread) == 100
    assert found[-1] == "at least 97 more could not be looked at"


@pytest.mark.parametrize("kernels", ["prefer:1", "prefer (many):1"])
def test_a_preference_has_two_names_and_memory_may_be_on_every_node(kernels: str) -> None:
    preferring = replace(
        INTERLEAVED,
        reach=replace(INTERLEAVED.reach, policy=MemoryPolicy.PREFERRED, policy_nodes=IdSet.of([1])),
    )
    look = replace(LOOK, bytes_on_node={0: 900, 1: 100}, bytes_by_policy={kernels: 1000})
    outcome = replace(GOOD, evidence=Evidence().after(look, preferring.reach.mems))

    assert problems(preferring, outcome) == ()
