"""NUMALOCAL_ON_OVERFLOW: what holds where a node cannot hold its ranks."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Bind = Callable[..., subprocess.CompletedProcess[str]]
Machine = Callable[..., Path]
Check = Callable[..., dict[str, Any]]

GIB = 1 << 30
GIB_KB = 1 << 20
TEN = {"MemTotal": 12 * GIB_KB, "MemFree": 10 * GIB_KB}
TWO = {"MemTotal": 4 * GIB_KB, "MemFree": 2 * GIB_KB}
LOWER = "lower spec.memory.perRank, or use a node with more memory"


def plan(nodes: tuple[int, ...], per_rank_bytes: int, overflow: str | None) -> dict[str, str]:
    """One rank for each entry, on CPUs 2-3."""
    return {
        "NUMALOCAL_CPUS": "2-3",
        "NUMALOCAL_MEMS": ",".join(map(str, sorted(set(nodes)))),
        "NUMALOCAL_RANKS": str(len(nodes)),
        "NUMALOCAL_RANK_CPUS": "|".join(["2-3"] * len(nodes)),
        "NUMALOCAL_RANK_MEMS": "|".join(map(str, nodes)),
        "NUMALOCAL_MEMORY_PER_RANK_BYTES": str(per_rank_bytes),
        **({} if overflow is None else {"NUMALOCAL_ON_OVERFLOW": overflow}),
    }


@pytest.fixture
def check(bind: Bind, machine: Machine) -> Check:
    """Check ranks on node 0 with 10 GiB free, and node 65 with 2."""

    def run(
        nodes: tuple[int, ...], per_rank_bytes: int, overflow: str | None, limit: str = "max"
    ) -> dict[str, Any]:
        mems = ",".join(map(str, sorted(set(nodes))))
        files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": limit}
        root = machine(mems=mems, nodes={0: TEN, 65: TWO}, files=files)
        env = plan(nodes, per_rank_bytes, overflow)
        checked = bind("check", "--root", root, env=env)
        report: dict[str, Any] = json.loads(checked.stdout)
        assert checked.returncode == (0 if report["verified"] else 1), checked.stderr
        return report

    return run


def interleaved(report: dict[str, Any]) -> list[bool]:
    return [rank.get("interleave", False) for rank in report["ranks"]]


@pytest.mark.parametrize("overflow", [None, "Refuse"])
def test_a_node_that_is_too_small_is_refused_unless_said_otherwise(
    check: Check, overflow: str | None
) -> None:
    report = check((0, 65), 3 * GIB, overflow)

    assert report["problems"] == [
        f"rank 1 asks for 3.0 GiB but NUMA node 65 has 2.0 GiB available of 4.0 GiB: {LOWER}"
    ]
    assert interleaved(report) == [False, False]


def test_all_nodes_together_may_hold_what_one_cannot(check: Check) -> None:
    report = check((0, 65), 6 * GIB, "Interleave")

    assert (report["verified"], report["problems"]) == (True, [])
    assert interleaved(report) == [False, True]
    assert report["notes"][-1] == (
        "rank 1 cannot be held by one NUMA node: start with --policy auto, which takes memory from "
        "NUMA nodes 0,65 in turn, more slowly"
    )


def test_what_all_nodes_together_cannot_hold_is_refused(check: Check) -> None:
    report = check((0, 65), 6 * GIB + 1, "Interleave")

    assert report["problems"] == [
        "ranks 0-1 ask for 12.0 GiB (6.0 GiB each) but NUMA nodes 0,65 together have 12.0 GiB "
        f"available of 16.0 GiB: {LOWER}"
    ]


def test_nodes_that_are_not_allowed_hold_nothing(check: Check) -> None:
    report = check((65,), 3 * GIB, "Interleave")

    assert report["verified"] is False
    assert "NUMA node 65 has 2.0 GiB available" in report["message"]


def test_the_containers_limit_holds_in_any_case(check: Check) -> None:
    report = check((0, 65), 6 * GIB, "Interleave", limit=str(11 * GIB))

    assert report["problems"] == [
        "ranks 0-1 ask for 12.0 GiB (6.0 GiB each) but 11.0 GiB is left of the memory limit of "
        "11.0 GiB in /sys/fs/cgroup/memory.max: raise that limit (in a pod: the container's memory "
        "limit), or lower spec.memory.perRank"
    ]


def test_where_every_node_holds_its_ranks_nothing_changes(check: Check) -> None:
    assert check((0, 65), GIB, "Interleave")["ranks"] == check((0, 65), GIB, None)["ranks"]


def test_any_other_word_is_refused(bind: Bind, machine: Machine) -> None:
    env = plan((0,), GIB, "interleave")

    refused = bind("check", "--root", machine(nodes={0: TEN}), env=env)

    assert refused.returncode == 125
    assert 'NUMALOCAL_ON_OVERFLOW "interleave" is unknown: write Refuse or Interleave' in (
        refused.stderr
    )


SHOW = ("sh", "-c", "head -1 /proc/self/numa_maps")


def policy_of(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.search(r" (\w+:\d+) ", done.stdout)
    assert shown, done.stdout
    return shown[1]


@pytest.fixture
def env(usable_cpus: list[int]) -> Callable[..., dict[str, str]]:
    """A plan of one rank on this machine."""

    def one_rank(per_rank_bytes: int, overflow: str | None) -> dict[str, str]:
        own = plan((0,), per_rank_bytes, overflow)
        return {name: value.replace("2-3", str(usable_cpus[0])) for name, value in own.items()}

    return one_rank


@pytest.mark.parametrize("command", [("exec", "--rank", "0"), ("run",)], ids=["exec", "run"])
@pytest.mark.parametrize(
    ("plan_of", "policy"),
    [
        ((1 << 60, "Interleave"), "interleave:0"),
        ((1 << 20, "Interleave"), "bind:0"),
        ((1 << 60, "Refuse"), "bind:0"),
        ((1 << 60, None), "bind:0"),
    ],
    ids=["too much", "it fits", "refuse", "unsaid"],
)
def test_policy_auto_binds_unless_the_node_cannot_hold_the_rank(
    bind: Bind,
    env: Callable[..., dict[str, str]],
    command: tuple[str, ...],
    plan_of: tuple[int, str | None],
    policy: str,
) -> None:
    done = bind(*command, "--policy", "auto", "--", *SHOW, env=env(*plan_of))

    assert policy_of(done) == policy


def test_other_policies_stand_whatever_the_plan_says(
    bind: Bind, env: Callable[..., dict[str, str]]
) -> None:
    plan = env(1 << 60, "Interleave")

    assert policy_of(bind("exec", "--rank", "0", "--", *SHOW, env=plan)) == "bind:0"
    assert policy_of(bind("run", "--policy", "preferred", *SHOW, env=plan)) == "prefer:0"


@pytest.mark.parametrize(
    ("changes", "arguments", "sentence"),
    [
        ({}, ("--mems", "0", "--policy", "auto"), "--policy auto decides for a rank of a plan"),
        ({"NUMALOCAL_RANKS": "2"}, ("--rank", "0", "--policy", "auto"), "NUMALOCAL_RANKS says 2"),
        ({"NUMALOCAL_CPUS": None}, ("--rank", "0", "--policy", "auto"), "NUMALOCAL_CPUS is not s"),
    ],
    ids=["no rank", "bad plan", "no plan"],
)
def test_policy_auto_needs_a_whole_plan(
    bind: Bind,
    env: Callable[..., dict[str, str]],
    changes: dict[str, str | None],
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    changed = {k: v for k, v in {**env(1, "Interleave"), **changes}.items() if v is not None}

    refused = bind("exec", *arguments, "--", "true", env=changed)

    assert refused.returncode == 125
    assert sentence in refused.stderr
