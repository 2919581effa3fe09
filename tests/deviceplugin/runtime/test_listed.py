from collections.abc import Sequence

import pytest

from numalocal_deviceplugin.errors import FrameInvalid
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.pods import Container, Pod
from numalocal_deviceplugin.runtime.listed import Listed
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

from ..nodes import make_container, make_pod

POD = nri.PodSandbox(
    id="p1",
    uid="u1",
    name="llama-0",
    namespace="default",
    annotations={"numalocal.io/engine": "openmp"},
)


def container(
    name: str, pod: str = "p1", /, state: nri.ContainerState = nri.CONTAINER_RUNNING, **labels: str
) -> nri.Container:
    named = {f"io.kubernetes.pod.{key}": value for key, value in labels.items()}
    return nri.Container(id=name, pod_sandbox_id=pod, name=name, state=state, labels=named)


def part(
    pods: Sequence[nri.PodSandbox] = (),
    containers: Sequence[nri.Container] = (),
    *,
    more: bool = False,
) -> bytes:
    return nri.SynchronizeRequest(pods=pods, containers=containers, more=more).SerializeToString()


def whole(*parts: bytes, before: Ledger | None = None) -> list[tuple[Pod, Container]]:
    """Give what lives by a list of such parts, after a look that it ends with the last of them."""
    listed = Listed()
    assert [listed.add(one) for one in parts] == [False] * (len(parts) - 1) + [True]
    pods, containers = listed.end(before or Ledger())
    assert all(pod in pods for pod, _ in containers)
    return [*containers]


def named(containers: Sequence[tuple[Pod, Container]]) -> list[tuple[str, str]]:
    return [(pod.name, one.name) for pod, one in containers]


def test_a_list_may_come_in_parts() -> None:
    web = nri.PodSandbox(id="p2", uid="u2", name="web-0")

    found = whole(
        part([POD], [container("engine")], more=True),
        part(more=True),
        part([web], [container("web", "p2")]),
    )

    assert named(found) == [("llama-0", "engine"), ("web-0", "web")]


def test_a_container_may_come_before_its_pod() -> None:
    found = whole(part(containers=[container("engine")], more=True), part([POD]))

    ((pod, _),) = found
    assert (pod.name, dict(pod.annotations)) == ("llama-0", dict(POD.annotations))


@pytest.mark.parametrize(
    "state", [nri.CONTAINER_CREATED, nri.CONTAINER_PAUSED, nri.CONTAINER_UNKNOWN]
)
def test_all_that_is_not_stopped_lives(state: nri.ContainerState) -> None:
    ended = container("ended", state=nri.CONTAINER_STOPPED)
    left = container("left", "unlisted", state=nri.CONTAINER_STOPPED)

    found = whole(part([POD], [ended, left, container("engine", state=state)]))

    assert named(found) == [("llama-0", "engine")]


def test_a_pod_without_containers_is_listed_all_the_same() -> None:
    listed = Listed()
    listed.add(part([POD]))

    pods, containers = listed.end(Ledger())

    assert ([one.name for one in pods], [*containers]) == (["llama-0"], [])


def test_a_pod_that_is_not_listed_is_what_its_container_says() -> None:
    lost = container("engine", "lost", namespace="ns", name="lost-0", uid="u9")

    ((pod, _),) = whole(part([POD], [lost]))

    assert (pod.id, pod.uid, pod.namespace, pod.name) == ("lost", "u9", "ns", "lost-0")


def test_a_pod_that_is_no_longer_listed_is_what_it_was() -> None:
    was = make_pod("llama-0", engine="openmp")
    before = Ledger().created(was, make_container())

    ((pod, _),) = whole(part(containers=[container("engine", was.id)]), before=before)

    assert pod == was


def test_what_is_listed_counts_more_than_what_was_known() -> None:
    before = Ledger().created(
        Pod(id="p1", uid="u1", namespace="default", name="old", annotations={}), make_container()
    )

    assert named(whole(part([POD], [container("engine")]), before=before)) == [
        ("llama-0", "engine")
    ]


def test_the_next_list_begins_with_nothing() -> None:
    listed = Listed()
    listed.add(part([POD], [container("engine")]))
    listed.end(Ledger())

    assert listed.add(part())
    pods, containers = listed.end(Ledger())

    assert ([*pods], [*containers]) == ([], [])


def test_a_list_that_is_too_long_is_not_taken_in_part() -> None:
    """Its end may be small, and comes all the same."""
    listed = Listed()
    listed.add(part([POD], [container("engine")], more=True))

    for rest in (bytes(64 << 20), part()):
        with pytest.raises(FrameInvalid, match="list has more than 67108864 bytes"):
            listed.add(rest)
