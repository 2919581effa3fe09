from pathlib import Path

import pytest

from numalocal.errors import LaunchFailed
from numalocal.host.benchmark import (
    Rate,
    Step,
    bandwidth_steps,
    computing_cpus,
    run,
    scaling_steps,
    thread_counts,
)
from numalocal.idset import IdSet
from numalocal.machine.model import NumaNode

from ..conftest import GIB, make_machine


def test_every_node_reads_every_memory_and_memory_alone_is_only_read() -> None:
    machine = make_machine(nodes=2)
    far = NumaNode(id=7, cpus=IdSet(), memory_bytes=GIB, distances={})
    machine = machine._replace(nodes=(*machine.nodes, far), allowed_nodes=IdSet.of([0, 1, 7]))

    steps = [
        (one.cpu_node, one.memory_node, str(one.step.cpus)) for one in bandwidth_steps(machine)
    ]

    assert steps == [
        (0, 0, "1,3"),
        (0, 1, "1,3"),
        (0, 7, "1,3"),
        (1, 0, "5,7"),
        (1, 1, "5,7"),
        (1, 7, "5,7"),
    ]


def test_what_is_not_allowed_is_not_measured() -> None:
    machine = make_machine(nodes=2)._replace(
        allowed=IdSet.parse("0-2"), allowed_nodes=IdSet.of([0])
    )

    assert str(computing_cpus(machine, machine.nodes[0])) == "1-2"
    assert [(one.cpu_node, one.memory_node) for one in bandwidth_steps(machine)] == [(0, 0)]


@pytest.mark.parametrize(
    ("most", "counts"), [(1, (1,)), (2, (1, 2)), (6, (1, 2, 4, 6)), (8, (1, 2, 4, 8))]
)
def test_threads_double_up_to_all_cores(most: int, counts: tuple[int, ...]) -> None:
    assert counts == thread_counts(most)


def test_bound_and_unbound_have_as_many_threads() -> None:
    steps = scaling_steps(make_machine(nodes=1, cores=4))

    assert [(one.threads, str(one.bound.cpus), str(one.unbound.cpus)) for one in steps] == [
        (1, "1", "0-7"),
        (2, "1,3", "0-7"),
        (4, "1,3,5,7", "0-7"),
    ]
    assert all(one.bound.pinned and not one.unbound.pinned for one in steps)
    assert all(one.bound.threads == one.unbound.threads == one.threads for one in steps)


def test_a_machine_without_a_free_core_has_nothing_to_measure() -> None:
    machine = make_machine(nodes=1)._replace(allowed=IdSet())

    assert (bandwidth_steps(machine), scaling_steps(machine)) == ((), ())


def test_a_measurement_is_what_its_runs_told() -> None:
    machine = make_machine(nodes=1, cores=1)
    rates = iter([Rate(10.0, 40.0), Rate(8.0, 30.0)])

    (scaling,) = (one.measured(lambda _step: next(rates)) for one in scaling_steps(machine))

    assert (scaling.threads, scaling.bound, scaling.unbound) == (1, 10.0, 8.0)


def test_an_engine_that_tells_no_rate_is_an_error(tmp_path: Path) -> None:
    binder = tmp_path / "numalocal-bind"
    binder.write_text("#!/bin/sh\necho no such node >&2; exit 125\n")
    binder.chmod(0o755)
    step = Step(title="node 0 reads node 9", cpus=IdSet.of([0]), memory_node=9, threads=1)

    with pytest.raises(LaunchFailed, match=r"node 0 reads node 9: .* told no rate: no such node"):
        run(binder, step, weights=1 << 20, seconds=0.1)
