"""The exact sentences that say why CPU sets cannot be had."""

from typing import Any

import pytest

from numalocal.host.unavailable import sentence
from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool
from numalocal.worker.spec import parse_worker

from ..conftest import make_machine

WAIT = "wait for another run to end"
SMALLER = "cut smaller sets (pools[].size)"
WHOLE = make_machine(nodes=2, cores=3)
"""CPUs 0-5 and 6-11: with a core shared on each node, two sets of a core on each."""


def without(cpus: str) -> Machine:
    return WHOLE.with_online(WHOLE.online - IdSet.parse(cpus))


def allowing(cpus: str) -> Machine:
    return WHOLE._replace(allowed=IdSet.parse(cpus), confined_by="/a/cpuset.cpus.effective")


@pytest.mark.parametrize(
    ("machine", "held", "spec", "expected"),
    [
        pytest.param(
            WHOLE,
            "",
            {"replicas": 5},
            "5 CPU sets are asked for, 4 are free of the 4 of pool cpuset; "
            f"lower spec.replicas, or {SMALLER}",
            id="more than the pool has",
        ),
        pytest.param(
            WHOLE,
            "2-5,8-11",
            {},
            "1 CPU set is asked for, 0 are free of the 4 of pool cpuset: CPU 2-5,8-11 is held by "
            f"other runs; {WAIT}",
            id="others hold all",
        ),
        pytest.param(
            WHOLE,
            "2-3",
            {"ranks": 4},
            "4 CPU sets are asked for, 3 are free of the 4 of pool cpuset: CPU 2-3 is held by "
            f"other runs; {WAIT}, or lower spec.ranks",
            id="others hold one",
        ),
        pytest.param(
            WHOLE,
            "2-3",
            {"replicas": 3, "ranks": 2},
            "6 CPU sets are asked for, 3 are free of the 4 of pool cpuset: CPU 2-3 is held by "
            f"other runs; lower spec.replicas or spec.ranks, or {SMALLER}",
            id="waiting would not help",
        ),
        pytest.param(
            without("4-5"),
            "",
            {"ranks": 4},
            "4 CPU sets are asked for, 3 are free of the 4 of pool cpuset: CPU 4-5 is offline; "
            "bring the CPUs online, or lower spec.ranks",
            id="a core is offline",
        ),
        pytest.param(
            without("4-5,10-11"),
            "2-3,8-9",
            {"ranks": 3},
            "3 CPU sets are asked for, 0 are free of the 4 of pool cpuset: CPU 2-3,8-9 is held by "
            "other runs; CPU 4-5,10-11 is offline; lower spec.ranks",
            id="neither would do alone",
        ),
        pytest.param(
            allowing("0-5"),
            "",
            {"ranks": 3},
            "3 CPU sets are asked for, 2 are free of the 2 of pool cpuset: this process may run on "
            f"CPU 0-5 only (/a/cpuset.cpus.effective); lower spec.ranks, or {SMALLER}",
            id="a cpuset leaves a node",
        ),
        pytest.param(
            allowing("0-5"),
            "2-5",
            {},
            "1 CPU set is asked for, 0 are free of the 2 of pool cpuset: CPU 2-5 is held by other "
            "runs; this process may run on CPU 0-5 only (/a/cpuset.cpus.effective); "
            f"{WAIT}",
            id="a cpuset and others",
        ),
        pytest.param(
            WHOLE._replace(allowed_nodes=IdSet.of([0])),
            "",
            {"ranks": 3},
            "3 CPU sets are asked for, 2 are free of the 4 of pool cpuset: memory of node 1 is not "
            "allowed; lower spec.ranks",
            id="memory that is not allowed",
        ),
    ],
)
def test_the_cause_and_what_would_help_are_told(
    machine: Machine, held: str, spec: dict[str, Any], expected: str
) -> None:
    cut = partition(machine, [Pool(name="cpuset", size=1)])
    template = {"spec": {"containers": [{"name": "engine", "command": ["x"]}]}}
    worker = parse_worker({"metadata": {"name": "w"}, "spec": {"template": template, **spec}})

    assert sentence(worker, machine, cut, IdSet.parse(held)) == expected
