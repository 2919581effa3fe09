from pathlib import Path

import pytest

from numalocal.idset import IdSet
from numalocal_deviceplugin.errors import DevicesUnknown, KubeletSilent
from numalocal_deviceplugin.kubelet.podresources import PodResources

from ..fake_kubelet import FakePodResources
from ..nodes import N0, N1

POD = {
    "default/llama-0": [
        ("engine", "numalocal.io/cpuset", [N1, N0]),
        ("engine", "nvidia.com/gpu", ["GPU-1"]),
        ("second", "numalocal.io/big", ["big-n0-c8x8"]),
    ]
}


@pytest.fixture
def path(run_dir: Path) -> Path:
    return run_dir / "kubelet.sock"


def test_a_pods_devices_are_those_of_our_resources_in_all_its_containers(path: Path) -> None:
    with FakePodResources(path, POD), PodResources(path) as resources:
        assert resources.devices_of("default", "llama-0", 1) == [N1, N0, "big-n0-c8x8"]


def test_a_pod_without_our_resources_has_no_devices(path: Path) -> None:
    with FakePodResources(path, {"default/web": []}), PodResources(path) as resources:
        assert resources.devices_of("default", "web", 1) == []


def test_the_list_is_of_our_devices_by_pod(path: Path) -> None:
    pods = {**POD, "default/web": [("web", "nvidia.com/gpu", ["GPU-2"])]}
    with FakePodResources(path, pods), PodResources(path) as resources:
        assert resources.listing(1) == {
            ("default", "llama-0"): frozenset({N1, N0, "big-n0-c8x8"}),
        }


def test_an_unknown_pod_is_told_apart_from_a_silent_kubelet(path: Path) -> None:
    with (
        FakePodResources(path) as kubelet,
        PodResources(path) as resources,
        pytest.raises(DevicesUnknown) as caught,
    ):
        resources.devices_of("default", "nosuch", 1)

    assert str(caught.value) == (
        "pod default/nosuch: its CPU sets are not known: the kubelet says "
        "'pod nosuch in namespace default not found' (UNKNOWN)"
    )
    assert kubelet.asked == ["default/nosuch"]


def test_a_kubelet_that_is_too_slow_is_silent(path: Path) -> None:
    with FakePodResources(path, POD) as kubelet, PodResources(path) as resources:
        kubelet.hold.clear()

        with pytest.raises(KubeletSilent, match=r"gave no answer within 0\.05 s"):
            resources.devices_of("default", "llama-0", 0.05)


def test_an_absent_kubelet_is_silent(path: Path) -> None:
    with PodResources(path) as resources:
        with pytest.raises(KubeletSilent):
            resources.devices_of("default", "llama-0", 0.05)
        with pytest.raises(KubeletSilent, match="does not list the pods' devices"):
            resources.listing(0.05)
        with pytest.raises(KubeletSilent, match="does not tell what it allocates"):
            resources.exclusive_cpus(0.05)


def test_a_kubelet_that_restarts_is_found_again_on_the_same_channel(path: Path) -> None:
    with PodResources(path) as resources:
        with FakePodResources(path, POD):
            assert resources.devices_of("default", "llama-0", 1)
        with FakePodResources(path, {"default/llama-0": []}):
            assert resources.devices_of("default", "llama-0", 2) == []


@pytest.mark.parametrize(("cpu_ids", "listed"), [((), ""), ((3, 1, 2), "1-3")])
def test_exclusive_cpus_tell_whether_the_kubelet_pins(
    path: Path, cpu_ids: tuple[int, ...], listed: str
) -> None:
    with FakePodResources(path, cpu_ids=cpu_ids), PodResources(path) as resources:
        assert resources.exclusive_cpus(1) == IdSet.parse(listed)
