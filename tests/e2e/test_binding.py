"""A worker is born on its CPUs with its memory beside them, and told so; judged by the node."""

import re

from installed import SETS, sets
from lab.cluster import Lab
from numalocal.idset import IdSet
from workers import DECODE, Workers

MEMORY = {"perRank": "128Mi"}


def test_the_node_offers_its_cpu_sets(lab: Lab) -> None:
    described = lab.kubectl("describe", "node")

    assert sets(lab) == SETS
    assert re.search(r"numalocal\.io/cpuset:\s+2", described)


def test_an_engine_is_bound_from_its_first_instruction(workers: Workers) -> None:
    workers.create("one", command=DECODE, memory=MEMORY)
    status = workers.wait_verified("one")
    log = workers.wait_log("one", r"tokens_per_s=")
    look = workers.look("one")

    (placement,) = status["placements"]
    (rank,) = placement["ranks"]
    cpus, node = IdSet.parse(rank["cpus"]), rank["numaNode"]
    assert (str(cpus), node) in {("2-3", 0), ("6-7", 1)}
    assert placement["verified"] is True
    assert rank["memoryBytes"] == 128 << 20
    assert log.startswith(f"start cpus={cpus} mems={node}\n")
    assert look.cgroup_cpus == cpus
    assert look.cgroup_mems == IdSet.of([node])
    assert len(look.thread_cpus) == 2
    assert set(look.thread_cpus) == {cpus}
    assert set(look.thread_mems) == {IdSet.of([node])}
    assert look.bytes_on_node[node] >= 32 << 20
    assert look.local_share >= 0.99


def test_requests_mirror_the_sets_for_the_scheduler(workers: Workers) -> None:
    workers.create("one", memory=MEMORY)
    workers.wait_verified("one")

    pod = workers.pod("one")

    (container,) = pod["spec"]["containers"]
    assert container["resources"]["requests"]["cpu"] == "2"
    assert container["resources"]["limits"] == {"memory": "128Mi", "numalocal.io/cpuset": "1"} | {
        "memory": container["resources"]["requests"]["memory"]
    }
    assert "cpu" not in container["resources"]["limits"]
    assert pod["status"]["qosClass"] == "Burstable"


def test_openmp_runs_one_thread_per_planned_core(workers: Workers) -> None:
    engine = {"name": "openmp", "openMP": "gnu"}
    env = {"OMP_DISPLAY_AFFINITY": "true"}
    workers.create("openmp", command=DECODE, engine=engine, env=env)
    status = workers.wait_ready("openmp")
    log = workers.wait_log("openmp", r"affinity \d+")
    look = workers.look("openmp")

    planned = IdSet.parse(status["placements"][0]["ranks"][0]["cpus"])
    # One core with two threads: on x86 the planned thread sits on the highest.
    assert re.findall(r"affinity (\S+)", log) == [str(max(planned))]
    assert look.thread_cpus == (IdSet.of([max(planned)]),)
    assert look.cgroup_cpus == planned


def test_two_ranks_get_a_set_on_each_node_and_a_list_each(workers: Workers) -> None:
    workers.create(
        "two",
        command=("numalocal-bind", "run", "--", *DECODE),
        env={"OMP_DISPLAY_AFFINITY": "true"},
        ranks=2,
        engine={"name": "openmp"},
        memory={"perRank": "64Mi"},
    )
    status = workers.wait_verified("two")
    log = workers.wait_log("two", r"affinity \d+[^$]*affinity \d+")
    look = workers.look("two")

    (placement,) = status["placements"]
    assert [(rank["cpus"], rank["numaNode"]) for rank in placement["ranks"]] == [
        ("2-3", 0),
        ("6-7", 1),
    ]
    assert placement["verified"] is True
    assert sorted(re.findall(r"(\[rank \d\]).*affinity (\S+)", log)) == [
        ("[rank 0]", "3"),
        ("[rank 1]", "7"),
    ]
    assert {str(cpus) for cpus in look.thread_cpus} == {"3", "7", "2-3,6-7"}  # and the binder
    assert all(look.bytes_on_node[node] >= 32 << 20 for node in (0, 1))


def test_where_seccomp_denies_the_policy_the_cpuset_binds_and_the_denial_is_told(
    workers: Workers,
) -> None:
    exec_rank = ("numalocal-bind", "exec", "--rank", "0", "--", *DECODE)
    workers.create("sealed", command=exec_rank, seccomp="RuntimeDefault", engine={"name": "openmp"})
    status = workers.wait_verified("sealed")
    log = workers.wait_log("sealed", r"tokens_per_s=")
    look = workers.look("sealed")

    assert status["placements"][0]["verified"] is True
    assert re.search(r"numalocal-bind: .*set_mempolicy.*Operation not permitted", log)
    assert look.local_share > 0.99


def test_with_sys_nice_nothing_is_lost_under_seccomp(workers: Workers) -> None:
    exec_rank = ("numalocal-bind", "exec", "--rank", "0", "--", *DECODE)
    workers.create(
        "nice",
        command=exec_rank,
        seccomp="RuntimeDefault",
        capabilities=("SYS_NICE",),
        engine={"name": "openmp"},
    )
    workers.wait_ready("nice")
    log = workers.wait_log("nice", r"tokens_per_s=")

    assert "numalocal-bind:" not in log
    assert workers.look("nice").local_share > 0.99
