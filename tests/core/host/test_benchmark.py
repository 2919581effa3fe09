from pathlib import Path
from xml.etree import ElementTree

import pytest

from numalocal.errors import LaunchFailed
from numalocal.host.benchmark import (
    Bandwidth,
    Scaling,
    Step,
    bandwidth_steps,
    computing_cpus,
    document,
    run,
    scaling_steps,
    table,
    thread_counts,
)
from numalocal.idset import IdSet
from numalocal.machine.model import NumaNode
from numalocal.pictures import plot

from ..conftest import GIB, make_machine

BANDWIDTHS = [
    Bandwidth(cpu_node=cpus, memory_node=memory, gb_per_s=200.0 - 120 * (cpus != memory))
    for cpus in (0, 1)
    for memory in (0, 1)
]
SCALINGS = [Scaling(threads=1, bound=10.0, unbound=8.0), Scaling(threads=2, bound=20.0, unbound=0)]


def test_every_node_reads_every_memory_and_memory_alone_is_only_read() -> None:
    machine = make_machine(nodes=2)
    far = NumaNode(id=7, cpus=IdSet(), memory_bytes=GIB, distances={})
    machine = machine._replace(nodes=(*machine.nodes, far), allowed_nodes=IdSet.of([0, 1, 7]))

    steps = [(cpus, memory, str(step.cpus)) for cpus, memory, step in bandwidth_steps(machine)]

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
    assert [(cpus, memory) for cpus, memory, _ in bandwidth_steps(machine)] == [(0, 0)]


@pytest.mark.parametrize(
    ("most", "counts"), [(1, (1,)), (2, (1, 2)), (6, (1, 2, 4, 6)), (8, (1, 2, 4, 8))]
)
def test_threads_double_up_to_all_cores(most: int, counts: tuple[int, ...]) -> None:
    assert counts == thread_counts(most)


def test_bound_and_unbound_have_as_many_threads() -> None:
    steps = list(scaling_steps(make_machine(nodes=1, cores=4)))

    assert [(threads, str(bound.cpus), unbound.cpus) for threads, bound, unbound in steps] == [
        (1, "1", None),
        (2, "1,3", None),
        (4, "1,3,5,7", None),
    ]
    assert all(bound.threads == unbound.threads == threads for threads, bound, unbound in steps)


def test_the_table_has_nodes_and_ratios() -> None:
    assert table(BANDWIDTHS, SCALINGS).splitlines() == [
        "GB/s read by all cores of a node, from the memory of another",
        "                  node 0    node 1",
        "  cores of 0       200.0      80.0",
        "  cores of 1        80.0     200.0",
        "",
        "tokens/s of the example engine by threads",
        "   threads     bound   unbound  bound/unbound",
        "         1      10.0       8.0           1.25",
        "         2      20.0       0.0              -",
    ]


def test_the_document_has_every_measurement() -> None:
    told = document(BANDWIDTHS[:1], SCALINGS[:1])

    assert told == {
        "bandwidth": [{"cpu_node": 0, "memory_node": 0, "gb_per_s": 200.0}],
        "scaling": [{"threads": 1, "bound": 10.0, "unbound": 8.0}],
    }


def test_a_plot_has_a_point_for_every_measurement() -> None:
    lines = [("bound", [(1.0, 10.0), (2.0, 20.0)]), ("<unbound>", [(1.0, 8.0), (2.0, 9.0)])]

    root = ElementTree.fromstring(plot.draw("Rates", "threads", "tokens/s", lines))

    points = list(root.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(points) == 4
    heights = [float(point.get("cy", "")) for point in points]
    assert heights[1] < heights[0]
    assert heights[0] < heights[2]


def test_an_engine_that_tells_no_rate_is_an_error(tmp_path: Path) -> None:
    binder = tmp_path / "numalocal-bind"
    binder.write_text("#!/bin/sh\necho no such node >&2; exit 125\n")
    binder.chmod(0o755)
    step = Step(title="node 0 reads node 9", cpus=IdSet.of([0]), memory_node=9, threads=1)

    with pytest.raises(LaunchFailed, match=r"node 0 reads node 9: .* told no rate: no such node"):
        run(binder, step, weights="1Mi", seconds=0.1)
