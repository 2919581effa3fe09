"""What check says of a container's CPUs and nodes, on machines laid out as files."""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Bind = Callable[..., subprocess.CompletedProcess[str]]
Machine = Callable[..., Path]

PLAN: Mapping[str, str] = {
    "NUMALOCAL_CPUS": "2-3",
    "NUMALOCAL_MEMS": "0",
    "NUMALOCAL_RANKS": "1",
    "NUMALOCAL_RANK_CPUS": "2-3",
    "NUMALOCAL_RANK_MEMS": "0",
}
NODE = {"MemTotal": 4096, "MemFree": 1024}
CHECK_AGENT = (
    "check that the numalocal agent is ready on this node and that its container runtime has NRI "
    "enabled"
)


def report_of(checked: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one JSON line on stdout."""
    assert checked.stdout.count("\n") == 1
    report: dict[str, Any] = json.loads(checked.stdout)
    return report


def test_a_container_bound_as_planned_is_verified(bind: Bind, machine: Machine) -> None:
    root = machine(nodes={0: NODE})

    checked = bind("check", "--root", root, env=PLAN)

    assert (checked.returncode, checked.stderr) == (0, "")
    report = report_of(checked)
    assert set(report.pop("mempolicy")) == {"get", "set", "mbind", "migrate", "move"}
    del report["notes"]  # of this machine
    assert report == {
        "verified": True,
        "cpus": "2-3",
        "mems": "0",
        "ranks": [
            {
                "cpus": "2-3",
                "numaNode": 0,
                "memoryNodes": "0",
                "memoryBytes": None,
                "availableBytes": 1024 * 1024,
            }
        ],
        "limitBytes": None,
        "message": "bound to CPUs 2-3 and NUMA node 0; no memory per rank is asked for",
        "memoryPolicy": {"mode": "default", "nodes": ""},
        "problems": [],
        "unbound": [],
    }


def test_other_cpus_than_planned_are_refused(bind: Bind, machine: Machine) -> None:
    root = machine(cpus="0-7", nodes={0: NODE})

    checked = bind("check", "--root", root, env=PLAN)

    report = report_of(checked)
    sentence = f"this container may use CPUs 0-7 but its plan says 2-3: {CHECK_AGENT}"
    assert checked.returncode == 1
    assert (report["verified"], report["cpus"]) == (False, "0-7")
    assert report["message"] == sentence
    assert report["problems"] == [sentence]


def test_fewer_cpus_than_planned_are_refused(bind: Bind, machine: Machine) -> None:
    root = machine(cpus="2", nodes={0: NODE})

    report = report_of(bind("check", "--root", root, env=PLAN))

    assert report["message"].startswith("this container may use CPU 2 but its plan says 2-3: ")


def test_everything_wrong_is_said_at_once(bind: Bind, machine: Machine) -> None:
    root = machine(cpus="0-7", mems="0-1", nodes={0: NODE, 1: NODE})
    env = {**PLAN, "NUMALOCAL_MEMORY_PER_RANK_BYTES": str(1 << 30)}

    report = report_of(bind("check", "--root", root, env=env))

    starts = [
        "this container may use CPUs 0-7 but its plan says 2-3: ",
        "this container may use NUMA nodes 0-1 but its plan says 0: ",
        "rank 0 asks for 1.0 GiB but NUMA node 0 has 1.0 MiB available of 4.0 MiB: ",
    ]
    problems = zip(report["problems"], starts, strict=True)
    assert all(problem.startswith(start) for problem, start in problems)
    assert report["message"] == "; ".join(report["problems"])


def test_a_container_without_a_plan_is_refused(bind: Bind, machine: Machine) -> None:
    checked = bind("check", "--root", machine(cpus="0-7", nodes={0: NODE}))

    report = report_of(checked)
    assert checked.returncode == 1
    assert report["message"] == (
        "the node agent did not bind this container: NUMALOCAL_CPUS is not set; " + CHECK_AGENT
    )
    assert (report["cpus"], report["ranks"]) == ("0-7", [])


def test_two_ranks_on_high_nodes_of_a_large_machine_are_verified(
    bind: Bind, machine: Machine
) -> None:
    root = machine(cpus="1024-1027,2048-2051", mems="65,70", nodes={65: NODE, 70: NODE})
    env = {
        "NUMALOCAL_CPUS": "1024-1027,2048-2051",
        "NUMALOCAL_MEMS": "65,70",
        "NUMALOCAL_RANKS": "2",
        "NUMALOCAL_RANK_CPUS": "1024-1027|2048-2051",
        "NUMALOCAL_RANK_MEMS": "65|70",
    }

    report = report_of(bind("check", "--root", root, env=env))

    assert report["message"].startswith("bound to CPUs 1024-1027,2048-2051 and NUMA nodes 65,70;")
    assert [(rank["cpus"], rank["numaNode"]) for rank in report["ranks"]] == [
        ("1024-1027", 65),
        ("2048-2051", 70),
    ]


def test_the_order_of_a_list_does_not_matter(bind: Bind, machine: Machine) -> None:
    root = machine(cpus="2-3,6", nodes={0: NODE})
    env = {**PLAN, "NUMALOCAL_CPUS": "6,3,2", "NUMALOCAL_RANK_CPUS": "3,6,2"}

    assert bind("check", "--root", root, env=env).returncode == 0


def test_a_node_that_is_gone_is_refused(bind: Bind, machine: Machine) -> None:
    root = machine(mems="1", nodes={0: NODE})
    env = {**PLAN, "NUMALOCAL_MEMS": "1", "NUMALOCAL_RANK_MEMS": "1"}

    report = report_of(bind("check", "--root", root, env=env))

    assert report["problems"] == [
        "NUMA node 1 of the plan does not exist on this machine: delete the pod so that it is "
        "placed again"
    ]
    assert report["ranks"][0]["availableBytes"] is None


def test_a_kernel_without_numa_has_node_0(
    bind: Bind, fake_root: Callable[[Mapping[str, str]], Path]
) -> None:
    root = fake_root(
        {
            "proc/self/status": "Cpus_allowed_list:\t2-3\n",
            "proc/meminfo": "MemTotal: 4096 kB\nMemAvailable: 1024 kB\n",
        }
    )

    report = report_of(bind("check", "--root", root, env=PLAN))

    assert (report["verified"], report["mems"]) == (True, "0")
    assert report["ranks"][0]["availableBytes"] == 1024 * 1024


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"NUMALOCAL_CPUS": ""}, "NUMALOCAL_CPUS names no id: write ids and ranges such as 2-3,8"),
        (
            {"NUMALOCAL_CPUS": "2-"},
            'NUMALOCAL_CPUS "2-" is no list of ids (a number is missing at character 3): '
            "write ids and ranges such as 2-3,8",
        ),
        (
            {"NUMALOCAL_MEMS": "x" * 99},
            f'NUMALOCAL_MEMS "{"x" * 60}" is no list of ids (a number is missing at character 1): '
            "write ids and ranges such as 2-3,8",
        ),
        ({"NUMALOCAL_RANKS": "0"}, 'NUMALOCAL_RANKS "0" is no count: write 1 to 8192'),
        ({"NUMALOCAL_RANKS": "two"}, 'NUMALOCAL_RANKS "two" is no count: write 1 to 8192'),
        (
            {"NUMALOCAL_RANKS": "2"},
            'NUMALOCAL_RANKS says 2 but NUMALOCAL_RANK_CPUS "2-3" has 1 parts: write one per rank, '
            "with | between",
        ),
        (
            {"NUMALOCAL_RANK_CPUS": "2-4"},
            'NUMALOCAL_RANK_CPUS names 4, which is not in NUMALOCAL_CPUS "2-3": every '
            "share lies within the whole",
        ),
        (
            {"NUMALOCAL_RANK_MEMS": "0-1"},
            'NUMALOCAL_RANK_MEMS names 1, which is not in NUMALOCAL_MEMS "0": every share '
            "lies within the whole",
        ),
        (
            {"NUMALOCAL_MEMORY_PER_RANK_BYTES": "64Gi"},
            'NUMALOCAL_MEMORY_PER_RANK_BYTES "64Gi" is no number of bytes: write digits only',
        ),
        (
            {"NUMALOCAL_MEMORY_PER_RANK_BYTES": "99999999999999999999"},
            'NUMALOCAL_MEMORY_PER_RANK_BYTES "99999999999999999999" is no number of bytes: '
            "write digits only",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_malformed_plan_exits_125_with_a_sentence_and_a_report(
    bind: Bind, machine: Machine, changes: Mapping[str, str], sentence: str
) -> None:
    root = machine(nodes={0: NODE})

    refused = bind("check", "--root", root, env={**PLAN, **changes})

    assert refused.returncode == 125
    assert refused.stderr == f"numalocal-bind: check: {sentence}\n"
    assert report_of(refused)["message"] == sentence


@pytest.mark.parametrize("missing", [name for name in PLAN if name != "NUMALOCAL_CPUS"])
def test_a_plan_with_a_part_missing_is_malformed(
    bind: Bind, machine: Machine, missing: str
) -> None:
    env = {key: value for key, value in PLAN.items() if key != missing}

    refused = bind("check", "--root", machine(nodes={0: NODE}), env=env)

    assert refused.returncode == 125
    assert f"{missing} is not set: the node agent sets it" in refused.stderr


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("Name:\tx\n", "has no line Cpus_allowed_list: mount /proc of this machine"),
        ("Cpus_allowed_list:\t0-x\n", 'Cpus_allowed_list: "0-x" is no list of ids'),
    ],
    ids=["no line", "no list"],
)
def test_a_status_file_that_is_no_kernels_exits_125(
    bind: Bind,
    fake_root: Callable[[Mapping[str, str]], Path],
    status: str,
    sentence: str,
) -> None:
    root = fake_root({"proc/self/status": status})

    refused = bind("check", "--root", root, env=PLAN)

    assert refused.returncode == 125
    assert sentence in refused.stderr


def test_a_root_that_does_not_exist_exits_125(bind: Bind, tmp_path: Path) -> None:
    refused = bind("check", "--root", tmp_path / "nowhere", env=PLAN)

    assert refused.returncode == 125
    assert refused.stderr.endswith("/nowhere/proc/self/status: No such file or directory\n")


def test_this_machine_itself_can_be_checked(bind: Bind) -> None:
    status = Path("/proc/self/status").read_text()
    cpus, mems = (
        status.split(f"{kind}_allowed_list:\t")[1].split("\n")[0] for kind in ("Cpus", "Mems")
    )
    node = mems.replace("-", ",").split(",")[0]
    env = {
        "NUMALOCAL_CPUS": cpus,
        "NUMALOCAL_MEMS": mems,
        "NUMALOCAL_RANKS": "1",
        "NUMALOCAL_RANK_CPUS": cpus,
        "NUMALOCAL_RANK_MEMS": node,
        "NUMALOCAL_MEMORY_PER_RANK_BYTES": "4096",
    }

    report = report_of(bind("check", env=env))

    assert report["verified"] is True
    assert report["message"].endswith("; 1 rank of 4.0 KiB fits")
    assert report["ranks"][0]["availableBytes"] > 4096
