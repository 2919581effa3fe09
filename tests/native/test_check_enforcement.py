"""NUMALOCAL_ENFORCEMENT: what a check lets pass where a binding is not to be had."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from numalocal.report import CheckReport

Bind = Callable[..., subprocess.CompletedProcess[str]]
Machine = Callable[..., Path]
Check = Callable[..., tuple[int, CheckReport]]

GIB = 1 << 30
NODE = {"MemTotal": 12 << 20, "MemFree": 10 << 20}
PLAN = {
    "NUMALOCAL_CPUS": "2-3",
    "NUMALOCAL_MEMS": "0-1",
    "NUMALOCAL_RANKS": "1",
    "NUMALOCAL_RANK_CPUS": "2-3",
    "NUMALOCAL_RANK_MEMS": "0-1",
    "NUMALOCAL_MEMORY_POLICY": "interleave",
    "NUMALOCAL_MEMORY_POLICY_NODES": "0-1",
}
ALLOWED = "not bound as planned, which enforcement BestEffort allows: "


@pytest.fixture
def check(bind: Bind, machine: Machine) -> Check:
    """Check a container of two nodes with 10 GiB free each; answers status and report."""

    def run(
        env: Mapping[str, str],
        enforcement: str | None = "BestEffort",
        *,
        cpus: str = "2-3",
        mems: str = "0-1",
        policy: str = "interleave:0-1",
    ) -> tuple[int, CheckReport]:
        root = machine(cpus=cpus, mems=mems, policy=policy, nodes={0: NODE, 1: NODE})
        said = {} if enforcement is None else {"NUMALOCAL_ENFORCEMENT": enforcement}
        checked = bind("check", "--root", root, env={**env, **said})
        assert checked.stderr == ""
        return checked.returncode, CheckReport.parse(checked.stdout)

    return run


@pytest.mark.parametrize(
    ("changes", "starts"),
    [
        ({"cpus": "0-7"}, ["this container may use CPUs 0-7 but its plan says 2-3: "]),
        ({"mems": "0"}, ["this container may use NUMA node 0 but its plan says 0-1: "]),
        ({"policy": "default"}, ["this container's memory policy is default but its plan says "]),
        (
            {"cpus": "0-7", "mems": "1", "policy": "unknown"},
            ["this container may use CPUs", "this container may use NUMA", "this container's mem"],
        ),
    ],
)
@pytest.mark.parametrize("enforcement", ["BestEffort", "Required", None])
def test_a_binding_that_does_not_hold_is_told_and_refuses_only_where_it_is_required(
    check: Check, changes: dict[str, str], starts: list[str], enforcement: str | None
) -> None:
    status, report = check(PLAN, enforcement, **changes)
    lets_pass = enforcement == "BestEffort"

    assert status == (0 if lets_pass else 1)
    assert report.verified is False
    assert report.message.startswith(ALLOWED) is lets_pass
    told = report.message.removeprefix(ALLOWED).split("; ")
    assert all(one.startswith(start) for one, start in zip(told, starts, strict=True))
    assert report.unbound == (tuple(told) if lets_pass else ())


def test_what_is_bound_as_planned_is_verified_all_the_same(check: Check) -> None:
    status, report = check(PLAN)

    assert (status, report.verified, report.unbound) == (0, True, ())


def test_a_container_that_nobody_bound_may_run_and_has_no_ranks(check: Check) -> None:
    status, report = check({"NUMALOCAL_MEMORY_PER_RANK_BYTES": str(20 * GIB)}, cpus="0-7")

    assert (status, report.verified, report.ranks) == (0, False, ())
    assert report.message.startswith(
        f"{ALLOWED}the node agent did not bind this container: NUMALOCAL_CPUS is not set; "
    )


@pytest.mark.parametrize("env", [PLAN, {}], ids=["with a plan", "without"])
def test_memory_that_does_not_fit_refuses_in_any_case(check: Check, env: Mapping[str, str]) -> None:
    asked = {**env, "NUMALOCAL_MEMORY_PER_RANK_BYTES": str(21 * GIB)}

    status, report = check(asked, cpus="0-7")

    assert (status, report.verified) == (1, False)
    assert report.message.startswith(
        "rank 0 asks for 21.0 GiB but NUMA nodes 0-1 together have 20.0 GiB available of 24.0 GiB: "
    )
    assert len(report.unbound) == 1


def test_ranks_that_nobody_bound_are_counted_by_their_number(check: Check) -> None:
    env = {"NUMALOCAL_RANKS": "3", "NUMALOCAL_MEMORY_PER_RANK_BYTES": str(7 * GIB)}

    status, report = check(env)

    assert status == 1
    assert report.message.startswith("ranks 0-2 ask for 21.0 GiB (7.0 GiB each) but NUMA nodes")


def test_a_container_without_nodes_is_told_and_does_not_end_the_check(check: Check) -> None:
    status, report = check({"NUMALOCAL_MEMORY_PER_RANK_BYTES": str(GIB)}, mems="")

    assert (status, report.verified, report.mems) == (0, False, "")


def test_a_container_that_is_never_bound_is_waited_for_and_let_pass(
    bind: Bind, machine: Machine
) -> None:
    root = machine(cpus="0-7", nodes={0: NODE})

    checked = bind(
        *("check", "--root", root, "--wait", "1"), env={"NUMALOCAL_ENFORCEMENT": "BestEffort"}
    )

    assert checked.returncode == 0
    assert "check: not bound after 1." in checked.stderr
    assert CheckReport.parse(checked.stdout).message.startswith(ALLOWED)
