import json
from pathlib import Path

import pytest

from numalocal.commands import sets
from numalocal.errors import PoolUnmet

from ..conftest import MachineMaker


def test_one_core_is_told_what_to_write(machine: MachineMaker, tmp_path: Path) -> None:
    made = machine(nodes=1, cores=1)

    with pytest.raises(PoolUnmet) as refused:
        sets.cut(made, None)

    assert str(refused.value).endswith(
        "; to use all, say `pools: [{name: cpuset, reserve: 0}]` in --pools"
    )
    pools = tmp_path / "pools.yaml"
    pools.write_text(str(refused.value).split("`")[1], encoding="utf-8")
    assert [str(one.cpus) for one in sets.cut(made, str(pools)).sets] == ["0-1"]


def test_where_no_reserve_helps_nothing_is_suggested(machine: MachineMaker) -> None:
    made = machine(nodes=1)
    made = made._replace(nodes=(made.nodes[0]._replace(memory_bytes=0),))

    with pytest.raises(PoolUnmet) as refused:
        sets.cut(made, None)

    assert "--pools" not in str(refused.value)


def test_a_machine_without_sets_is_described_all_the_same(
    machine: MachineMaker, tmp_path: Path
) -> None:
    told = sets.document(machine(nodes=1, cores=1), str(tmp_path), None)

    assert told["sets"] == []
    assert "reserve: 0" in json.dumps(told["no_sets"])


def test_pools_that_somebody_wrote_are_met_or_refused(
    machine: MachineMaker, tmp_path: Path
) -> None:
    pools = tmp_path / "pools.yaml"
    pools.write_text("pools: [{name: big, size: 9}]", encoding="utf-8")

    with pytest.raises(PoolUnmet, match="pool big: no NUMA node has 9 cores left"):
        sets.document(machine(), str(tmp_path), str(pools))
