"""vLLM's list on machines where its own automatic binding gives up or errs."""

import pytest

from numalocal import engines
from numalocal.engines import EngineSettings, Job
from numalocal.machine.discovery import discover
from numalocal.machine.sysfs import Sysfs
from numalocal.sets.assignment import Assignment
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool
from numalocal.sets.preference import prefer
from simulated import MACHINES, written


@pytest.mark.parametrize(
    ("name", "ranks", "size", "bound", "nodes"),
    [
        pytest.param(
            *("power9-smt8", 2, 4),
            "16-19,24-27,32-35,40-43|112-115,120-123,128-131",
            "0,8",
            id="POWER SMT-8: four threads of each core, one core of the replica reserved",
        ),
        pytest.param(
            *("s390x-drawers", 4, 4),
            "17,19,21,23|25,27,29,31|33,35,37,39|41,43,45",
            "0,0,0,0",
            id="s390x: ranks within books, though the machine has one NUMA node",
        ),
        pytest.param(
            *("graviton4", 4, 4),
            "1-3|5-7|97-99|101-103",
            "0,0,1,1",
            id="ARM: two ranks on each node, one core of each reserved",
        ),
        pytest.param(
            *("epyc-nps4", 4, 8),
            "136-142|152-158|168-174|184-190",
            "0,1,2,3",
            id="x86: the highest sibling, ranks on the four nodes of one package",
        ),
        pytest.param(
            *("hybrid", 2, 3),
            "3,5|9,11",
            "0,0",
            id="hybrid: two ranks within its one node",
        ),
    ],
)
def test_every_ranks_list_is_written_in_full(
    name: str, *, ranks: int, size: int, bound: str, nodes: str
) -> None:
    machine = discover(Sysfs(written(MACHINES[name])))
    sets = partition(machine, [Pool(name="cpuset", size=size)]).sets
    assignment = Assignment.of(prefer(sets, size=ranks, machine=machine, placement="Spread"))
    job = Job(settings=EngineSettings(name="vllm"), ranks=ranks)

    told = engines.variables(job, assignment, machine)

    assert told["VLLM_CPU_OMP_THREADS_BIND"] == bound
    assert told["CPU_VISIBLE_MEMORY_NODES"] == nodes
