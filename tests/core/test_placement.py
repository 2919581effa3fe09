from typing import Any

import pytest

from numalocal.errors import SetsUnavailable, SpecInvalid
from numalocal.idset import IdSet
from numalocal.partition import partition
from numalocal.placement import Placement, place
from numalocal.pools import Pool
from numalocal.worker import parse_worker

from .conftest import make_machine

MACHINE = make_machine(nodes=2, cores=4)
CUT = partition(MACHINE, [Pool(name="cpuset", size=1)])
EVERYWHERE = MACHINE.online


def placed(
    allowed: IdSet = EVERYWHERE, container: dict[str, Any] | None = None, **spec: Any
) -> tuple[Placement, ...]:
    engine = {"name": "engine", "command": ["decode"], **(container or {})}
    raw = {
        "metadata": {"name": "llama"},
        "spec": {"template": {"spec": {"containers": [engine]}}, **spec},
    }
    return place(parse_worker(raw), MACHINE, CUT, allowed)


def test_replicas_get_disjoint_sets() -> None:
    first, second = placed(replicas=2, ranks=2)

    assert first.assignment.cpus.isdisjoint(second.assignment.cpus)
    assert [one.replica for one in (first, second)] == [0, 1]
    assert all(one.assignment.mems == IdSet.of([0, 1]) for one in (first, second))


def test_a_set_outside_the_allowed_cpus_is_not_taken() -> None:
    (one,) = placed(allowed=IdSet.parse("0-3,6-7"))

    assert str(one.assignment.cpus) in {"2-3", "6-7"}


def test_too_many_replicas_are_told_with_the_numbers() -> None:
    with pytest.raises(SetsUnavailable, match="2 CPU sets are asked for, 0 are free"):
        placed(replicas=4, ranks=2)


def test_the_templates_own_variables_win() -> None:
    mine = {"env": [{"name": "OMP_NUM_THREADS", "value": "7"}, {"name": "TOKEN", "valueFrom": {}}]}

    (one,) = placed(container=mine, engine={"name": "openmp"})

    assert one.environment["OMP_NUM_THREADS"] == "7"
    assert "TOKEN" not in one.environment
    assert one.environment["OMP_PLACES"] == "{2}"


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


def test_a_container_without_a_command_cannot_run_here() -> None:
    with pytest.raises(SpecInvalid, match=r"containers\[engine\].command: .* there is no image"):
        placed(container={"command": []})
