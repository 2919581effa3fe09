from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from numalocal_deviceplugin.errors import DevicesUnknown, KubeletSilent
from numalocal_deviceplugin.kubelet.podresources import PodResources

from ..fake_kubelet import FakePodResources
from ..nodes import N0, N1
from ..waiting import PATIENCE_S

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
        assert resources.devices_of("default", "llama-0", PATIENCE_S) == [N1, N0, "big-n0-c8x8"]


def test_a_pod_without_our_resources_has_no_devices(path: Path) -> None:
    with FakePodResources(path, {"default/web": []}), PodResources(path) as resources:
        assert resources.devices_of("default", "web", PATIENCE_S) == []


def test_the_list_is_of_our_devices_by_pod(path: Path) -> None:
    pods = {**POD, "default/web": [("web", "nvidia.com/gpu", ["GPU-2"])]}
    with FakePodResources(path, pods), PodResources(path) as resources:
        assert resources.listing(PATIENCE_S) == {
            ("default", "llama-0"): frozenset({N1, N0, "big-n0-c8x8"}),
            ("default", "web"): frozenset(),
        }


def test_an_unknown_pod_is_told_apart_from_a_silent_kubelet(path: Path) -> None:
    with (
        FakePodResources(path) as kubelet,
        PodResources(path) as resources,
        pytest.raises(DevicesUnknown) as caught,
    ):
        resources.devices_of("default", "nosuch", PATIENCE_S)

    assert str(caught.value) == (
        "pod default/nosuch: its CPU sets are not known: the kubelet lists no such pod"
    )
    assert kubelet.asked == ["default/nosuch", ""]


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
        with pytest.raises(KubeletSilent, match="pins CPUs itself is not known"):
            resources.pins_cpus(0.05)


def test_a_kubelet_that_restarts_is_found_again_on_the_same_channel(path: Path) -> None:
    with PodResources(path) as resources:
        with FakePodResources(path, POD):
            assert resources.devices_of("default", "llama-0", PATIENCE_S)
        with FakePodResources(path, {"default/llama-0": []}):
            assert resources.devices_of("default", "llama-0", PATIENCE_S) == []


GET_IS_OFF = [
    pytest.param(
        grpc.StatusCode.UNKNOWN,
        "PodResources API Get method disabled",
        id="1.27 to 1.33",
    ),
    pytest.param(
        grpc.StatusCode.UNIMPLEMENTED,
        "unknown method Get for service v1.PodResourcesLister",
        id="before 1.27",
    ),
]


@pytest.mark.parametrize(("code", "said"), GET_IS_OFF)
def test_a_kubelet_that_cannot_get_one_pod_lists_it_from_then_on(
    path: Path, code: grpc.StatusCode, said: str
) -> None:
    with FakePodResources(path, POD) as kubelet, PodResources(path) as resources:
        kubelet.refused = {"Get": (code, said)}

        assert resources.devices_of("default", "llama-0", PATIENCE_S) == [N1, N0, "big-n0-c8x8"]
        assert resources.devices_of("default", "llama-0", PATIENCE_S) == [N1, N0, "big-n0-c8x8"]
        with pytest.raises(DevicesUnknown, match="the kubelet lists no such pod"):
            resources.devices_of("default", "nosuch", PATIENCE_S)
        assert kubelet.asked == ["default/llama-0", "", "", ""]

        resources.kubelet_is_new()
        resources.devices_of("default", "llama-0", PATIENCE_S)
        assert kubelet.asked[4:] == ["default/llama-0", ""]


def test_a_pod_that_the_list_names_twice_has_the_devices_of_both(path: Path) -> None:
    """A pod that was made again has its predecessor's name, and may be listed beside it."""
    with FakePodResources(path, POD) as kubelet, PodResources(path) as resources:
        kubelet.refused = {"Get": (grpc.StatusCode.UNKNOWN, "off")}
        kubelet.twice = True

        assert resources.devices_of("default", "llama-0", PATIENCE_S) == [N1, N0, "big-n0-c8x8"] * 2
        assert resources.listing(PATIENCE_S) == {("default", "llama-0"): {N1, N0, "big-n0-c8x8"}}


@pytest.mark.parametrize("method", ["Get", "List", "GetAllocatableResources"])
def test_a_kubelet_that_is_asked_too_often_is_silent_not_ignorant(path: Path, method: str) -> None:
    said = (grpc.StatusCode.RESOURCE_EXHAUSTED, "rejected by rate limit")
    asks: dict[str, Callable[[PodResources], object]] = {
        "Get": lambda resources: resources.devices_of("default", "llama-0", PATIENCE_S),
        "List": lambda resources: resources.listing(PATIENCE_S),
        "GetAllocatableResources": lambda resources: resources.pins_cpus(PATIENCE_S),
    }
    with FakePodResources(path, POD) as kubelet, PodResources(path) as resources:
        kubelet.refused = {method: said}
        with pytest.raises(KubeletSilent, match=r"'rejected by rate limit', RESOURCE_EXHAUSTED"):
            asks[method](resources)
        kubelet.refused = {}
        kubelet.asked.clear()

        resources.devices_of("default", "llama-0", PATIENCE_S)
        assert kubelet.asked == ["default/llama-0"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (grpc.StatusCode.UNKNOWN, "Pod Resources API GetAllocatableResources disabled"),
        (grpc.StatusCode.UNIMPLEMENTED, "unknown method GetAllocatableResources"),
    ],
)
def test_a_kubelet_that_cannot_tell_its_policy_is_told_apart_by_what_to_do(
    path: Path, code: grpc.StatusCode, said: str
) -> None:
    with FakePodResources(path) as kubelet, PodResources(path) as resources:
        kubelet.refused = {"GetAllocatableResources": (code, said)}

        with pytest.raises(KubeletSilent) as caught:
            resources.pins_cpus(PATIENCE_S)

    assert str(caught.value) == (
        "whether the kubelet pins CPUs itself is not known, so no CPU set is given out and no "
        f"container is adjusted: its PodResources API answers '{said}', {code.name}; "
        "GetAllocatableResources is there from Kubernetes 1.23 on, unless the kubelet's feature "
        "gate KubeletPodResourcesGetAllocatable is off"
    )


def test_what_the_kubelet_says_is_clipped(path: Path) -> None:
    with FakePodResources(path) as kubelet, PodResources(path) as resources:
        kubelet.refused = {"List": (grpc.StatusCode.INTERNAL, "x\x1b" * 2000)}

        with pytest.raises(KubeletSilent) as caught:
            resources.listing(PATIENCE_S)

    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_a_long_list_is_read_whole(path: Path) -> None:
    """4 MiB are what gRPC takes unasked."""
    pods = {f"default/pod-{one}": [("c", "other.io/x", ["d" * 60] * 400)] for one in range(250)}
    with FakePodResources(path, {**pods, **POD}), PodResources(path) as resources:
        listed = resources.listing(PATIENCE_S)

    assert len(listed) == 251
    assert [pod for pod, ids in listed.items() if ids] == [("default", "llama-0")]


@pytest.mark.parametrize("cpu_ids", [(), (3, 1, 2), (-1,), (1 << 62,)])
def test_cpus_that_it_may_give_away_tell_that_the_kubelet_pins(
    path: Path, cpu_ids: tuple[int, ...]
) -> None:
    with FakePodResources(path, cpu_ids=cpu_ids), PodResources(path) as resources:
        assert resources.pins_cpus(PATIENCE_S) is bool(cpu_ids)
