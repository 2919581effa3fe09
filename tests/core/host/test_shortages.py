"""What a refusal says would fit does fit: on any machine, whatever is asked of memory."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from numalocal.errors import SetsUnavailable
from numalocal.host.placement import Placement, place
from numalocal.host.shortages import shortages
from numalocal.idset import IdSet
from numalocal.machine.model import Limits, Machine, MemoryLimit
from numalocal.sets import capacity
from numalocal.sets.memoryask import MemoryPolicy, Overflow
from numalocal.sets.near import MemoryNodes
from numalocal.sets.partition import partition
from numalocal.sets.pools import PREFERENCES, Pool
from numalocal.sets.reach import Reach
from numalocal.worker.spec import Worker, parse_worker

from ..conftest import GIB
from ..sets.machines import tiered, tiered_machines

FITS = re.compile(r"; what fits is (?:(\d+) of \d+ ranks, or all with )?spec.memory.perRank: (\w+)")
NOTHING = "; nothing fits"
FARTHER = "spec.memory.onOverflow: Interleave"


def worker(**spec: Any) -> Worker:
    template = {"spec": {"containers": [{"name": "engine", "command": ["decode"]}]}}
    return parse_worker({"metadata": {"name": "llama"}, "spec": {"template": template, **spec}})


def tried(made: Worker, machine: Machine, pool: Pool) -> tuple[Sequence[Placement], str]:
    """Place a worker; gives what is short too, all in one."""
    cut = partition(machine, [pool])
    placements = place(made, machine, cut)
    return placements, "\n".join(shortages(made, machine, cut, placements))


def may_have(reach: Reach) -> tuple[IdSet, ...]:
    """Give the nodes that each rank may have memory of, as the check counts it."""
    if reach.policy is MemoryPolicy.PREFERRED:
        return (reach.mems,) * len(reach.rank_mems)
    return reach.rank_mems


def fewer(spec: dict[str, Any], ranks: int) -> list[dict[str, Any]]:
    """Give all ways to have so many ranks by lowering replicas, ranks or both."""
    ways = [(one, ranks // one) for one in range(1, ranks + 1) if ranks % one == 0]
    return [
        {**spec, "replicas": replicas, "ranks": each}
        for replicas, each in ways
        if replicas <= spec["replicas"] and each <= spec["ranks"]
    ]


@given(
    machine=tiered_machines(),
    memory=st.fixed_dictionaries(
        {
            "policy": st.sampled_from(MemoryPolicy).map(str),
            "nodes": st.sampled_from(MemoryNodes).map(str),
            "onOverflow": st.sampled_from(Overflow).map(str),
            "perRank": st.integers(512, 40 * 1024).map("{}Mi".format),
        },
    ),
    replicas=st.integers(1, 3),
    ranks=st.integers(1, 3),
    pool=st.sampled_from(PREFERENCES),
    limit_gib=st.none() | st.integers(0, 40),
)
def test_what_a_refusal_says_would_fit_does(
    *,
    machine: Machine,
    memory: dict[str, str],
    replicas: int,
    ranks: int,
    pool: Any,
    limit_gib: int | None,
) -> None:
    if limit_gib is not None:
        limit = MemoryLimit("/sys/fs/cgroup/memory.max", 64 * GIB, limit_gib * GIB)
        machine = machine._replace(limits=Limits(memory=limit))
    rule = Pool(name="cpuset", size=1, reserve=0, placement=pool)
    spec = {"replicas": replicas, "ranks": ranks, "memory": memory}
    made = worker(**spec)
    try:
        placements, short = tried(made, machine, rule)
    except SetsUnavailable:
        assume(False)  # noqa: FBT003 - hypothesis's own way
        return
    if not short:
        usable = capacity.usable_bytes(machine)
        ranks_on = Counter(nodes for one in placements for nodes in may_have(one.reach))
        assert not capacity.overdrawn(ranks_on, usable, made.memory_per_rank_bytes or 0)
        return

    if NOTHING in short:
        least = worker(**{**spec, "memory": {**memory, "perRank": "1Mi"}})
        assert tried(least, machine, rule)[1]
        return
    told = FITS.search(short)
    assert told is not None
    lowered = worker(**{**spec, "memory": {**memory, "perRank": told[2]}})
    assert (lowered.memory_per_rank_bytes or 0) < (made.memory_per_rank_bytes or 0)
    assert not tried(lowered, machine, rule)[1]
    if told[1] and (ways := fewer(spec, int(told[1]))):
        assert not all(tried(worker(**one), machine, rule)[1] for one in ways)
    if FARTHER in short:
        wider = replace(made, memory=replace(made.memory, on_overflow=Overflow.INTERLEAVE))
        assert "of the memory limit" in (left := tried(wider, machine, rule)[1]) or not left


TIERED = tiered(cpu_nodes=2, sizes=[8, 8, 64], far={(0, 1): 12, (0, 2): 24, (1, 2): 24})
POOL = Pool(name="cpuset", size=1, reserve=0)


@pytest.mark.parametrize("replicas", [1, 2])
def test_replicas_that_overflow_get_farther_nodes_until_all_of_them_fit(replicas: int) -> None:
    memory = {"perRank": "9Gi", "onOverflow": "Interleave"}

    placements, short = tried(worker(replicas=replicas, memory=memory), TIERED, POOL)

    assert short == ""
    assert [str(one.reach.mems) for one in placements] == ["0-1"] if replicas == 1 else ["0-2"] * 2


@pytest.mark.parametrize("gib", [20, 60])
def test_ranks_of_one_container_that_prefer_their_own_nodes_may_fill_those_of_the_others(
    gib: int,
) -> None:
    """No policy is set where all nodes are preferred for some rank: each may have of all."""
    machine = tiered(cpu_nodes=2, sizes=[8, 64], far={})
    memory = {"perRank": f"{gib}Gi", "policy": "Preferred"}

    (one,), short = tried(worker(ranks=2, memory=memory), machine, POOL)

    assert one.reach.policy is MemoryPolicy.BIND
    assert one.environment["NUMALOCAL_RANK_MEMS"] == "0-1|0-1"
    assert bool(short) == (gib * 2 > 72)
