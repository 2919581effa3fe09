import pytest

from numalocal.idset import IdSet
from numalocal_deviceplugin.kubelet.offers import Conditions, Device, devices

from ..nodes import N0, N1, make_node, make_partition

SETS = make_partition().sets


def conditions(*, held: str = "", bindable: bool = True, pinning: bool = False) -> Conditions:
    return Conditions(
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


@pytest.mark.parametrize(
    ("online", "holds"),
    [
        pytest.param("0-2,4-7", True, id="one thread offline"),
        pytest.param("0,2,4,6", True, id="every second thread"),
        pytest.param("0-1,4-7", False, id="a whole core"),
        pytest.param("2-7", False, id="the core that is reserved"),
    ],
)
def test_a_set_is_healthy_while_its_cores_have_an_online_cpu(online: str, *, holds: bool) -> None:
    sets = make_node(online=online).partition.sets

    listed = devices(sets, conditions())

    assert {device.id: device.healthy for device in listed} == {N0: holds, N1: True}


def test_a_set_whose_cpus_another_configurations_container_holds_is_unhealthy() -> None:
    assert healthy(conditions(held="5-6")) == {N0: True, N1: False}


def test_no_set_is_healthy_while_nothing_could_be_bound() -> None:
    assert healthy(conditions(bindable=False)) == {N0: False, N1: False}


def test_a_node_whose_kubelet_pins_has_no_devices() -> None:
    assert devices(SETS, conditions(pinning=True)) == ()
