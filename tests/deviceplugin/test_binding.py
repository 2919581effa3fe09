from dataclasses import replace

import pytest

from numalocal_deviceplugin.binding import (
    Binding,
    DevicesOf,
    bind,
    corrections,
    foreign_cpus,
)
from numalocal_deviceplugin.errors import BindingRefused, DevicesUnknown, UnknownDevice
from numalocal_deviceplugin.kubelet.allocation import allocate
from numalocal_deviceplugin.pods import Container

from .nodes import (
    N0,
    N1,
    SHARED,
    make_container,
    make_machine,
    make_node,
    make_partition,
    make_pod,
    no_devices,
)


def assigned(*ids: str) -> str:
    return allocate(make_partition().sets, ids, make_machine()).assignment.to_json()


def new(container: Container, online: str) -> Binding:
    """Bind a new container while only these CPUs are online."""
    return bind(make_pod(), container, make_node(online=online), no_devices, new=True)


def gives(*ids: str) -> DevicesOf:
    return lambda namespace, name: ids


BOTH = assigned(N0, N1)
OLD = '{"sets":[{"id":"cpuset-n0-c1x3","pool":"cpuset","cpus":"1-3","numaNode":0,"memoryBytes":1}]}'


class TestAContainerWithAnAssignment:
    def test_gets_exactly_its_cpus_and_memory_nodes(self) -> None:
        bound = bind(make_pod(), make_container(assignment=BOTH), make_node(), no_devices)

        assert (str(bound.cpus), str(bound.mems)) == ("2-3,6-7", "0-1")

    @pytest.mark.parametrize(
        ("quota_cpus", "computing", "threads"), [(None, "1,3", "2"), (2, "1,3", "2"), (1, "1", "1")]
    )
    def test_computes_within_its_cpu_limit(
        self, quota_cpus: int | None, computing: str, threads: str
    ) -> None:
        pod = make_pod(engine="openmp", container="engine")
        container = replace(make_container(assignment=OLD), quota_cpus=quota_cpus)

        told = bind(pod, container, make_node(), no_devices).environment

        assert told["NUMALOCAL_RANK_COMPUTE_CPUS"] == computing
        assert told["OMP_NUM_THREADS"] == threads

    def test_gets_only_our_variables_in_a_pod_without_annotations(self) -> None:
        bound = bind(make_pod(), make_container(assignment=BOTH), make_node(), no_devices)

        assert bound.environment == {
            "NUMALOCAL_CPUS": "2-3,6-7",
            "NUMALOCAL_MEMS": "0-1",
            "NUMALOCAL_RANKS": "2",
            "NUMALOCAL_RANK_CPUS": "2-3|6-7",
            "NUMALOCAL_RANK_MEMS": "0|1",
            "NUMALOCAL_RANK_COMPUTE_CPUS": "3|7",
        }

    def test_is_told_in_its_engines_language(self) -> None:
        pod = make_pod(engine="vllm", reserved_cores="0", container="engine")

        bound = bind(pod, make_container(assignment=BOTH), make_node(), no_devices)

        assert bound.environment["VLLM_CPU_OMP_THREADS_BIND"] == "3|7"

    def test_is_not_told_the_engines_language_when_it_is_not_the_engine(self) -> None:
        pod = make_pod(engine="vllm", container="engine")

        bound = bind(pod, make_container("proxy", assignment=BOTH), make_node(), no_devices)

        assert all(name.startswith("NUMALOCAL_") for name in bound.environment)

    def test_keeps_every_variable_that_it_has(self) -> None:
        pod = make_pod(engine="openmp", container="engine")
        container = make_container(
            assignment=assigned(N0), env=["NUMALOCAL_CPUS", "OMP_NUM_THREADS"]
        )

        bound = bind(pod, container, make_node(), no_devices)

        assert "NUMALOCAL_CPUS" not in bound.environment
        assert "OMP_NUM_THREADS" not in bound.environment
        assert bound.environment["OMP_PLACES"] == "{3}"

    @pytest.mark.parametrize(
        "users", ["OMP_PLACES", "OMP_PROC_BIND", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"]
    )
    def test_that_sets_its_own_affinity_gets_no_affinity_beside_it(self, users: str) -> None:
        pod = make_pod(engine="openmp", container="engine")
        container = make_container(assignment=assigned(N0), env=[users])

        bound = bind(pod, container, make_node(), no_devices)

        affinity = {"OMP_PLACES", "OMP_PROC_BIND", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"}
        assert affinity.isdisjoint(bound.environment)
        assert bound.environment["OMP_NUM_THREADS"] == "1"

    def test_whose_cpu_went_offline_is_refused(self) -> None:
        with pytest.raises(BindingRefused) as caught:
            new(make_container(assignment=BOTH), "0-5")

        assert str(caught.value) == (
            "pod default/llama-0, container engine: CPU 6-7 of its CPU sets is not online on this "
            "machine (online: 0-5); bring it online, or delete the pod so that it gets other "
            "CPU sets"
        )

    def test_of_another_pool_configuration_needs_all_its_cores(self) -> None:
        container = make_container(assignment=OLD)

        assert str(new(container, "0-2,4-7").cpus) == "1-2"
        with pytest.raises(BindingRefused, match="CPU 2-3 of its CPU sets is not online"):
            new(container, "0-1,4-7")

    def test_whose_core_stands_in_for_the_reserved_one_is_refused(self) -> None:
        with pytest.raises(BindingRefused, match="CPU 2-3 of its CPU sets stays shared for one"):
            new(make_container(assignment=BOTH), "2-7")

    def test_keeps_what_is_online_and_is_told_so(self) -> None:
        bound = new(make_container(assignment=BOTH), "0-2,4-5,7")

        assert str(bound.cpus) == "2,7"
        assert bound.environment["NUMALOCAL_RANK_COMPUTE_CPUS"] == "2|7"
        assert bound.environment["NUMALOCAL_RANK_CPUS"] == "2|7"

    def test_that_runs_keeps_what_is_left_of_a_set_that_new_ones_cannot_have(self) -> None:
        old = OLD.replace("1-3", "1-5")

        bound = bind(
            make_pod(), make_container(assignment=old), make_node(online="0-3"), no_devices
        )

        assert str(bound.cpus) == "1-3"

    def test_of_which_nothing_is_online_is_refused_even_if_it_runs(self) -> None:
        with pytest.raises(BindingRefused, match="CPU 2-3,6-7 of its CPU sets is not online"):
            bind(make_pod(), make_container(assignment=BOTH), make_node(online="0-1"), no_devices)

    def test_that_asks_nothing_itself_needs_its_pods_sets_whole(self) -> None:
        pod = make_pod(bound_containers="fetch")

        with pytest.raises(BindingRefused, match="CPU 6-7 of its CPU sets is not online"):
            bind(pod, make_container("fetch"), make_node(online="0-5"), gives(N1), new=True)

    def test_whose_numa_node_is_not_here_is_refused(self) -> None:
        with pytest.raises(BindingRefused, match="NUMA node 5 of its CPU sets is not in this"):
            bind(
                make_pod(),
                make_container(assignment=OLD.replace('"numaNode":0', '"numaNode":5')),
                make_node(),
                no_devices,
            )

    def test_whose_assignment_is_damaged_is_refused_by_name(self) -> None:
        with pytest.raises(BindingRefused, match="llama-0, container engine: annotation"):
            bind(make_pod(), make_container(assignment="{"), make_node(), no_devices)

    def test_of_another_pool_configuration_keeps_its_cpus(self) -> None:
        bound = bind(make_pod(), make_container(assignment=OLD), make_node(), no_devices)

        assert str(bound.cpus) == "1-3"


class TestAContainerNamedAsBound:
    pod = make_pod(bound_containers="numalocal-check, fetch", engine="vllm", container="engine")

    @pytest.mark.parametrize("name", ["numalocal-check", "fetch"])
    def test_gets_all_sets_of_its_pod(self, name: str) -> None:
        bound = bind(self.pod, make_container(name), make_node(), gives(N1, N0, N1))

        assert (str(bound.cpus), str(bound.mems)) == ("2-3,6-7", "0-1")

    def test_is_asked_for_by_its_pods_name(self) -> None:
        asked: list[tuple[str, str]] = []

        def devices_of(namespace: str, name: str) -> list[str]:
            asked.append((namespace, name))
            return [N0]

        bind(self.pod, make_container("fetch"), make_node(), devices_of)

        assert asked == [("default", "llama-0")]

    def test_gets_our_variables_and_none_of_the_engines(self) -> None:
        bound = bind(self.pod, make_container("fetch"), make_node(), gives(N0, N1))

        assert bound.environment["NUMALOCAL_RANK_CPUS"] == "2-3|6-7"
        assert all(name.startswith("NUMALOCAL_") for name in bound.environment)

    def test_of_a_pod_without_devices_is_refused(self) -> None:
        with pytest.raises(BindingRefused, match="but the pod has no CPU set; a container of"):
            bind(self.pod, make_container("fetch"), make_node(), gives())

    def test_with_a_device_that_is_none_of_ours_is_refused(self) -> None:
        with pytest.raises(UnknownDevice, match="device gone is not a CPU set of this node"):
            bind(self.pod, make_container("fetch"), make_node(), gives("gone"))

    def test_whose_pod_the_kubelet_does_not_know_is_refused(self) -> None:
        def unknown(namespace: str, name: str) -> list[str]:
            raise DevicesUnknown("not found")

        with pytest.raises(DevicesUnknown):
            bind(self.pod, make_container("fetch"), make_node(), unknown)


class TestAnyOtherContainer:
    def test_gets_the_shared_cpus_and_keeps_its_memory_nodes(self) -> None:
        bound = bind(make_pod(), make_container("web"), make_node(), no_devices)

        assert (str(bound.cpus), str(bound.mems), bound.environment) == (SHARED, "", {})

    def test_that_stays_beside_the_engine_gets_the_shared_cpus(self) -> None:
        """A native sidecar: an init container that the operator does not name as bound."""
        pod = make_pod(bound_containers="numalocal-check,fetch", container="engine")

        bound = bind(pod, make_container("proxy"), make_node(), no_devices)

        assert (str(bound.cpus), bound.environment) == (SHARED, {})

    def test_of_a_workers_pod_gets_the_shared_cpus_too(self) -> None:
        pod = make_pod(bound_containers="numalocal-check", container="engine")

        assert str(bind(pod, make_container("sidecar"), make_node(), no_devices).cpus) == SHARED

    def test_is_kept_off_cpus_that_another_configurations_container_holds(self) -> None:
        bound = bind(make_pod(), make_container("web"), make_node(held="1-3"), no_devices)

        assert str(bound.cpus) == "0,4-5"

    def test_gets_the_shared_cpus_even_if_all_of_them_are_held(self) -> None:
        bound = bind(make_pod(), make_container("web"), make_node(held="0-7"), no_devices)

        assert str(bound.cpus) == SHARED


class TestCorrections:
    def test_name_who_is_bound_to_the_wrong_cpus(self) -> None:
        containers = [
            (make_pod(), make_container("new-worker", assignment=BOTH)),
            (make_pod(), make_container("worker", assignment=BOTH, cpus="2-3,6-7", mems="0-1")),
            (make_pod(), make_container("web")),
            (make_pod(), make_container("moved", cpus="0,1,4,5", mems="0")),
        ]

        found = corrections(containers, make_node(), no_devices)

        assert [(one.container.name, str(one.binding.cpus)) for one in found.needed] == [
            ("new-worker", "2-3,6-7"),
            ("web", SHARED),
        ]
        assert found.refusals == ()

    def test_name_a_worker_with_the_wrong_memory_nodes(self) -> None:
        worker = make_container(assignment=BOTH, cpus="2-3,6-7", mems="0")

        assert len(corrections([(make_pod(), worker)], make_node(), no_devices).needed) == 1

    def test_leave_ended_containers_alone(self) -> None:
        ended = make_container(assignment="{", live=False)

        found = corrections([(make_pod(), ended)], make_node(), no_devices)

        assert (found.needed, found.refusals) == ((), ())

    def test_go_on_after_a_container_that_cannot_be_bound(self) -> None:
        containers = [
            (make_pod(), make_container("broken", assignment="{")),
            (make_pod(), make_container("web")),
        ]

        found = corrections(containers, make_node(), no_devices)

        assert [one.container.name for one in found.needed] == ["web"]
        assert [type(refusal) for refusal in found.refusals] == [BindingRefused]


class TestAPodThatAsksByAnnotation:
    missed = make_pod(cpusets="1", container="engine")
    injected = make_pod(cpusets="1", container="engine", bound_containers="numalocal-check,fetch")

    @pytest.mark.parametrize(
        "container",
        [make_container(), make_container("web"), make_container("engine", assignment=BOTH)],
        ids=["engine", "other", "with sets of its own"],
    )
    def test_and_was_not_injected_starts_no_container(self, container: Container) -> None:
        with pytest.raises(BindingRefused) as caught:
            bind(self.missed, container, make_node(), no_devices, new=True)

        assert str(caught.value) == (
            f"pod default/llama-0, container {container.name}: annotation numalocal.io/cpusets "
            "asks for CPU sets, but numalocal's webhook did not see the pod when it was made: it "
            "was away, is disabled, or leaves out this namespace; delete the pod so that it is "
            "made again while the webhook runs, or leave the annotation out if it is a static "
            "pod, which no webhook changes"
        )

    @pytest.mark.parametrize("text", ["", "0", "no", "x" * 5000])
    def test_asks_whatever_its_annotation_says(self, text: str) -> None:
        with pytest.raises(BindingRefused):
            bind(make_pod(cpusets=text), make_container(), make_node(), no_devices, new=True)

    def test_and_was_injected_is_bound(self) -> None:
        engine = make_container(assignment=BOTH)

        bound = bind(self.injected, engine, make_node(), no_devices, new=True)
        fetch = bind(self.injected, make_container("fetch"), make_node(), gives(N0), new=True)
        sidecar = bind(self.injected, make_container("proxy"), make_node(), no_devices, new=True)

        assert [str(one.cpus) for one in (bound, fetch, sidecar)] == ["2-3,6-7", "2-3", SHARED]

    def test_starts_no_engine_without_its_sets(self) -> None:
        with pytest.raises(BindingRefused) as caught:
            bind(self.injected, make_container(), make_node(), no_devices, new=True)

        assert str(caught.value) == (
            "pod default/llama-0, container engine: annotation numalocal.io/cpusets asks for CPU "
            "sets and numalocal.io/container for them to be this container's, but the kubelet gave "
            "it none; delete the pod so that it is made again with what it asks for"
        )

    def test_of_a_worker_is_bound_without_the_annotation(self) -> None:
        """The operator makes the pod, and nobody can have missed it."""
        worker = make_pod(container="engine", bound_containers="numalocal-check")

        assert str(bind(worker, make_container(), make_node(), no_devices, new=True).cpus) == SHARED

    def test_and_runs_all_the_same_is_reported_and_kept_off_the_sets_of_others(self) -> None:
        containers = [
            (self.missed, make_container("stray")),
            (self.missed, make_container("served", assignment=BOTH)),
            (self.injected, make_container("engine")),
            (make_pod(), make_container("web")),
        ]

        found = corrections(containers, make_node(), no_devices)

        assert [(one.container.name, str(one.binding.cpus)) for one in found.needed] == [
            ("stray", SHARED),
            ("served", "2-3,6-7"),
            ("engine", SHARED),
            ("web", SHARED),
        ]
        assert [str(refusal).split(":")[0] for refusal in found.refusals] == [
            f"pod default/llama-0, container {name}" for name in ("stray", "served", "engine")
        ]


@pytest.mark.parametrize(
    ("assignment", "cpus"),
    [
        pytest.param(BOTH, "", id="ours"),
        pytest.param(BOTH.replace('"memoryBytes":', '"memoryBytes":1'), "", id="more memory"),
        pytest.param(BOTH.replace('"2-3"', '"3"'), "", id="one was offline then"),
        pytest.param(OLD, "1-3", id="another configuration's"),
        pytest.param("{", "", id="damaged"),
        pytest.param("", "", id="none"),
    ],
)
def test_foreign_cpus_are_those_of_sets_that_this_partition_lacks(
    assignment: str, cpus: str
) -> None:
    assert str(foreign_cpus(make_container(assignment=assignment), make_partition())) == cpus
