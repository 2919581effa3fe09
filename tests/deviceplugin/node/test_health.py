import pytest

from numalocal.sets.memoryask import Enforcement
from numalocal_deviceplugin.abilities import Told
from numalocal_deviceplugin.node.health import PATIENCE_S, livez, readyz
from numalocal_deviceplugin.refusals import Reason, Refusal
from numalocal_deviceplugin.settings import Settings
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State

from ..nodes import make_state


def lines(state: State, age_s: float = 0.0) -> tuple[int, list[str]]:
    response = readyz(state.snapshot(), age_s)
    return response.status, response.body.decode().splitlines()


def test_an_agent_whose_parts_are_all_heard_is_alive() -> None:
    assert livez([]) == (200, b"ok\n", "text/plain; charset=utf-8")


def test_parts_that_are_not_heard_are_named() -> None:
    response = livez(["nri: no sign of life for 70 s", "repair: no sign of life for 100 s"])

    assert response.status == 500
    assert response.body == b"nri: no sign of life for 70 s\nrepair: no sign of life for 100 s\n"


def test_an_agent_that_serves_is_ready(state: State) -> None:
    status, text = lines(state)

    assert status == 200
    assert text[:2] == ["ready", "container runtime: containerd 2.4.2, synchronized"]
    assert text[2].startswith("default validator: unknown")
    assert text[3:] == ["memory policies: Bind, Preferred, Interleave, WeightedInterleave"]


def test_what_the_node_cannot_do_with_memory_is_told(state: State) -> None:
    state.runtime_told(Told("containerd", "1.7.24"))

    assert "memory policies: Bind (Preferred, Interleave, WeightedInt" in lines(state)[1][3]


def test_a_best_effort_node_without_its_runtime_is_ready_at_once() -> None:
    state = make_state(synchronized=False, settings=Settings(enforcement=Enforcement.BEST_EFFORT))

    status, text = lines(state)

    assert status == 200
    assert text[-1].startswith("NotEnforced: the container runtime's NRI is not there")


@pytest.mark.parametrize(("enforced", "said"), [(True, "on: "), (False, "off: ")])
def test_whether_the_runtime_refuses_without_us_is_told_once_it_is_seen(
    state: State, *, enforced: bool, said: str
) -> None:
    state.runtime_validates(enforced)

    assert lines(state)[1][2].startswith(f"default validator: {said}")


@pytest.mark.parametrize(
    "state",
    [
        make_state(policy=Policy.UNKNOWN),
        make_state(synchronized=False),
        make_state(policy=Policy.UNKNOWN, synchronized=False),
    ],
    ids=["kubelet", "runtime", "both"],
)
def test_an_agent_that_has_not_heard_from_kubelet_or_runtime_is_not_ready_yet(
    state: State,
) -> None:
    status, text = lines(state, PATIENCE_S - 1)

    assert (status, text[0]) == (503, "not ready yet")
    assert lines(state, PATIENCE_S)[0] == 200


def test_a_pool_that_is_not_registered_yet_is_waited_for(state: State) -> None:
    state.refuse("pool", [Refusal(reason=Reason.NOT_REGISTERED, message="m", subject="cpuset")])

    assert lines(state)[0] == 503
    assert "NotRegistered cpuset: m" in lines(state)[1]


@pytest.mark.parametrize(
    "reason", [Reason.POLICY_STATIC, Reason.CGROUP_V1, Reason.POOL_UNMET, Reason.SECOND_AGENT]
)
def test_an_agent_that_refuses_the_node_for_good_is_ready_and_says_so(reason: Reason) -> None:
    """Else a rollout would wait for a node that is not to be served."""
    state = make_state(synchronized=False)
    state.refuse("test", [Refusal(reason=reason, message="a sentence")])

    status, text = lines(state)

    assert status == 200
    assert f"{reason}: a sentence" in text


def test_refusals_of_sets_and_containers_leave_the_agent_ready(state: State) -> None:
    state.refuse("test", [Refusal(reason=Reason.DRIFT, message="it drifts", subject="a/b/c")])

    status, text = lines(state)

    assert status == 200
    assert text[-1] == "Drift a/b/c: it drifts"


def test_each_refusal_is_one_line_whatever_it_quotes(state: State) -> None:
    message = "pod says\nReady: yes\x1b[31m é"
    state.refuse("test", [Refusal(reason=Reason.DRIFT, message=message)])

    assert lines(state)[1][-1] == r"Drift: pod says\nReady: yes\x1b[31m é"
