"""What exec binds, read from the kernel by the program that it became."""

import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from numalocal.idset import MAX_ID

Bind = Callable[..., subprocess.CompletedProcess[str]]

seccomp_known = pytest.mark.skipif(
    platform.machine() not in {"x86_64", "aarch64"}, reason="system call numbers unknown"
)


def denying(rule: str) -> tuple[str, ...]:
    return (sys.executable, str(Path(__file__).parent / "deny_mempolicy.py"), rule)


def status_of(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The lines of /proc/self/status that a bound `cat` printed."""
    assert done.returncode == 0, done.stderr
    return dict(line.split(":\t", 1) for line in done.stdout.splitlines() if ":\t" in line)


def policies_of(done: subprocess.CompletedProcess[str]) -> set[str]:
    """The policies that /proc/self/numa_maps of a bound `cat` names."""
    assert done.returncode == 0, done.stderr
    return {line.split()[1] for line in done.stdout.splitlines()}


@pytest.fixture
def node() -> int:
    """A NUMA node that this test run may use."""
    status = Path("/proc/self/status").read_text()
    allowed = status.split("Mems_allowed_list:\t")[1].split("\n")[0]
    return int(allowed.replace("-", ",").split(",")[0])


def test_the_command_runs_on_the_cpus_asked_for(bind: Bind, usable_cpus: list[int]) -> None:
    done = bind("exec", "--cpus", str(usable_cpus[-1]), "--", "cat", "/proc/self/status")

    assert status_of(done)["Cpus_allowed_list"] == str(usable_cpus[-1])


def test_without_options_nothing_is_bound(bind: Bind, usable_cpus: list[int]) -> None:
    done = bind("exec", "--", sys.executable, "-c", "import os; print(os.sched_getaffinity(0))")

    assert done.stdout == f"{set(usable_cpus)}\n"


def test_a_narrowed_process_may_be_bound_to_other_cpus_of_its_cpuset(
    bind: Bind, usable_cpus: list[int]
) -> None:
    """An OpenMP runtime pins a launcher to one CPU; its ranks still get theirs."""
    narrowed = ("taskset", "-c", str(usable_cpus[0]))

    done = bind(
        "exec",
        *("--cpus", str(usable_cpus[-1]), "--", "cat", "/proc/self/status"),
        launcher=narrowed,
    )

    assert status_of(done)["Cpus_allowed_list"] == str(usable_cpus[-1])


def test_a_cpu_that_cannot_be_had_is_refused_and_named(bind: Bind, usable_cpus: list[int]) -> None:
    refused = bind("exec", "--cpus", f"{usable_cpus[0]},{MAX_ID}", "--", "true")

    assert refused.returncode == 125
    assert f"CPU {MAX_ID} cannot be used here" in refused.stderr
    assert "online and allowed; take CPUs from these" in refused.stderr


def test_cpus_none_of_which_can_be_had_are_refused(bind: Bind) -> None:
    refused = bind("exec", "--cpus", f"{MAX_ID - 1}-{MAX_ID}", "--", "true")

    assert refused.returncode == 125
    assert f"CPUs {MAX_ID - 1}-{MAX_ID} cannot be used here" in refused.stderr


@pytest.mark.parametrize(
    ("option", "shown"),
    [((), "bind"), (("--policy", "interleave"), "interleave"), (("--policy=preferred",), "prefer")],
    ids=["by default", "interleave", "preferred"],
)
def test_the_command_has_the_memory_policy_asked_for(
    bind: Bind, node: int, option: tuple[str, ...], shown: str
) -> None:
    done = bind("exec", "--mems", str(node), *option, "--", "cat", "/proc/self/numa_maps")

    assert policies_of(done) == {f"{shown}:{node}"}
    assert done.stderr == ""


def test_weights_are_used_where_the_kernel_has_them(bind: Bind, node: int) -> None:
    done = bind(
        *("exec", "--mems", str(node), "--policy", "weighted-interleave"),
        *("--", "head", "-1", "/proc/self/numa_maps"),
    )

    weights = Path("/sys/kernel/mm/mempolicy/weighted_interleave").exists()
    assert (f" weighted interleave:{node} " if weights else f" interleave:{node} ") in done.stdout
    assert ("pages are spread evenly" in done.stderr) is not weights


@seccomp_known
def test_a_kernel_without_weights_interleaves_evenly_and_says_so(bind: Bind, node: int) -> None:
    done = bind(
        *("exec", "--mems", str(node), "--policy", "weighted-interleave"),
        *("--", "cat", "/proc/self/numa_maps"),
        launcher=denying("EINVAL:set_mempolicy=6"),
    )

    assert policies_of(done) == {f"interleave:{node}"}
    assert done.stderr == (
        f"numalocal-bind: warning: --mems {node}: this kernel does not interleave by weight "
        "(set_mempolicy: EINVAL (Invalid argument); Linux 6.9 does): pages are spread evenly\n"
    )


@seccomp_known
def test_any_other_error_is_named_and_ends_it(bind: Bind, node: int) -> None:
    refused = bind("exec", "--mems", node, "true", launcher=denying("ENOMEM:set_mempolicy"))

    assert refused.returncode == 125
    assert "(set_mempolicy: ENOMEM (Cannot allocate memory))" in refused.stderr


@seccomp_known
def test_a_policy_that_cannot_be_read_back_is_said_to_be_so(bind: Bind, node: int) -> None:
    done = bind(
        *("exec", "--mems", node, "cat", "/proc/self/numa_maps"),
        launcher=denying("EPERM:get_mempolicy"),
    )

    assert policies_of(done) == {f"bind:{node}"}
    assert done.stderr == (
        "numalocal-bind: warning: the memory policy was set but cannot be read back "
        "(get_mempolicy: EPERM (Operation not permitted))\n"
    )


def test_policy_none_leaves_memory_alone(bind: Bind, node: int) -> None:
    done = bind("exec", "--mems", str(node), "--policy", "none", "cat", "/proc/self/numa_maps")

    assert policies_of(done) == {"default"}


@pytest.mark.parametrize("mems", ["4095", "0-4095", "64", "8191"])
def test_a_node_that_does_not_exist_is_refused_and_not_left_out(bind: Bind, mems: str) -> None:
    """The kernel would bind to what is left of the list, and say nothing."""
    refused = bind("exec", "--mems", mems, "--", "true")

    assert refused.returncode == 125
    assert f"--mems {mems}: NUMA node" in refused.stderr
    assert "no such node has memory here; take nodes from" in refused.stderr


@seccomp_known
@pytest.mark.parametrize("error", ["EPERM", "ENOSYS"])
@pytest.mark.parametrize("policy", ["bind", "interleave", "weighted-interleave", "preferred"])
def test_denied_memory_policies_are_one_warning_and_the_cpus_stay_bound(
    bind: Bind, node: int, usable_cpus: list[int], error: str, policy: str
) -> None:
    done = bind(
        "exec",
        *("--cpus", str(usable_cpus[-1]), "--mems", str(node), "--policy", policy),
        *("--", "cat", "/proc/self/status"),
        launcher=denying(error),
    )

    assert status_of(done)["Cpus_allowed_list"] == str(usable_cpus[-1])
    assert len(done.stderr.splitlines()) == 1
    assert "warning: --mems" in done.stderr
    assert f"(set_mempolicy: {error} (" in done.stderr
    assert "allow set_mempolicy in the container's seccomp profile" in done.stderr


def test_migration_where_there_is_nothing_to_move_is_silent(bind: Bind, node: int) -> None:
    """With all allowed nodes as target there is no node to move from."""
    status = Path("/proc/self/status").read_text()
    allowed = status.split("Mems_allowed_list:\t")[1].split("\n")[0]

    done = bind("exec", "--mems", allowed, "--migrate", "--", "cat", "/proc/self/numa_maps")

    assert policies_of(done) == {f"bind:{allowed}"}
    assert done.stderr == ""


@seccomp_known
@pytest.mark.parametrize(
    ("rule", "warning"),
    [
        (None, ""),
        ("EPERM:migrate_pages", ""),
        ("EPERM:migrate_pages,mbind", "migrate_pages: EPERM (Operation not permitted), mbind: EP"),
        ("ENOSYS:migrate_pages,mbind", "migrate_pages: ENOSYS (Function not implemented), mbind"),
        ("ENOMEM:migrate_pages", "stay on other nodes: migrate_pages: ENOMEM"),
    ],
)
def test_memory_that_was_taken_before_is_moved(
    native_build: Path, rule: str | None, warning: str
) -> None:
    """All pages lie on the target afterwards, by whichever call is allowed."""
    status = Path("/proc/self/status").read_text()
    allowed = status.split("Mems_allowed_list:\t")[1].split("\n")[0]
    if allowed.isdigit():
        pytest.skip("one NUMA node: there is no other to move from")
    target = max(map(int, allowed.replace("-", ",").split(",")))
    program = [str(native_build / "asan" / "migrate_lines"), str(target)]

    done = subprocess.run(
        [*(denying(rule) if rule else ()), *program], capture_output=True, text=True, check=True
    )

    assert warning in done.stderr
    if not warning:
        assert (done.stdout, done.stderr) == (f"4096 {target}\n", "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--migrate",), "--migrate moves memory to nodes, but none are given: add --mems or"),
        (("--cpus", ""), "--cpus is empty: write ids and ranges such as 2-3,8"),
        (("--cpus", "2-"), '--cpus "2-" is no list of ids (a number is missing at character 3)'),
        (("--mems", "all"), '--mems "all" is no list of ids (a number is missing'),
        (("--cpus", "3-1"), '--cpus "3-1" is no list of ids (the range 3-1 runs backwards)'),
        (("--mems", "0", "--policy", "strict"), "--policy strict is unknown: write bind,"),
        (("--policy", "bind"), "--policy bind says how to use nodes, but none are given"),
    ],
    ids=[
        "migrate",
        "empty",
        "half a range",
        "a word",
        "backwards",
        "policy",
        "policy without nodes",
    ],
)
def test_malformed_options_exit_125_with_the_value_and_what_is_right(
    bind: Bind, arguments: tuple[str, ...], sentence: str
) -> None:
    refused = bind("exec", *arguments, "--", "true")

    assert refused.returncode == 125
    assert sentence in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
