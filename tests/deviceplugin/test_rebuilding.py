from dataclasses import replace

import pytest

from numalocal.idset import IdSet
from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.deviceids import sets_named
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.pods import Container, Pod
from numalocal_deviceplugin.rebuilding import rebuilt

from .nodes import N0, make_container, make_partition, make_pod

A, B = make_pod("a"), make_pod("b")
ENGINE = make_container()
FIRST = Assignment.of(sets_named(make_partition().sets, [N0]))
HELD = Ledger().claim(A, ENGINE, FIRST).created(A, ENGINE)


def test_a_list_with_two_sandboxes_of_a_pod_is_of_one_tenant_until_both_have_stopped() -> None:
    again = replace(A, id="second")
    ledger = rebuilt([A, again], [], Ledger()).listed("uid-of-a", FIRST)

    assert str(ledger.gone(A).held) == "2-3"
    assert ledger.gone(A).gone(again) == Ledger()


def test_a_list_is_taken_without_what_has_stopped() -> None:
    ended = make_container("ended", live=False)

    ledger = rebuilt([A, B], [(A, ENGINE), (A, ended)], Ledger())

    assert ledger.containers == [(A, ENGINE)]
    assert ledger.held == IdSet()
    assert set(ledger.tenants) == {"uid-of-a", "uid-of-b"}


@pytest.mark.parametrize(
    ("pod", "container", "held"),
    [
        pytest.param(A, ENGINE, "2-3", id="itself"),
        pytest.param(replace(A, id="second"), ENGINE, "2-3", id="in another sandbox"),
        pytest.param(A, ENGINE._replace(id="second"), "", id="another of its name"),
        pytest.param(A, ENGINE._replace(live=False), "", id="itself, ended"),
        pytest.param(B, ENGINE, "", id="its like in another pod"),
    ],
)
def test_of_a_list_what_claimed_before_goes_on_claiming(
    pod: Pod, container: Container, held: str
) -> None:
    assert str(rebuilt([pod], [(pod, container)], HELD).held) == held
