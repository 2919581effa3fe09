from dataclasses import replace

import pytest

from numalocal.idset import IdSet
from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin import assigning, binding
from numalocal_deviceplugin.assigning import DevicesOf
from numalocal_deviceplugin.binding import Binding
from numalocal_deviceplugin.deviceids import sets_named
from numalocal_deviceplugin.environment import environment
from numalocal_deviceplugin.errors import BindingRefused
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.pods import Container, Pod
from numalocal_deviceplugin.standing import POLICY_STATIC
from numalocal_deviceplugin.thisnode import Node

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
    return Assignment.of(sets_named(make_partition().sets, ids)).to_json()


def bind(pod: Pod, container: Container, node: Node, devices_of: DevicesOf) -> Binding:
    """Bind a container that runs."""
    given = assigning.assignment_of(pod, container, node, devices_of)
    bound = binding.place(pod, container, given, node)
    assert bound is not None
    if given is None:
        return bound
    found = binding.reached(pod, container, given, node)
    return replace(bound, environment=environment(pod, container, given, found, node.machine))


def create(pod: Pod, container: Container, node: Node, devices_of: DevicesOf) -> Binding | None:
    """Bind a container that is about to start."""
    given = assigning.assignment_of(pod, container, node, devices_of)
    binding.refuse_unserved(pod, container, given, node)
    return binding.born(pod, container, given, node)


def new(container: Container, online: str) -> Binding:
    """Bind a new container while only these CPUs are online."""
    bound = create(make_pod(), container, make_node(online=online), old_listed)
    assert bound is not None
    return bound


def old_listed(namespace: str, name: str) -> list[str]:
    return ["cpuset-n0-c1x3"]


def held(cpus: str, name: str = "holder") -> Ledger:
    """Let another pod hold CPUs."""
    text = OLD.replace("1-3", cpus).replace("x3", f"x{name}")
    return Ledger().claim(make_pod(name), make_container(), Assignment.parse(text))


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
        container = make_container(assignment=OLD)._replace(quota_cpus=quota_cpus)

        told = bind(pod, container, make_node(), old_listed).environment

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

    def test_needs_all_its_cores_only_while_it_is_new(self) -> None:
        container = make_container(assignment=BOTH)

        with pytest.raises(BindingRefused, match="CPU 6-7 of its CPU sets is not online"):
            new(container, "0-5")
        runs = bind(make_pod(), container, make_node(online="0-5"), no_devices)
        assert str(runs.cpus) == "2-3"

    def test_keeps_what_is_online_and_is_told_so(self) -> None:
        bound = new(make_container(assignment=BOTH), "0-2,4-5,7")

        assert str(bound.cpus) == "2,7"
        assert bound.environment["NUMALOCAL_RANK_COMPUTE_CPUS"] == "2|7"
        assert bound.environment["NUMALOCAL_RANK_CPUS"] == "2|7"

    def test_that_asks_nothing_itself_needs_its_pods_sets_whole(self) -> None:
        pod = make_pod(bound_containers="fetch")

        with pytest.raises(BindingRefused, match="CPU 6-7 of its CPU sets is not online"):
            create(pod, make_container("fetch"), make_node(online="0-5"), gives(N1))

    def test_whose_assignment_is_damaged_is_refused_by_name(self) -> None:
        with pytest.raises(BindingRefused, match="llama-0, container engine: annotation"):
            bind(make_pod(), make_container(assignment="{"), make_node(), no_devices)

    def test_of_another_pool_configuration_keeps_its_cpus(self) -> None:
        bound = bind(make_pod(), make_container(assignment=OLD), make_node(), old_listed)

        assert str(bound.cpus) == "1-3"


class TestAContainerNamedAsBound:
    pod = make_pod(bound_containers="numalocal-check, fetch", engine="vllm", container="engine")

    def test_gets_our_variables_and_none_of_the_engines(self) -> None:
        bound = bind(self.pod, make_container("fetch"), make_node(), gives(N0, N1))

        assert bound.environment["NUMALOCAL_RANK_CPUS"] == "2-3|6-7"
        assert all(name.startswith("NUMALOCAL_") for name in bound.environment)


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
        bound = bind(make_pod(), make_container("web"), make_node(ledger=held("1-3")), no_devices)

        assert str(bound.cpus) == "0,4-5"

    def test_gets_any_cpu_that_is_free_where_no_shared_one_is(self) -> None:
        bound = bind(make_pod(), make_container("web"), make_node(ledger=held("0-6")), no_devices)

        assert str(bound.cpus) == "7"

    def test_is_left_alone_where_no_cpu_is_free(self) -> None:
        node = make_node(ledger=held("0-7"))

        assert create(make_pod(), make_container("web"), node, no_devices) is None

    def test_gets_what_is_lent_of_the_sets_that_nobody_has(self) -> None:
        node = make_node(ledger=held("2-3"), lent="6-7")

        bound = bind(make_pod(), make_container("web"), node, no_devices)

        assert str(bound.cpus) == "0-1,4-7"

    def test_never_gets_a_list_of_cpus_that_are_all_offline(self) -> None:
        machine = make_machine().with_online(IdSet.parse("2-3,6-7"))
        node = replace(make_node(), machine=machine)
        assert node.partition.shared.isdisjoint(machine.online)

        assert str(bind(make_pod(), make_container("web"), node, no_devices).cpus) == "2-3,6-7"

    def test_of_a_namespace_that_is_left_alone_is(self) -> None:
        node = replace(make_node(), left_alone=frozenset({"default"}))

        assert create(make_pod(), make_container("web"), node, no_devices) is None
        bound = bind(make_pod(), make_container(assignment=BOTH), node, no_devices)
        assert str(bound.cpus) == "2-3,6-7"


class TestWhereAnotherPins:
    node = replace(make_node(), barred=POLICY_STATIC)

    def test_nobody_is_adjusted(self) -> None:
        assert create(make_pod(), make_container("web"), self.node, no_devices) is None
        assert binding.place(make_pod(), make_container(), None, self.node) is None

    def test_nothing_starts_unbound_that_is_to_have_sets(self) -> None:
        with pytest.raises(BindingRefused, match="container engine: this node's kubelet pins"):
            create(make_pod(), make_container(assignment=BOTH), self.node, no_devices)

    def test_a_worker_that_runs_is_left_as_it_is(self) -> None:
        given = Assignment.parse(BOTH)

        assert binding.place(make_pod(), make_container(), given, self.node) is None


class TestAContainerThatComesBack:
    def test_without_the_sets_that_it_had_is_refused(self) -> None:
        pod, engine = make_pod(), make_container()
        ledger = Ledger().claim(pod, engine, Assignment.parse(BOTH))

        with pytest.raises(BindingRefused) as caught:
            create(pod, engine, make_node(ledger=ledger), no_devices)

        assert str(caught.value) == (
            "pod default/llama-0, container engine: it had CPU 2-3,6-7, and the kubelet has "
            "forgotten that it gave them; delete the pod so that it gets other CPU sets"
        )


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
            create(self.missed, container, make_node(), no_devices)

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
            create(make_pod(cpusets=text), make_container(), make_node(), no_devices)

    def test_and_was_injected_is_bound(self) -> None:
        engine = make_container(assignment=BOTH)

        bound = create(self.injected, engine, make_node(), no_devices)
        fetch = create(self.injected, make_container("fetch"), make_node(), gives(N0))
        sidecar = create(self.injected, make_container("proxy"), make_node(), no_devices)

        assert [str(one and one.cpus) for one in (bound, fetch, sidecar)] == [
            "2-3,6-7",
            "2-3",
            SHARED,
        ]

    def test_starts_no_engine_without_its_sets(self) -> None:
        with pytest.raises(BindingRefused) as caught:
            create(self.injected, make_container(), make_node(), no_devices)

        assert str(caught.value) == (
            "pod default/llama-0, container engine: annotation numalocal.io/container says that it "
            "has CPU sets, but the kubelet gave it none; delete the pod so that it is made again "
            "with what it asks for"
        )

    def test_of_a_worker_needs_no_annotation_that_asks(self) -> None:
        """The operator makes the pod, and nobody can have missed it."""
        worker = make_pod(container="engine", bound_containers="numalocal-check")

        bound = create(worker, make_container(assignment=BOTH), make_node(), no_devices)
        assert bound is not None
        assert str(bound.cpus) == "2-3,6-7"
        with pytest.raises(BindingRefused, match="but the kubelet gave it none"):
            create(worker, make_container(), make_node(), no_devices)
