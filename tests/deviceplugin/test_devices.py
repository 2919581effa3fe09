import pytest

from numalocal.idset import IdSet
from numalocal_deviceplugin.devices import Conditions, Device, devices

from .nodes import N0, N1, make_partition

SETS = make_partition().sets


def conditions(
    *, online: str = "0-7", held: str = "", bindable: bool = True, pinning: bool = False
) -> Conditions:
    return Conditions(
        online=IdSet.parse(online),
        held=IdSet.parse(held),
        bindable=bindable,
        pinning_kubelet=pinning,
    )


def healthy(now: Conditions) -> dict[str, bool]:
    return {device.id: device.healthy for device in devices(SETS, now)}


def test_every_set_is_a_device_with_its_numa_node() -> None:
    assert devices(SETS, conditions()) == (
        Device(id=N0, numa_node=0, healthy=True),
        Device(id=N1, numa_node=1, healthy=True),
    )


@pytest.mark.parametrize("online", ["0-2,4-7", "0-1,4-7"], ids=["one thread", "whole core"])
def test_a_set_with_an_offline_cpu_stays_listed_but_unhealthy(online: str) -> None:
    assert healthy(conditions(online=online)) == {N0: False, N1: True}


def test_a_set_whose_cpus_another_configurations_container_holds_is_unhealthy() -> None:
    assert healthy(conditions(held="5-6")) == {N0: True, N1: False}


def test_no_set_is_healthy_while_nothing_could_be_bound() -> None:
    assert healthy(conditions(bindable=False)) == {N0: False, N1: False}


def test_a_node_whose_kubelet_pins_has_no_devices() -> None:
    assert devices(SETS, conditions(pinning=True)) == ()
