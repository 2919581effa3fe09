import pytest

from numalocal.idset import IdSet
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool
from numalocal.sets.setstate import SetState, state, why_not

from ..conftest import MachineMaker


@pytest.mark.parametrize(
    ("offline", "allowed", "nodes", "expected", "why"),
    [
        pytest.param("", "0-7", "0-1", SetState.FREE, "", id="free"),
        pytest.param("6", "0-5,7", "0-1", SetState.FREE, "", id="one thread online"),
        pytest.param("6-7", "0-5", "0-1", SetState.OFFLINE, "CPU 6-7 is offline", id="a core off"),
        pytest.param(
            "4-5",
            "0-3,6-7",
            "0-1",
            SetState.OFFLINE,
            "CPU 6-7 stays shared for one that is offline",
            id="the reserved core off",
        ),
        pytest.param(
            "",
            "0-6",
            "0-1",
            SetState.NOT_ALLOWED,
            "CPU 7 is not allowed",
            id="a CPU taken meanwhile",
        ),
        pytest.param(
            "",
            "0-7",
            "0",
            SetState.NOT_ALLOWED,
            "memory of node 1 is not allowed",
            id="its memory not allowed",
        ),
    ],
)
def test_a_set_is_free_or_there_is_a_reason(  # noqa: PLR0917
    machine: MachineMaker, offline: str, allowed: str, nodes: str, expected: SetState, why: str
) -> None:
    made = machine().with_online(IdSet.of(range(8)) - IdSet.parse(offline))
    made = made._replace(allowed_nodes=IdSet.parse(nodes))
    one = partition(made, [Pool(name="cpuset", size=1)]).sets[1]
    later = made._replace(allowed=IdSet.parse(allowed))

    assert state(one, later) is expected
    assert why_not(one, later) == why
    assert state(one, later, {one.id}) is SetState.USED
