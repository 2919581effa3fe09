from typing import Any

import pytest

from numalocal.errors import SetsUnavailable, SpecInvalid
from numalocal.host.placement import Placement, place, require_command, users
from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool
from numalocal.worker.spec import Worker, parse_worker

from ..conftest import make_machine

MACHINE = make_machine(nodes=2, cores=4)
CUT = partition(MACHINE, [Pool(name="cpuset", size=1)])


def worker(container: dict[str, Any] | None = None, **spec: Any) -> Worker:
    engine = {"name": "engine", "command": ["decode"], **(container or {})}
    return parse_worker(
        {
            "metadata": {"name": "llama"},
            "spec": {"template": {"spec": {"containers": [engine]}}, **spec},
        }
    )


def placed(
    container: dict[str, Any] | None = None, machine: Machine = MACHINE, **spec: Any
) -> tuple[Placement, ...]:
    return place(worker(container, **spec), machine, CUT)


def test_replicas_get_disjoint_sets() -> None:
    first, second = placed(replicas=2, ranks=2)

    assert first.assignment.cpus.isdisjoint(second.assignment.cpus)
    assert [one.replica for one in (first, second)] == [0, 1]
    assert all(one.assignment.mems == IdSet.of([0, 1]) for one in (first, second))


def test_a_set_outside_the_allowed_cpus_is_not_taken() -> None:
    (one,) = placed(machine=MACHINE._replace(allowed=IdSet.parse("0-3,6-7")))

    assert str(one.assignment.cpus) in {"2-3", "6-7"}


def test_a_set_on_a_node_whose_memory_is_not_allowed_is_not_taken() -> None:
    (one,) = placed(machine=MACHINE._replace(allowed_nodes=IdSet.of([1])))

    assert [rank.numa_node for rank in one.assignment.sets] == [1]


def test_a_pool_decides_how_ranks_are_laid() -> None:
    packed = partition(MACHINE, [Pool(name="cpuset", size=1, placement="Pack")])

    (one,) = place(worker(ranks=3), MACHINE, packed)

    assert len(one.assignment.mems) == 1


def test_a_pool_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(SpecInvalid, match=r"spec.pool: 'big' is not a pool .* known: cpuset"):
        placed(pool="big")


def test_a_kv_transfer_takes_one_more_core() -> None:
    whole = partition(MACHINE, [Pool(name="cpuset")])
    transfer = {"args": ["--kv-transfer-config={}"]}

    (one,) = place(worker(transfer, engine={"name": "vllm"}), MACHINE, whole)

    assert one.environment["NUMALOCAL_RANK_COMPUTE_CPUS"] == "3"


def test_references_are_expanded_as_a_cluster_does() -> None:
    container = {
        "command": ["serve", "--threads=$(NUMALOCAL_THREADS)", "$(OWN)", "$(NONE)"],
        "env": [{"name": "OWN", "value": "on $(NUMALOCAL_CPUS)"}],
    }

    (one,) = placed(container)

    assert one.command == ("serve", "--threads=1", "on $(NUMALOCAL_CPUS)", "$(NONE)")
    assert one.environment["OWN"] == "on $(NUMALOCAL_CPUS)"


def test_an_engine_gets_its_arguments_with_the_values_of_this_machine() -> None:
    (one,) = placed({"command": ["ovms"]}, engine={"name": "ovms"})

    assert one.command == (
        "ovms",
        "--plugin_config",
        '{"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": true}',
    )


def test_what_an_engine_is_not_told_comes_with_the_placement() -> None:
    (one,) = placed({"command": ["ollama", "serve"]}, engine={"name": "ollama"})

    assert "PARAMETER num_thread N" in one.notes[0]


def test_llama_cpp_keeps_its_hands_off_numa_where_no_cgroup_holds_it() -> None:
    llama = worker({"command": ["llama-server"]}, engine={"name": "llama.cpp"})

    told = [
        place(llama, MACHINE, CUT, confined=confined)[0].environment.get("LLAMA_ARG_NUMA")
        for confined in (True, False)
    ]

    assert told == ["numactl", None]


def test_too_many_replicas_are_told_with_the_numbers() -> None:
    with pytest.raises(SetsUnavailable, match="2 CPU sets are asked for, 0 are free"):
        placed(replicas=4, ranks=2)


def test_the_templates_own_variables_win() -> None:
    mine = {"env": [{"name": "OMP_NUM_THREADS", "value": "7"}, {"name": "TOKEN", "valueFrom": {}}]}

    (one,) = placed(container=mine, engine={"name": "openmp"})

    assert one.environment["OMP_NUM_THREADS"] == "7"
    assert "TOKEN" not in one.environment
    assert one.environment["OMP_PLACES"] == "{3}"


def test_a_family_of_the_templates_own_stands_alone() -> None:
    mine = {"env": [{"name": "GOMP_CPU_AFFINITY", "value": "0"}]}

    (one,) = placed(container=mine, engine={"name": "openmp"})

    assert one.environment["GOMP_CPU_AFFINITY"] == "0"
    assert not {"OMP_PLACES", "OMP_PROC_BIND"} & one.environment.keys()
    assert one.environment["OMP_NUM_THREADS"] == "1"


def test_memory_per_rank_is_told_in_bytes() -> None:
    (one,) = placed(memory={"perRank": "1Gi"})

    assert one.environment["NUMALOCAL_MEMORY_PER_RANK_BYTES"] == str(1 << 30)


def test_command_and_arguments_are_one_line() -> None:
    (one,) = placed(container={"args": ["--weights", "1Gi"]})

    assert one.command == ("decode", "--weights", "1Gi")


def test_a_container_without_a_command_can_be_placed_but_not_run_here() -> None:
    (one,) = placed(container={"command": [], "args": ["--verbose"]})

    assert one.command == ("--verbose",)
    with pytest.raises(SpecInvalid, match=r"containers\[0\].command: .* there is no image"):
        require_command(worker({"command": []}))


def test_users_name_the_rank_of_every_set() -> None:
    made = worker(replicas=2, ranks=2)

    named = users(made, place(made, MACHINE, CUT))

    assert sorted(named.values()) == [
        f"llama-{one} rank {rank}" for one in (0, 1) for rank in (0, 1)
    ]
