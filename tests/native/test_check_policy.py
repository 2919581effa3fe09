"""What check makes of the memory policy that a container was created with, by its numa_maps."""

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from numalocal.report import CheckReport

Bind = Callable[..., subprocess.CompletedProcess[str]]
Machine = Callable[..., Path]
Check = Callable[..., dict[str, Any]]

ROOM = {"MemTotal": 4096, "MemFree": 1024}
NODES = dict.fromkeys(range(4), ROOM)
WIDE = dict.fromkeys(range(0, 64, 2), ROOM)
WIDE_LIST = ",".join(map(str, WIDE))
BUT = "but its plan says"
IN_TURN = "interleave on NUMA nodes 0-1"
LEFT_OUT = (
    "this node's container runtime left it out, as runc before 1.4 does: update its OCI runtime, "
    "or take spec.memory.policy Bind, or spec.enforcement BestEffort"
)
ANOTHER = (
    "something else sets it: look for another NRI plugin, or for numactl before the container "
    "runtime or `numalocal run`"
)


def plan(policy: str | None = None, nodes: str = "0-1", mems: str = "0-1") -> dict[str, str]:
    """One rank on CPUs 2-3, with a policy of the runtime's or none."""
    return {
        "NUMALOCAL_CPUS": "2-3",
        "NUMALOCAL_MEMS": mems,
        "NUMALOCAL_RANKS": "1",
        "NUMALOCAL_RANK_CPUS": "2-3",
        "NUMALOCAL_RANK_MEMS": mems,
        **(
            {}
            if policy is None
            else {"NUMALOCAL_MEMORY_POLICY": policy, "NUMALOCAL_MEMORY_POLICY_NODES": nodes}
        ),
    }


def reported(checked: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(checked.stdout)
    assert checked.returncode == (1 if report["problems"] else 0), checked.stderr
    return report


@pytest.fixture
def check(bind: Bind, machine: Machine) -> Check:
    """Check a container with this policy, by the kernel's word, against a plan."""

    def run(
        kernel: str, env: Mapping[str, str], files: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        mems = env["NUMALOCAL_MEMS"]
        nodes = WIDE if mems == WIDE_LIST else NODES
        root = machine(mems=mems, policy=kernel, nodes=nodes, files=files)
        return reported(bind("check", "--root", root, env=env))

    return run


@pytest.mark.parametrize(
    ("kernel", "mode", "nodes"),
    [
        ("default", "default", ""),
        ("local", "local", ""),
        ("bind:0", "bind", "0"),
        ("bind=static:0-1", "bind", "0-1"),
        ("bind=:0", "bind", "0"),
        ("bind=balancing:0-1", "bind", "0-1"),
        ("bind=static|balancing:0-1", "bind", "0-1"),
        ("bind=relative|balancing:1,3", "bind", "1,3"),
        ("prefer:1", "preferred", "1"),
        ("prefer=static:1", "preferred", "1"),
        ("prefer (many):0", "preferred", "0"),
        ("prefer (many)=relative:0,2-3", "preferred", "0,2-3"),
        ("interleave:0-1", "interleave", "0-1"),
        ("interleave=relative:0-3", "interleave", "0-3"),
        ("weighted interleave:0,2", "weighted-interleave", "0,2"),
        ("weighted interleave=static:0,2", "weighted-interleave", "0,2"),
    ],
)
@pytest.mark.parametrize("rest", ["", " anon=3 dirty=3 active=1 N0=3 kernelpagesize_kB=4"])
def test_every_word_of_the_kernels_is_told(
    check: Check, kernel: str, mode: str, nodes: str, rest: str
) -> None:
    maps = f"7ffc0a1e5000 {kernel} stack{rest}\n"

    report = check("", plan(mems="0"), {"proc/self/numa_maps": maps})

    assert report["memoryPolicy"] == {"mode": mode, "nodes": nodes}
    assert report["verified"] is True


@pytest.mark.parametrize(
    ("kernel", "env"),
    [
        ("interleave:0-1", plan("interleave")),
        ("interleave=static:0-1", plan("interleave")),
        ("weighted interleave:0-1", plan("weighted-interleave")),
        ("prefer:0", plan("preferred", "0")),
        ("prefer (many):0", plan("preferred", "0")),
        ("prefer (many):0,2", plan("preferred", "0,2", "0-3")),
        ("bind:0-1", plan("bind")),
        ("default", plan()),
        ("local", plan()),
        ("bind:0-1", plan()),
        ("bind:0", plan() | {"NUMALOCAL_RANK_MEMS": "0"}),
        ("interleave:0", plan(mems="0")),
        ("prefer:0", plan(mems="0")),
    ],
)
def test_a_policy_that_does_what_the_plan_says_is_verified(
    check: Check, kernel: str, env: dict[str, str]
) -> None:
    assert check(kernel, env)["problems"] == []


@pytest.mark.parametrize(
    ("kernel", "env", "sentence"),
    [
        ("default", plan("interleave"), f"default {BUT} interleave on NUMA nodes 0-1: {LEFT_OUT}"),
        ("local", plan("preferred", "0"), f"local {BUT} preferred on NUMA node 0: {LEFT_OUT}"),
        (
            "interleave:0-1",
            plan("weighted-interleave"),
            f"{IN_TURN} {BUT} weighted-interleave on NUMA nodes 0-1: {ANOTHER}",
        ),
        (
            "interleave:0",
            plan("interleave"),
            f"interleave on NUMA node 0 {BUT} {IN_TURN}: {ANOTHER}",
        ),
        (
            "prefer (many):0-1",
            plan("preferred", "0"),
            f"preferred on NUMA nodes 0-1 {BUT} preferred on NUMA node 0: {ANOTHER}",
        ),
        ("interleave:0-1", plan(), f"{IN_TURN} {BUT} none: {ANOTHER}"),
        ("prefer:1", plan(), f"preferred on NUMA node 1 {BUT} none: {ANOTHER}"),
        (
            "interleave:0-1",
            plan() | {"NUMALOCAL_RANK_MEMS": "0"},
            f"{IN_TURN} {BUT} none: {ANOTHER}",
        ),
        ("bind:0", plan(), f"bind on NUMA node 0 {BUT} none: {ANOTHER}"),
    ],
)
def test_another_policy_than_planned_is_refused_with_what_to_change(
    check: Check, kernel: str, env: dict[str, str], sentence: str
) -> None:
    assert check(kernel, env)["problems"] == [f"this container's memory policy is {sentence}"]


def test_the_message_of_a_verified_container_names_its_policy(check: Check) -> None:
    assert check("interleave:0-1", plan("interleave"))["message"] == (
        "bound to CPUs 2-3 and NUMA nodes 0-1, memory policy interleave on NUMA nodes 0-1; no "
        "memory per rank is asked for"
    )


UNKNOWN = (
    "this container's memory policy cannot be known, as {}, but its plan says interleave on NUMA "
    "nodes 0-1: use a node whose kernel tells it, or spec.memory.policy Bind, which needs none"
)


@pytest.mark.parametrize(
    "kernel",
    [
        "unknown",
        "",
        "interleave",
        "interleave:",
        "interleave:x",
        "interleave:0-",
        "interleave=statics:0-1",
        "interleave=static",
        "interleaved:0-1",
        "default:0",
        "weighted:0-1",
        "bind 0-1",
        "\x1b[2J",
    ],
)
def test_a_word_that_is_not_the_kernels_is_no_policy(check: Check, kernel: str) -> None:
    report = check(kernel, plan("interleave"))

    assert report["memoryPolicy"] is None
    shown = kernel.replace("\x1b", "\\x1b")
    says = f'/proc/self/numa_maps says "{shown}", which is no policy that is known'
    assert report["problems"] == [UNKNOWN.format(says)]
    assert check(kernel, plan())["verified"] is True


@pytest.mark.parametrize(
    "maps",
    [
        "",
        "\n\n\n",
        "7ffc0a1e5000",
        "7ffc0a1e5000 interleave:0-1",
        "7ffc0a1e5000 interleave:0-1 heap\n",
        "7ffc0a1e5000 interleave:0-1 stacks\n",
        "stack\n",
        " stack",
        "7ffc0a1e5000 interleave:0-1 file=/a\\040stack mapped=1 N0=1\n",
    ],
)
def test_without_a_line_of_the_stack_nothing_is_known(check: Check, maps: str) -> None:
    report = check("", plan("interleave"), {"proc/self/numa_maps": maps})

    why = "/proc/self/numa_maps has no line of the stack"
    assert report["problems"] == [UNKNOWN.format(why)]


def test_other_mappings_may_have_other_policies(check: Check) -> None:
    maps = (
        "55d0c0e8a000 bind:0 file=/usr/bin/numalocal-bind mapped=2\n"
        "55d0c0f00000 prefer:1 heap anon=1\n"
        "7f1200000000 interleave:1 anon=1 N1=1 kernelpagesize_kB=4\n"
        "7ffc0a1e5000 interleave:0-1 stack anon=3\n"
        "7ffc0a1f0000 default\n"
    )

    report = check("", plan("interleave"), {"proc/self/numa_maps": maps})

    assert report["memoryPolicy"] == {"mode": "interleave", "nodes": "0-1"}


def test_a_kernel_without_numa_has_no_policy_to_tell(bind: Bind, machine: Machine) -> None:
    root = machine(nodes={0: ROOM})
    (root / "proc/self/numa_maps").unlink()

    assert reported(bind("check", "--root", root, env=plan(mems="0")))["memoryPolicy"] is None
    refused = reported(bind("check", "--root", root, env=plan("preferred", "0", "0")))
    assert refused["problems"] == [
        "this container's memory policy cannot be known, as this kernel has no "
        "/proc/self/numa_maps, but its plan says preferred on NUMA node 0: use a node whose kernel "
        "tells it, or spec.memory.policy Bind, which needs none"
    ]


def test_a_list_that_the_kernel_has_cut_is_held_against_its_start(check: Check) -> None:
    """The kernel has 63 characters for the policy with its nodes."""
    whole = f"interleave:{WIDE_LIST}"
    env = plan("interleave", WIDE_LIST, WIDE_LIST)

    assert len(whole) > 63
    assert check(whole[:63], env)["problems"] == []
    other = whole.replace(",4,6", ",4-6")[:63]
    assert "but its plan says interleave on" in check(other, env)["message"]
    assert "but its plan says interleave on" in check(whole.replace("8,", "")[:63], env)["message"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"NUMALOCAL_MEMORY_POLICY": "Interleave"},
            'NUMALOCAL_MEMORY_POLICY "Interleave" is unknown: write bind, preferred, interleave, '
            "weighted-interleave or none",
        ),
        (
            {"NUMALOCAL_MEMORY_POLICY_NODES": None},
            "NUMALOCAL_MEMORY_POLICY_NODES is not set: the node agent sets it, or `numalocal run`",
        ),
        (
            {"NUMALOCAL_MEMORY_POLICY_NODES": ""},
            "NUMALOCAL_MEMORY_POLICY_NODES names no id: write ids and ranges such as 2-3,8",
        ),
        (
            {"NUMALOCAL_MEMORY_POLICY_NODES": "0-2"},
            'NUMALOCAL_MEMORY_POLICY_NODES names 2, which is not in NUMALOCAL_MEMS "0-1": every '
            "share lies within the whole",
        ),
        (
            {"NUMALOCAL_MEMORY_OVERFLOW": "yes"},
            'NUMALOCAL_MEMORY_OVERFLOW "yes" is unknown: write 1, or leave it out',
        ),
        (
            {"NUMALOCAL_ENFORCEMENT": "besteffort"},
            'NUMALOCAL_ENFORCEMENT "besteffort" is unknown: write Required or BestEffort',
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_malformed_policy_of_a_plan_exits_125(
    bind: Bind, machine: Machine, changes: Mapping[str, str | None], sentence: str
) -> None:
    env = {k: v for k, v in {**plan("interleave"), **changes}.items() if v is not None}
    root = machine(mems="0-1", policy="interleave:0-1", nodes=NODES)

    refused = bind("check", "--root", root, env=env)

    assert (refused.returncode, refused.stderr) == (125, f"numalocal-bind: check: {sentence}\n")
    assert json.loads(refused.stdout)["problems"] == [sentence]


numactl = pytest.mark.skipif(shutil.which("numactl") is None, reason="no numactl")
denied = pytest.param(
    (sys.executable, str(Path(__file__).parent / "deny_mempolicy.py"), "EPERM"),
    marks=pytest.mark.skipif(
        platform.machine() not in {"x86_64", "aarch64"}, reason="system call numbers unknown"
    ),
    id="denied",
)


@numactl
@pytest.mark.parametrize("launcher", [pytest.param((), id="allowed"), denied])
@pytest.mark.parametrize(
    ("option", "mode", "nodes"),
    [
        ("--interleave=0", "interleave", "0"),
        ("--preferred=0", "preferred", "0"),
        ("--preferred-many=0", "preferred", "0"),
        ("--membind=0", "bind", "0"),
        ("--localalloc", "local", ""),
    ],
)
def test_what_this_kernel_was_asked_for_is_found_though_the_calls_are_denied(
    bind: Bind, option: str, mode: str, nodes: str, launcher: tuple[str, ...]
) -> None:
    """numactl(8) sets what the binder inherits."""
    checked = bind("check", launcher=("numactl", option, *launcher))

    report = CheckReport.parse(checked.stdout)
    assert (report.memory_policy, report.memory_policy_nodes) == (mode, nodes)


def test_without_numactl_this_kernel_has_the_default(bind: Bind) -> None:
    assert CheckReport.parse(bind("check").stdout).memory_policy == "default"
