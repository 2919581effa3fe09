from dataclasses import replace

import pytest

from numalocal.idset import IdSet
from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.abilities import Told
from numalocal_deviceplugin.deviceids import sets_named
from numalocal_deviceplugin.facts import Facts, Phase, RequiredPlugins, Runtime, binds, node_of
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.refusals import Reason, Refusal
from numalocal_deviceplugin.settings import Idle, Settings

from .nodes import N0, make_container, make_machine, make_partition, make_pod

FIRST = Assignment.of(sets_named(make_partition().sets, [N0]))
HELD = Ledger().claim(make_pod(), make_container(), FIRST)
FACTS = Facts(machine=make_machine(), partition=make_partition())
READY = Runtime(
    phase=Phase.SYNCHRONIZED,
    told=Told("containerd", "2.4.2"),
    required_plugins=RequiredPlugins.ENFORCED,
)
SETTINGS = Settings(grace_s=30.0)


class TestARuntimeThatIsLost:
    def test_is_known_but_may_have_another_configuration(self) -> None:
        assert READY.lost(5.0) == Runtime(
            phase=Phase.LOST,
            lost_at_s=5.0,
            told=READY.told,
            required_plugins=RequiredPlugins.UNKNOWN,
        )

    def test_gets_no_new_grace_by_failed_tries(self) -> None:
        assert READY.lost(5.0).lost(15.0) == READY.lost(5.0)

    def test_before_it_was_taken_for_there_has_no_grace(self) -> None:
        came = replace(READY, phase=Phase.NEVER_SEEN)

        assert came.lost(5.0) == Runtime(told=READY.told)


@pytest.mark.parametrize(
    ("runtime", "now_s", "bound"),
    [
        pytest.param(Runtime(), 0.0, False, id="never seen"),
        pytest.param(READY, 1e9, True, id="there"),
        pytest.param(READY.lost(5.0), 34.9, True, id="in its grace"),
        pytest.param(READY.lost(5.0), 35.0, False, id="after its grace"),
        pytest.param(Runtime().lost(5.0), 5.0, False, id="lost before it was there"),
    ],
)
def test_a_container_is_bound_while_the_runtime_is_there_or_starts_anew(
    runtime: Runtime, now_s: float, *, bound: bool
) -> None:
    assert binds(runtime, SETTINGS, now_s) is bound


@pytest.mark.parametrize(
    ("idle", "lent"), [(Idle.SHARED, "7"), (Idle.EXCLUSIVE, "")], ids=["shared", "exclusive"]
)
def test_lent_is_what_is_neither_shared_nor_held_nor_resting(idle: Idle, lent: str) -> None:
    facts = replace(FACTS, ledger=HELD, resting={9: IdSet.parse("6")})

    assert str(node_of(facts, Settings(idle=idle)).lent) == lent


def test_a_node_is_barred_by_what_it_is_told() -> None:
    barred = Refusal(reason=Reason.SECOND_AGENT, message="no")

    assert node_of(FACTS, SETTINGS).barred is None
    assert node_of(FACTS, SETTINGS, barred).barred is barred
