"""How much memory check counts where ranks may use several nodes, and in which way."""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Bind = Callable[..., subprocess.CompletedProcess[str]]
Machine = Callable[..., Path]
Check = Callable[..., dict[str, Any]]

GIB = 1 << 30
GIB_KB = 1 << 20
FREE_GIB = {0: 10, 1: 10, 2: 2, 3: 100}
WEIGHTS = "sys/kernel/mm/mempolicy/weighted_interleave"
LOWER = "lower spec.memory.perRank, or use a node with more memory"
WORDS = {
    "preferred": "prefer (many)",
    "interleave": "interleave",
    "weighted-interleave": "weighted interleave",
}


def plan(
    ranks: tuple[str, ...], per_rank_gib: int, mems: str, how: tuple[str, str] | None
) -> dict[str, str]:
    """One rank for each list of nodes, on CPUs 2-3; a policy with its nodes, or none."""
    policy, nodes = how or ("none", "")
    named = {"NUMALOCAL_MEMORY_POLICY": policy, "NUMALOCAL_MEMORY_POLICY_NODES": nodes}
    return {
        "NUMALOCAL_CPUS": "2-3",
        "NUMALOCAL_MEMS": mems,
        "NUMALOCAL_RANKS": str(len(ranks)),
        "NUMALOCAL_RANK_CPUS": "|".join(["2-3"] * len(ranks)),
        "NUMALOCAL_RANK_MEMS": "|".join(ranks),
        "NUMALOCAL_MEMORY_PER_RANK_BYTES": str(per_rank_gib * GIB),
        **(named if how else {}),
    }


@pytest.fixture
def check(bind: Bind, machine: Machine) -> Check:
    """Check ranks on four nodes with 10, 10, 2 and 100 GiB free."""

    def run(
        ranks: tuple[str, ...],
        per_rank_gib: int,
        mems: str,
        how: tuple[str, str] | None = None,
        *,
        files: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        meminfo = {
            node: {"MemTotal": 128 * GIB_KB, "MemFree": free * GIB_KB}
            for node, free in FREE_GIB.items()
        }
        kernel = f"{WORDS[how[0]]}:{how[1]}" if how else "default"
        root = machine(mems=mems, policy=kernel, nodes=meminfo, files=files)
        env = plan(ranks, per_rank_gib, mems, how)
        checked = bind("check", "--root", root, env=env)
        report: dict[str, Any] = json.loads(checked.stdout)
        assert checked.returncode == (0 if report["verified"] else 1), checked.stderr
        return report

    return run


def turns(report: Mapping[str, Any]) -> list[str]:
    return [note for note in report["notes"] if note.startswith("in turn")]


def short(demand: str, where: str, free: str, total: str = "256.0 GiB") -> list[str]:
    return [f"{demand} but NUMA {where} {free} available of {total}: {LOWER}"]


def test_a_rank_bound_to_its_node_and_a_tier_has_both(check: Check) -> None:
    fits = check(("0,3",), 110, "0,3")
    too_much = check(("0,3",), 111, "0,3")

    assert (fits["problems"], fits["ranks"][0]["availableBytes"]) == ([], 110 * GIB)
    assert too_much["problems"] == short(
        "rank 0 asks for 111.0 GiB", "nodes 0,3 together have", "110.0 GiB"
    )


def test_a_tier_that_two_ranks_count_on_is_counted_once(check: Check) -> None:
    """Each would fit with it alone."""
    assert check(("0,2", "1,2"), 11, "0-2")["problems"] == []
    assert check(("0,2", "1,2"), 12, "0-2")["problems"] == short(
        "ranks 0-1 ask for 24.0 GiB (12.0 GiB each)",
        "nodes 0-2 together have",
        "22.0 GiB",
        "384.0 GiB",
    )


def test_two_of_three_ranks_may_be_too_much_where_all_are_not(check: Check) -> None:
    """Nodes 0 and 1 and the tier have 22 GiB for two; node 3 has 100 for the third."""
    report = check(("0,2", "1,2", "2-3"), 12, "0-3")

    assert report["problems"] == short(
        "ranks 0-1 ask for 24.0 GiB (12.0 GiB each)",
        "nodes 0-2 together have",
        "22.0 GiB",
        "384.0 GiB",
    )


@given(
    ranks=st.lists(st.sets(st.integers(0, 3), min_size=1), min_size=1, max_size=4),
    per_rank_gib=st.integers(1, 40),
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_ranks_fit_just_where_each_can_be_given_its_own(
    native_build: Path, tmp_path: Path, ranks: list[set[int]], per_rank_gib: int
) -> None:
    """By hand: a GiB of a rank after the other takes the first way to room there is."""
    status = "Cpus_allowed_list:\t2-3\nMems_allowed_list:\t0-3\n"
    files = {"proc/self/status": status, "proc/self/numa_maps": "7ff default stack\n"} | {
        f"sys/devices/system/node/node{node}/meminfo": f"MemTotal: {128 * GIB_KB} kB\n"
        f"MemFree: {free * GIB_KB} kB\n"
        for node, free in FREE_GIB.items()
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    lists = tuple(",".join(map(str, sorted(nodes))) for nodes in ranks)

    done = subprocess.run(
        [native_build / "asan" / "numalocal-bind", "check", "--root", tmp_path],
        env=plan(lists, per_rank_gib, "0-3", None),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode == 0) == can_be_placed(ranks, per_rank_gib), done.stdout


def can_be_placed(ranks: list[set[int]], per_rank_gib: int) -> bool:
    held: dict[int, list[int]] = {node: [] for node in FREE_GIB}

    def place(rank: int, seen: set[int]) -> bool:
        for node in ranks[rank] - seen:
            seen.add(node)
            if len(held[node]) < FREE_GIB[node]:
                held[node].append(rank)
                return True
            for other in set(held[node]):
                if place(other, seen):
                    held[node].remove(other)
                    held[node].append(rank)
                    return True
        return False

    return all(place(rank, set()) for rank in range(len(ranks)) for _ in range(per_rank_gib))


def test_preferred_nodes_that_are_too_small_leave_all_others(check: Check) -> None:
    fits = check(("2",), 122, "0-3", ("preferred", "2"))

    assert (fits["problems"], fits["ranks"][0]["availableBytes"]) == ([], 122 * GIB)
    assert fits["ranks"][0]["memoryNodes"] == "2"
    assert check(("2",), 123, "0-3", ("preferred", "2"))["problems"] == short(
        "rank 0 asks for 123.0 GiB", "nodes 0-3 together have", "122.0 GiB", "512.0 GiB"
    )


@pytest.mark.parametrize(
    ("files", "node"),
    [
        ({"online": "0-3\n", "node0/cpulist": "0-1\n", "node1/cpulist": "2-5\n"}, 1),
        ({"online": "0-3\n", "node0/cpulist": "\n", "node1/cpulist": "2x\n"}, 3),
        ({"online": "0-3\n"}, 3),
        ({}, 3),
    ],
)
def test_a_rank_is_told_on_the_node_of_its_cpus_wherever_its_memory_is(
    check: Check, files: Mapping[str, str], node: int
) -> None:
    laid_out = {f"sys/devices/system/node/{name}": text for name, text in files.items()}

    (rank,) = check(("3",), 1, "3", files=laid_out)["ranks"]

    assert (rank["numaNode"], rank["memoryNodes"]) == (node, "3")


def test_ranks_that_prefer_other_nodes_share_all(check: Check) -> None:
    assert check(("0", "1"), 61, "0-3", ("preferred", "0-1"))["problems"] == []
    assert check(("0", "1"), 62, "0-3", ("preferred", "0-1"))["problems"] == short(
        "ranks 0-1 ask for 124.0 GiB (62.0 GiB each)",
        "nodes 0-3 together have",
        "122.0 GiB",
        "512.0 GiB",
    )


def test_of_nodes_in_turn_one_may_be_too_small_where_all_together_are_not(check: Check) -> None:
    even = check(("0-1",), 20, "0-1", ("interleave", "0-1"))
    uneven = check(("0,2",), 6, "0,2", ("interleave", "0,2"))

    assert (even["problems"], turns(even)) == ([], [])
    assert uneven["problems"] == []
    assert turns(uneven) == [
        "in turn 3.0 GiB of what the ranks ask for come to NUMA node 2, which has 2.0 GiB "
        "available: the kernel takes the rest from the other nodes, which makes them busier"
    ]


def test_of_nodes_in_turn_all_together_must_hold_all_ranks(check: Check) -> None:
    report = check(("0,2", "0,2"), 7, "0,2", ("interleave", "0,2"))

    assert report["problems"] == short(
        "ranks 0-1 ask for 14.0 GiB (7.0 GiB each)", "nodes 0,2 together have", "12.0 GiB"
    )
    assert turns(report) == []


@pytest.mark.parametrize(
    ("weights", "parts"),
    [
        ({0: "3", 2: "1"}, []),
        ({0: "1", 2: "1"}, ["4.0 GiB"]),
        ({}, ["4.0 GiB"]),
        ({0: "0", 2: "x"}, ["4.0 GiB"]),
        ({0: "256", 2: "1"}, ["4.0 GiB"]),
        ({0: "1", 2: "3"}, ["6.0 GiB"]),
    ],
    ids=["as they are", "even", "an older kernel", "no weights", "too large", "the small more"],
)
def test_nodes_by_weight_have_their_part(
    check: Check, weights: Mapping[int, str], parts: list[str]
) -> None:
    files = {f"{WEIGHTS}/node{node}": f"{weight}\n" for node, weight in weights.items()}

    report = check(("0,2",), 8, "0,2", ("weighted-interleave", "0,2"), files=files)

    assert report["problems"] == []
    assert [note.split()[2] + " GiB" for note in turns(report)] == parts


def test_a_node_that_is_gone_is_named_whatever_the_policy(bind: Bind, machine: Machine) -> None:
    room = {"MemTotal": GIB_KB, "MemFree": GIB_KB}
    root = machine(mems="0-1", policy="interleave:0-1", nodes={0: room})
    env = plan(("0-1",), 1, "0-1", ("interleave", "0-1"))

    report = json.loads(bind("check", "--root", root, env=env).stdout)

    assert report["problems"] == [
        "NUMA node 1 of the plan does not exist on this machine: delete the pod so that it is "
        "placed again"
    ]


def test_the_largest_demand_has_parts_too(bind: Bind, machine: Machine) -> None:
    most_kb = (1 << 63) // 1024 - 1
    roomy = {"MemTotal": most_kb, "MemFree": most_kb}
    root = machine(mems="0-1", policy="interleave:0-1", nodes={0: roomy, 1: roomy})
    env = plan(("0-1",), 1, "0-1", ("interleave", "0-1"))
    env["NUMALOCAL_MEMORY_PER_RANK_BYTES"] = str((1 << 63) - 1)

    assert bind("check", "--root", root, env=env).returncode == 0
