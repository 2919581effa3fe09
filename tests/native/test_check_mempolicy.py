"""What check says of memory policies: which calls are allowed, and what a denied one costs."""

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numalocal.report import CheckReport

Bind = Callable[..., subprocess.CompletedProcess[str]]
Machine = Callable[..., Path]

CALLS = {
    "get": "get_mempolicy",
    "set": "set_mempolicy",
    "mbind": "mbind",
    "migrate": "migrate_pages",
    "move": "move_pages",
}
ALLOWED = dict.fromkeys(CALLS, "allowed")
PLAN = {
    "NUMALOCAL_CPUS": "2-3",
    "NUMALOCAL_MEMS": "0",
    "NUMALOCAL_RANKS": "1",
    "NUMALOCAL_RANK_CPUS": "2-3",
    "NUMALOCAL_RANK_MEMS": "0",
}
NODE = {"MemTotal": 4096, "MemFree": 1024}

pytestmark = pytest.mark.skipif(
    platform.machine() not in {"x86_64", "aarch64"}, reason="system call numbers unknown"
)


def denying(rule: str) -> tuple[str, ...]:
    return (sys.executable, str(Path(__file__).parent / "deny_mempolicy.py"), rule)


@pytest.fixture
def report(bind: Bind, machine: Machine) -> Callable[..., dict[str, Any]]:
    """Check a machine laid out as planned, under a launcher; answers the report."""

    def run(*launcher: str) -> dict[str, Any]:
        root = machine(nodes={0: NODE})
        checked = bind("check", "--root", root, env=PLAN, launcher=launcher)
        assert (checked.returncode, checked.stderr) == (0, "")
        assert CheckReport.parse(checked.stdout).verified
        parsed: dict[str, Any] = json.loads(checked.stdout)
        return parsed

    return run


@pytest.fixture
def unconfined(report: Callable[..., dict[str, Any]]) -> None:
    if report()["mempolicy"] != ALLOWED:
        pytest.skip("this test run itself may not make all calls of memory policies")


@pytest.mark.usefixtures("unconfined")
def test_where_everything_is_allowed_there_is_nothing_to_note(
    report: Callable[..., dict[str, Any]],
) -> None:
    assert report()["notes"] == []


@pytest.mark.usefixtures("unconfined")
@pytest.mark.parametrize(("error", "name"), [("EPERM", "denied"), ("ENOSYS", "unavailable")])
@pytest.mark.parametrize("call", CALLS)
def test_each_call_is_told_apart(
    report: Callable[..., dict[str, Any]], call: str, error: str, name: str
) -> None:
    denied = report(*denying(f"{error}:{CALLS[call]}"))

    assert denied["verified"] is True
    assert denied["mempolicy"] == {**ALLOWED, call: name}
    assert len(denied["notes"]) == (1 if call in {"set", "migrate"} else 0)


@pytest.mark.usefixtures("unconfined")
def test_the_seccomp_profile_of_container_runtimes_is_noted_and_refuses_nothing(
    report: Callable[..., dict[str, Any]],
) -> None:
    denied = report(*denying("EPERM:" + ",".join(CALLS.values())))

    assert denied["problems"] == []
    assert denied["mempolicy"] == dict.fromkeys(CALLS, "denied")
    assert denied["notes"] == [
        "set_mempolicy is denied here: memory comes from any node that cpuset.mems allows, as the "
        "policy of this container says, and ranks that share nodes are not kept on their own; the "
        "container's seccomp profile can allow it",
        "migrate_pages is denied here: pages that were touched before a process was bound stay "
        "where they are; the container's seccomp profile can allow it",
    ]


@pytest.mark.usefixtures("unconfined")
@pytest.mark.parametrize("call", ["mbind", "migrate", "move"])
def test_a_profile_that_ends_the_caller_is_a_denial(
    report: Callable[..., dict[str, Any]], call: str
) -> None:
    assert report(*denying(f"KILL:{CALLS[call]}"))["mempolicy"] == {**ALLOWED, call: "denied"}


@pytest.mark.usefixtures("unconfined")
@pytest.mark.skipif(shutil.which("numactl") is None, reason="no numactl")
@pytest.mark.parametrize("policy", ["--interleave=0", "--preferred=0", "--localalloc"])
def test_a_policy_that_was_inherited_is_set_again(
    report: Callable[..., dict[str, Any]], policy: str
) -> None:
    """Of numactl(8): --localalloc has a mode without nodes."""
    assert report("numactl", policy)["mempolicy"] == ALLOWED
