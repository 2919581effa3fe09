from dataclasses import replace

import pytest

from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin import assigning
from numalocal_deviceplugin.errors import (
    BindingRefused,
    DevicesUnknown,
    KubeletSilent,
    UnknownDevice,
)

from .nodes import N0, N1, make_container, make_node, make_partition, make_pod, no_devices

OURS = make_partition().by_id
FIRST = Assignment.of([OURS[N0]])
TEXT = FIRST.to_json()
KEY = "assignment.numalocal.io/cpuset"


def lists(*ids: str) -> assigning.DevicesOf:
    return lambda namespace, name: ids


class TestWhatAContainerWasTold:
    def test_is_its_assignment(self) -> None:
        assert assigning.told(make_pod(), make_container(assignment=TEXT)) == FIRST

    def test_is_nothing_where_nothing_was_given(self) -> None:
        assert assigning.told(make_pod(), make_container()) is None

    @pytest.mark.parametrize("key", [KEY, "assignment.numalocal.io/", "assignment.numalocal.io/x"])
    def test_is_not_believed_where_the_pod_says_it_itself(self, key: str) -> None:
        """Some runtimes copy a pod's annotations into its containers."""
        pod = replace(make_pod(), annotations={key: TEXT})
        container = make_container()._replace(annotations={key: TEXT})

        with pytest.raises(BindingRefused, match=f"the pod has the annotation '{key}', which only"):
            assigning.told(pod, container)

    def test_of_two_pools_is_refused_and_never_half_done(self) -> None:
        annotations = {KEY: TEXT, "assignment.numalocal.io/big": TEXT}
        container = make_container()._replace(annotations=annotations)

        with pytest.raises(BindingRefused, match=r"it has CPU sets of 2 pools \('big, cpuset'\)"):
            assigning.told(make_pod(), container)

    def test_under_the_key_of_another_pool_is_refused(self) -> None:
        container = make_container()._replace(annotations={"assignment.numalocal.io/big": TEXT})

        with pytest.raises(BindingRefused, match="pool 'big' holds CPU sets of 'cpuset'"):
            assigning.told(make_pod(), container)

    def test_that_is_damaged_is_refused_by_name(self) -> None:
        with pytest.raises(
            BindingRefused, match=f"container engine: annotation {KEY}: '{{' is not"
        ):
            assigning.told(make_pod(), make_container(assignment="{"))


class TestAnAssignment:
    pod, container = make_pod(), make_container()

    def test_of_the_nodes_own_sets_needs_nobodys_word(self) -> None:
        given = assigning.vouched(self.pod, self.container, FIRST, OURS, no_devices)

        assert given == FIRST

    @pytest.mark.parametrize(
        ("was", "becomes"),
        [
            pytest.param('"2-3"', '"0-3"', id="more CPUs"),
            pytest.param('"2-3"', '"6-7"', id="other CPUs"),
            pytest.param('"numaNode":0', '"numaNode":1', id="another node"),
            pytest.param(N0, "cpuset-n0-c0x2", id="another name"),
        ],
    )
    def test_of_anything_else_needs_the_kubelets_word(self, was: str, becomes: str) -> None:
        strange = Assignment.parse(TEXT.replace(was, becomes))
        (one,) = strange.sets

        given = assigning.vouched(self.pod, self.container, strange, OURS, lists("x", one.id))
        assert given == strange
        with pytest.raises(BindingRefused, match=f"CPU set {one.id} is none of this node's"):
            assigning.vouched(self.pod, self.container, strange, OURS, lists())

    def test_is_not_believed_while_the_kubelet_is_silent(self) -> None:
        def silent(namespace: str, name: str) -> list[str]:
            raise KubeletSilent("no answer")

        strange = Assignment.parse(TEXT.replace(N0, "old"))
        with pytest.raises(KubeletSilent):
            assigning.vouched(self.pod, self.container, strange, OURS, silent)

    def test_of_when_a_cpu_was_offline_is_the_nodes_own(self) -> None:
        less = Assignment.parse(TEXT.replace('"2-3"', '"3"'))

        assert assigning.vouched(self.pod, self.container, less, OURS, no_devices) == less


class TestAContainerNamedAsBound:
    pod = make_pod(bound_containers="numalocal-check, fetch")

    @pytest.mark.parametrize("name", ["numalocal-check", "fetch"])
    def test_gets_all_sets_of_its_pod(self, name: str) -> None:
        node, devices_of = make_node(), lists(N1, N0, N1)

        given = assigning.assignment_of(self.pod, make_container(name), node, devices_of)

        assert given == Assignment.of(OURS.values())

    def test_is_asked_for_by_its_pods_name(self) -> None:
        asked: list[tuple[str, str]] = []

        def devices_of(namespace: str, name: str) -> list[str]:
            asked.append((namespace, name))
            return [N0]

        assigning.assignment_of(self.pod, make_container("fetch"), make_node(), devices_of)

        assert asked == [("default", "llama-0")]

    def test_of_a_pod_without_devices_is_refused(self) -> None:
        with pytest.raises(BindingRefused, match="but the pod has no CPU set; a container of"):
            assigning.assignment_of(self.pod, make_container("fetch"), make_node(), lists())

    def test_with_a_device_that_is_none_of_ours_is_refused(self) -> None:
        with pytest.raises(UnknownDevice, match="device gone is not a CPU set of this node"):
            assigning.assignment_of(self.pod, make_container("fetch"), make_node(), lists("gone"))

    def test_whose_pod_the_kubelet_does_not_know_is_refused(self) -> None:
        def unknown(namespace: str, name: str) -> list[str]:
            raise DevicesUnknown("not found")

        with pytest.raises(DevicesUnknown):
            assigning.assignment_of(self.pod, make_container("fetch"), make_node(), unknown)
