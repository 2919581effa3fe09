"""Which kubelet there is, and that each answers for itself alone."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from numalocal_deviceplugin.kubelet.podresources import PodResources
from numalocal_deviceplugin.kubelet.presence import Kubelet, Timing, identity, listens
from numalocal_deviceplugin.refusals import Reason
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State

from ..descriptors import no_descriptors
from ..fake_kubelet import FakeKubelet, FakePodResources
from ..nodes import make_state
from ..waiting import PATIENCE_S, until

QUICK = Timing(rest_s=0.005, answer_s=PATIENCE_S, retry_first_s=0.01, retry_ceiling_s=0.02)
IMPATIENT = replace(QUICK, answer_s=0.2)


@pytest.fixture
def state() -> State:
    return make_state(policy=Policy.UNKNOWN)


@pytest.fixture
def pods(run_dir: Path) -> Iterator[FakePodResources]:
    with FakePodResources(run_dir / "pods.sock") as serving:
        yield serving


@pytest.fixture
def kubelet(run_dir: Path, state: State) -> Iterator[Kubelet]:
    """Who asks the kubelet of a directory that has none yet."""
    (run_dir / "d").mkdir()
    with PodResources(run_dir / "pods.sock") as resources:
        yield Kubelet(run_dir / "d", state, resources, QUICK)


def policy(state: State) -> Policy:
    return state.snapshot().facts.policy


def unknown(state: State) -> str:
    """Give why the policy is not known; it is said once."""
    return "|".join(
        one.message for one in state.snapshot().refusals if one.reason is Reason.POLICY_UNKNOWN
    )


@pytest.mark.parametrize(("cpu_ids", "told"), [([], Policy.NONE), ([1, 2], Policy.STATIC)])
def test_a_kubelet_tells_whether_it_pins(
    kubelet: Kubelet, pods: FakePodResources, state: State, cpu_ids: list[int], told: Policy
) -> None:
    pods.cpu_ids = cpu_ids
    with FakeKubelet(kubelet.socket.parent):
        assert kubelet.ask()

    assert policy(state) is told
    assert not unknown(state)


def test_what_it_told_once_is_not_asked_again(
    kubelet: Kubelet, pods: FakePodResources, state: State
) -> None:
    with FakeKubelet(kubelet.socket.parent):
        kubelet.ask()
        pods.cpu_ids = [1]

        assert kubelet.ask()

    assert policy(state) is Policy.NONE


def test_another_kubelet_makes_the_policy_unknown_at_once(
    kubelet: Kubelet, pods: FakePodResources, state: State
) -> None:
    with FakeKubelet(kubelet.socket.parent):
        kubelet.ask()
    with FakeKubelet(kubelet.socket.parent):
        kubelet.look()
        assert policy(state) is Policy.UNKNOWN
        pods.cpu_ids = [1]

        assert kubelet.ask()

    assert policy(state) is Policy.STATIC


def test_a_kubelet_that_went_away_pins_as_it_did(
    kubelet: Kubelet, pods: FakePodResources, state: State
) -> None:
    with FakeKubelet(kubelet.socket.parent):
        kubelet.ask()
    kubelet.socket.unlink(missing_ok=True)

    assert kubelet.look() is None
    assert kubelet.ask()
    assert policy(state) is Policy.NONE


def test_no_answer_counts_before_the_kubelet_listens(
    kubelet: Kubelet, pods: FakePodResources, state: State
) -> None:
    """A kubelet with the static policy answers as if it did not pin while it starts."""
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(kubelet.socket))

    assert not kubelet.ask()

    assert policy(state) is Policy.UNKNOWN
    assert unknown(state) == (
        f"the kubelet does not listen at {kubelet.socket}, so whether it pins CPUs itself is not "
        "known, no CPU set is given out and no container is adjusted; it is asked as soon as it is "
        "there"
    )
    assert pods.asked == []


def test_the_answer_of_a_kubelet_that_was_replaced_meanwhile_does_not_count(
    kubelet: Kubelet, pods: FakePodResources, state: State
) -> None:
    with FakeKubelet(kubelet.socket.parent):
        pods.on_allocatable = lambda: os.utime(kubelet.socket)

        assert not kubelet.ask()
        assert policy(state) is Policy.UNKNOWN
        pods.on_allocatable = lambda: None

        assert kubelet.ask()


def test_a_silent_kubelet_is_asked_again_until_it_tells(
    run_dir: Path, pods: FakePodResources, state: State
) -> None:
    pods.hold.clear()
    stop = threading.Event()
    with PodResources(run_dir / "pods.sock") as resources, FakeKubelet(run_dir):
        kubelet = Kubelet(run_dir, state, resources, IMPATIENT)
        thread = threading.Thread(target=kubelet.run, args=(stop,), daemon=True)
        thread.start()
        until(lambda: "DEADLINE_EXCEEDED; it is asked again" in unknown(state), "said")

        pods.hold.set()

        until(lambda: policy(state) is Policy.NONE, "told")
        assert not unknown(state)
        stop.set()
        thread.join(PATIENCE_S)


def test_sockets_are_told_apart_by_inode_and_change_time(run_dir: Path) -> None:
    path = run_dir / "a.sock"
    assert identity(path) is None
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
        first = identity(path)
        assert first is not None
        assert identity(path) == first

        os.utime(path)

        later = identity(path)
        assert later is not None
        assert later.inode == first.inode
        assert later != first


def test_a_socket_of_a_process_that_ended_is_told_apart_from_one_that_listens(
    run_dir: Path,
) -> None:
    path = run_dir / "a.sock"
    assert not listens(path)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
        assert not listens(path)
        one.listen()
        assert listens(path)
    assert path.exists()
    assert not listens(path)


def test_who_waits_for_another_kubelet_is_woken_by_whoever_sees_it(
    kubelet: Kubelet, pods: FakePodResources
) -> None:
    with FakeKubelet(kubelet.socket.parent):
        first = kubelet.look()
        assert first is not None
        kubelet.wait_for_another(first, threading.Event(), 0.01)
        assert kubelet.look() == first
    woken = threading.Event()

    def wait() -> None:
        kubelet.wait_for_another(first, threading.Event(), 2 * PATIENCE_S)
        woken.set()

    threading.Thread(target=wait, daemon=True).start()
    with FakeKubelet(kubelet.socket.parent):
        kubelet.look()
        assert woken.wait(PATIENCE_S)


def test_a_kubelet_is_asked_again_that_could_not_be_for_want_of_descriptors(
    kubelet: Kubelet, pods: FakePodResources, state: State
) -> None:
    with FakeKubelet(kubelet.socket.parent):
        with no_descriptors():
            assert not kubelet.ask()
        assert unknown(state)

        assert kubelet.ask()

    assert policy(state) is Policy.NONE


def test_a_kubelet_that_has_hung_up_is_looked_for_often(
    run_dir: Path, state: State, pods: FakePodResources
) -> None:
    """At rest nobody looks: a kubelet that starts must not wait for the next time."""
    with PodResources(run_dir / "pods.sock") as resources:
        timing = replace(QUICK, rest_s=10 * PATIENCE_S, poll_s=0.005, expected_s=PATIENCE_S)
        kubelet = Kubelet(run_dir, state, resources, timing)
        with asking(kubelet):
            with FakeKubelet(run_dir):
                until(lambda: policy(state) is Policy.NONE, "told")
            kubelet.hung_up()
            pods.cpu_ids = [1]
            with FakeKubelet(run_dir):
                until(lambda: policy(state) is Policy.STATIC, "another kubelet told")


@contextmanager
def asking(kubelet: Kubelet) -> Iterator[None]:
    """Ask as a part of the agent, which ends as soon as it is told to."""
    stop = threading.Event()
    thread = threading.Thread(target=kubelet.run, args=(stop,), daemon=True)
    thread.start()
    yield
    stop.set()
    kubelet.wake()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
