"""Which sets are offered, and why not the others: unhealthy only where it should be."""

from dataclasses import replace

import pytest

from numalocal.idset import IdSet
from numalocal.sets.assignment import Assignment
from numalocal.sets.pools import Pool, Preference
from numalocal_deviceplugin.kubelet.offers import offers
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.pods import CONFIG_SOURCE
from numalocal_deviceplugin.refusals import Reason, Refusal
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State

from ..nodes import N0, N1, make_container, make_machine, make_partition, make_pod, make_state

FIRST = make_partition().sets[0]


def refused(state: State) -> dict[str, Reason | None]:
    return {
        one.set.id: None if one.refusal is None else one.refusal.reason
        for one in offers("cpuset", state.snapshot())
    }


def hold_first(state: State) -> Ledger:
    """Let a pod hold the first set; the ledger from before is given back."""
    before = state.snapshot().node.ledger
    pod = make_pod()
    container = make_container(assignment=Assignment.of([FIRST]).to_json())
    state.admit(pod, container, Assignment.of([FIRST]))
    state.created(pod, container)
    return before


def test_every_set_is_offered_where_nothing_is_refused(state: State) -> None:
    assert refused(state) == {N0: None, N1: None}


@pytest.mark.parametrize(
    ("online", "of_first"),
    [
        pytest.param("0-2,4-7", None, id="one thread offline"),
        pytest.param("0,2,4,6", None, id="every second thread"),
        pytest.param("0-1,4-7", Reason.SET_OFFLINE, id="a whole core"),
    ],
)
def test_a_set_is_offered_while_its_cores_have_an_online_cpu(
    state: State, online: str, of_first: Reason | None
) -> None:
    state.set_machine(state.snapshot().node.machine.with_online(IdSet.parse(online)))

    assert refused(state) == {N0: of_first, N1: None}


def test_a_set_that_a_pod_holds_rightfully_is_offered(state: State) -> None:
    hold_first(state)

    state.set_listing({("default", "llama-0"): frozenset({N0})}, state.snapshot().node.ledger)

    assert refused(state) == {N0: None, N1: None}


def test_a_set_that_a_pod_holds_without_the_kubelet_knowing_is_not_offered(state: State) -> None:
    hold_first(state)

    state.set_listing({}, state.snapshot().node.ledger)

    assert refused(state) == {N0: Reason.SET_CONTESTED, N1: None}


def test_a_kubelet_that_starts_again_makes_no_set_unhealthy_before_it_knows_its_pods(
    state: State,
) -> None:
    agent = replace(make_pod("agent"), annotations={CONFIG_SOURCE: "api"})
    state.created(agent, make_container("agent"))
    hold_first(state)
    held = {("default", "llama-0"): frozenset({N0}), ("default", "agent"): frozenset[str]()}
    state.set_listing(held, state.snapshot().node.ledger)

    state.set_listing({}, state.snapshot().node.ledger)
    assert refused(state) == {N0: None, N1: None}

    state.set_listing({("default", "agent"): frozenset()}, state.snapshot().node.ledger)
    assert refused(state) == {N0: Reason.SET_CONTESTED, N1: None}


def test_no_set_is_given_out_while_nothing_could_be_bound() -> None:
    state = make_state(synchronized=False)

    assert refused(state) == {N0: Reason.RUNTIME_AWAY, N1: Reason.RUNTIME_AWAY}


@pytest.mark.parametrize("policy", [Policy.UNKNOWN, Policy.STATIC])
def test_nothing_is_listed_where_the_kubelet_pins_or_may(policy: Policy) -> None:
    assert refused(make_state(policy=policy)) == {}


def test_what_is_refused_of_another_pool_is_nothing_to_this_one(state: State) -> None:
    state.refuse("other", [Refusal(reason=Reason.POOL_UNMET, message="none", subject="big")])

    assert refused(state) == {N0: None, N1: None}


def test_a_pool_that_is_not_registered_yet_offers_what_it_has(state: State) -> None:
    """The kubelet reads the first list before it has answered the registration."""
    state.refuse("x", [Refusal(reason=Reason.NOT_REGISTERED, message="not yet", subject="cpuset")])

    assert refused(state) == {N0: None, N1: None}


@pytest.mark.parametrize(("placement", "hinted"), [("Spread", False), ("Pack", True)])
def test_only_a_pool_that_packs_tells_where_its_sets_are(
    placement: Preference, *, hinted: bool
) -> None:
    """The kubelet's topology manager would put the ranks of one that spreads on one node."""
    pool = Pool(name="cpuset", placement=placement)
    state = State(make_machine(), make_partition([pool]))
    state.set_policy(Policy.NONE)

    found = offers("cpuset", state.snapshot())

    assert [one.numa_node for one in found] == ([0, 1] if hinted else [None, None])
