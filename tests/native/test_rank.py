"""exec --rank: one rank's share of the plan, and the OpenMP variables that go with it."""

import subprocess
from collections.abc import Callable, Mapping

import pytest

Bind = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def plan(usable_cpus: list[int]) -> Mapping[str, str]:
    """Two ranks: the second on the last CPU."""
    first, last = usable_cpus[0], usable_cpus[-1]
    return {
        "NUMALOCAL_RANK_CPUS": f"{first}|{last}",
        "NUMALOCAL_RANK_MEMS": "0|0",
        "NUMALOCAL_RANK_COMPUTE_CPUS": f"{first}|{last}",
    }


def environment_of(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def without(plan: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in plan.items() if key != name}


def test_a_rank_gets_its_part_of_the_cpus_and_nodes(
    bind: Bind, plan: Mapping[str, str], usable_cpus: list[int]
) -> None:
    command = ("sh", "-c", "grep Cpus_allowed_list /proc/self/status; head -1 /proc/self/numa_maps")

    done = bind("exec", "--rank", "1", "--", *command, env=plan)

    assert f"Cpus_allowed_list:\t{usable_cpus[-1]}\n" in done.stdout
    assert " bind:0 " in done.stdout


@pytest.mark.parametrize("command", [("exec", "--rank", "0"), ("run",)], ids=["exec", "run"])
@pytest.mark.parametrize(
    ("option", "planned_shown"),
    [
        ((), ("interleave", "interleave:0")),
        ((), ("preferred", "prefer:0")),
        ((), ("bind", "bind:0")),
        (("--policy", "bind"), ("interleave", "bind:0")),
        (("--policy", "none"), ("interleave", "default")),
    ],
)
def test_a_rank_takes_memory_by_its_plans_policy_unless_told_otherwise(
    bind: Bind,
    plan: Mapping[str, str],
    command: tuple[str, ...],
    option: tuple[str, ...],
    planned_shown: tuple[str, str],
) -> None:
    planned, shown = planned_shown
    whole = {
        "NUMALOCAL_CPUS": plan["NUMALOCAL_RANK_CPUS"].replace("|", ","),
        "NUMALOCAL_MEMS": "0",
        "NUMALOCAL_RANKS": "2",
        "NUMALOCAL_MEMORY_POLICY": planned,
        "NUMALOCAL_MEMORY_POLICY_NODES": "0",
    }
    script = ("sh", "-c", "head -1 /proc/self/numa_maps")

    done = bind(*command, *option, "--", *script, env={**plan, **whole})

    assert (done.returncode, done.stderr) == (0, "")
    assert f" {shown} " in done.stdout


@pytest.mark.parametrize("command", [("exec", "--rank", "0"), ("run",)], ids=["exec", "run"])
def test_a_policy_of_the_plan_that_is_none_is_refused(
    bind: Bind, plan: Mapping[str, str], command: tuple[str, ...]
) -> None:
    refused = bind(*command, "--", "true", env={**plan, "NUMALOCAL_MEMORY_POLICY": "Bind"})

    assert (refused.returncode, refused.stdout) == (125, "")
    if command == ("exec", "--rank", "0"):
        assert refused.stderr == (
            'numalocal-bind: exec: NUMALOCAL_MEMORY_POLICY "Bind" is unknown: write bind, '
            "preferred, interleave, weighted-interleave or none\n"
        )


def test_a_rank_learns_its_number_and_its_openmp_places(
    bind: Bind, plan: Mapping[str, str], usable_cpus: list[int]
) -> None:
    environment = environment_of(bind("exec", "--rank", "1", "--", "env", env=plan))

    assert environment["NUMALOCAL_RANK"] == "1"
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["OMP_PLACES"] == f"{{{usable_cpus[-1]}}}"
    assert environment["OMP_PROC_BIND"] == "true"


def test_a_rank_has_one_openmp_thread_and_place_per_compute_cpu(
    bind: Bind, usable_cpus: list[int]
) -> None:
    every = ",".join(map(str, usable_cpus))
    plan = {
        "NUMALOCAL_RANK_CPUS": every,
        "NUMALOCAL_RANK_MEMS": "0",
        "NUMALOCAL_RANK_COMPUTE_CPUS": every,
    }

    environment = environment_of(bind("exec", "--rank", "0", "--", "env", env=plan))

    assert environment["OMP_NUM_THREADS"] == str(len(usable_cpus))
    assert environment["OMP_PLACES"] == ",".join(f"{{{cpu}}}" for cpu in usable_cpus)


def test_without_compute_cpus_no_openmp_variable_is_set(
    bind: Bind, plan: Mapping[str, str]
) -> None:
    env = without(plan, "NUMALOCAL_RANK_COMPUTE_CPUS")

    environment = environment_of(bind("exec", "--rank", "0", "--", "env", env=env))

    assert environment["NUMALOCAL_RANK"] == "0"
    assert not [name for name in environment if name.startswith(("OMP_", "GOMP_", "KMP_"))]


@pytest.mark.parametrize(
    "users",
    [
        {"OMP_PLACES": "cores"},
        {"OMP_PROC_BIND": "false"},
        {"GOMP_CPU_AFFINITY": "0"},
        {"KMP_AFFINITY": "disabled"},
        {"OMP_PLACES": ""},
    ],
    ids=str,
)
def test_a_user_who_places_threads_keeps_both_of_ours_away(
    bind: Bind, plan: Mapping[str, str], users: Mapping[str, str]
) -> None:
    environment = environment_of(bind("exec", "--rank", "0", "--", "env", env={**plan, **users}))

    placing = ("OMP_PLACES", "OMP_PROC_BIND", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")
    assert {name: environment[name] for name in placing if name in environment} == users
    assert environment["OMP_NUM_THREADS"] == "1"


def test_a_users_thread_count_stands(bind: Bind, plan: Mapping[str, str]) -> None:
    environment = environment_of(
        bind("exec", "--rank", "0", "--", "env", env={**plan, "OMP_NUM_THREADS": "3"})
    )

    assert environment["OMP_NUM_THREADS"] == "3"
    assert environment["OMP_PROC_BIND"] == "true"


@pytest.mark.parametrize(
    ("changes", "rank", "sentence"),
    [
        ({}, "2", "rank 2 has no part in NUMALOCAL_RANK_CPUS"),
        ({}, "-1", "--rank -1 is no rank: write 0 or more"),
        ({}, "1x", "--rank 1x is no rank"),
        ({}, "18446744073709551616", "is no rank"),
        ({"NUMALOCAL_RANK_CPUS": "0|"}, "1", "NUMALOCAL_RANK_CPUS, rank 1: names no id"),
        ({"NUMALOCAL_RANK_CPUS": "x|0"}, "0", 'NUMALOCAL_RANK_CPUS, rank 0: "x" is no list of ids'),
        ({"NUMALOCAL_RANK_MEMS": "0"}, "1", "rank 1 has no part in NUMALOCAL_RANK_MEMS"),
        (
            {"NUMALOCAL_RANK_COMPUTE_CPUS": "900|900"},
            "0",
            "NUMALOCAL_RANK_COMPUTE_CPUS names 900, which is not in NUMALOCAL_RANK_CPUS",
        ),
    ],
    ids=["none", "negative", "no number", "too large", "empty", "a word", "no node", "outside"],
)
def test_a_rank_that_the_plan_does_not_have_is_refused(
    bind: Bind, plan: Mapping[str, str], changes: Mapping[str, str], rank: str, sentence: str
) -> None:
    refused = bind("exec", "--rank", rank, "--", "true", env={**plan, **changes})

    assert refused.returncode == 125
    assert sentence in refused.stderr


@pytest.mark.parametrize("missing", ["NUMALOCAL_RANK_CPUS", "NUMALOCAL_RANK_MEMS"])
def test_a_rank_without_a_plan_is_refused(
    bind: Bind, plan: Mapping[str, str], missing: str
) -> None:
    refused = bind("exec", "--rank", "0", "--", "true", env=without(plan, missing))

    assert refused.returncode == 125
    assert f"{missing} is not set: the node agent sets it" in refused.stderr


def test_a_launchers_variable_may_say_which_rank_this_is(
    bind: Bind, plan: Mapping[str, str], usable_cpus: list[int]
) -> None:
    env = {**plan, "OMPI_COMM_WORLD_LOCAL_RANK": "01"}

    environment = environment_of(
        bind("exec", "--rank-from", "OMPI_COMM_WORLD_LOCAL_RANK", "--", "env", env=env)
    )

    assert environment["NUMALOCAL_RANK"] == "1"
    assert environment["OMP_PLACES"] == f"{{{usable_cpus[-1]}}}"


@pytest.mark.parametrize(
    ("variables", "arguments", "sentence"),
    [
        ({}, (), "--rank-from LOCAL_RANK: this variable is not set: start under a launcher that"),
        ({"LOCAL_RANK": "one"}, (), 'its value "one" is no rank: name a variable that holds 0 or'),
        ({"LOCAL_RANK": ""}, (), 'its value "" is no rank'),
        ({"LOCAL_RANK": "-1"}, (), 'its value "-1" is no rank'),
        ({"LOCAL_RANK": "2"}, (), "--rank-from LOCAL_RANK: rank 2 has no part in NUMALOCAL_RANK"),
        ({"LOCAL_RANK": "0"}, ("--rank", "0"), "both say which rank this is: leave one out"),
        ({"LOCAL_RANK": "0"}, ("--mems", "0"), "--rank-from LOCAL_RANK takes CPUs and nodes from"),
    ],
    ids=["unset", "a word", "empty", "negative", "too large", "twice", "nodes"],
)
def test_a_launchers_variable_that_names_no_rank_is_refused(
    bind: Bind,
    plan: Mapping[str, str],
    variables: Mapping[str, str],
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    refused = bind(
        "exec", "--rank-from", "LOCAL_RANK", *arguments, "--", "true", env={**plan, **variables}
    )

    assert refused.returncode == 125
    assert sentence in refused.stderr


def test_rank_and_cpus_are_two_ways_to_say_it(bind: Bind, plan: Mapping[str, str]) -> None:
    refused = bind("exec", "--rank", "0", "--cpus", "0", "--", "true", env=plan)

    assert refused.returncode == 125
    assert "leave out --cpus and --mems" in refused.stderr
