import threading

import pytest

from numalocal.errors import PoolUnmet
from numalocal.idset import IdSet
from numalocal_deviceplugin.state import Availability

from .nodes import N0, N1, make_availability


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def healthy(availability: Availability) -> dict[str, bool]:
    listed = availability.devices(availability.partition.sets)
    return {device.id: device.healthy for device in listed}


def test_no_set_is_given_out_before_the_runtime_is_synchronized() -> None:
    availability = make_availability(bindable=False)
    assert healthy(availability) == {N0: False, N1: False}

    availability.runtime_synchronized()

    assert healthy(availability) == {N0: True, N1: True}


def test_a_restart_of_the_runtime_is_waited_out_but_not_its_absence() -> None:
    clock = Clock()
    availability = make_availability(clock=clock)

    availability.runtime_lost()
    clock.now_s += 29.9
    assert all(healthy(availability).values())

    clock.now_s += 0.1
    assert not any(healthy(availability).values())


def test_the_grace_is_not_renewed_by_failed_tries() -> None:
    clock = Clock()
    availability = make_availability(clock=clock)

    for _ in range(4):
        availability.runtime_lost()
        clock.now_s += 10

    assert not any(healthy(availability).values())


def test_there_is_no_grace_before_the_first_synchronization() -> None:
    availability = make_availability(bindable=False)

    availability.runtime_lost()

    assert not any(healthy(availability).values())


def test_an_offline_cpu_makes_its_set_unhealthy_and_back() -> None:
    availability = make_availability()

    availability.set_online(IdSet.parse("0-1,4-7"))
    assert healthy(availability) == {N0: False, N1: True}
    assert str(availability.node().machine.online) == "0-1,4-7"

    availability.set_online(IdSet.parse("0-7"))
    assert healthy(availability) == {N0: True, N1: True}


def test_a_set_gives_what_is_online_of_it_under_the_same_name() -> None:
    availability = make_availability()

    availability.set_online(IdSet.parse("0-2,4-7,64"))

    assert healthy(availability) == {N0: True, N1: True}
    assert [str(one.cpus) for one in availability.partition.sets] == ["2", "6-7"]
    assert [str(one.cpus) for one in availability.node().partition.sets] == ["2", "6-7"]


def test_what_cuts_nothing_leaves_the_sets_as_they_were() -> None:
    availability = make_availability()

    with pytest.raises(PoolUnmet):
        availability.set_online(IdSet.parse("64"))

    assert healthy(availability) == {N0: True, N1: True}
    assert str(availability.machine.online) == "0-7"


def test_held_cpus_reach_the_node_and_the_devices() -> None:
    availability = make_availability()

    availability.set_held(IdSet.parse("3"))

    assert str(availability.node().held) == "3"
    assert healthy(availability) == {N0: False, N1: True}


def test_a_pinning_kubelet_gets_no_devices() -> None:
    availability = make_availability()

    availability.set_pinning_kubelet(pinning=True)

    assert healthy(availability) == {}


def test_every_change_wakes_who_waits() -> None:
    availability = make_availability()
    changes = [
        lambda: availability.set_online(IdSet.parse("0")),
        lambda: availability.set_held(IdSet.parse("0")),
        lambda: availability.set_pinning_kubelet(pinning=True),
        availability.runtime_lost,
        availability.runtime_synchronized,
        availability.wake,
    ]
    for change in changes:
        woken = threading.Event()
        version = availability.version

        def waiter(seen: int = version, done: threading.Event = woken) -> None:
            availability.wait(seen, 5)
            done.set()

        thread = threading.Thread(target=waiter)
        thread.start()
        change()

        assert woken.wait(2)
        thread.join()


def test_a_change_before_the_wait_is_not_slept_through() -> None:
    availability = make_availability()
    version = availability.version
    availability.wake()

    availability.wait(version, 60)
