"""What happens in each room reaches the counts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest

from numalocal import names
from numalocal.idset import IdSet
from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.correcting import Correction
from numalocal_deviceplugin.counters import Counters, Duration
from numalocal_deviceplugin.errors import AgentError, BindingRefused, CallFailed, CpusHeld
from numalocal_deviceplugin.kubelet.service import DevicePluginService
from numalocal_deviceplugin.node.repair import Repair
from numalocal_deviceplugin.runtime.plugin import Plugin
from numalocal_deviceplugin.settings import Settings
from numalocal_deviceplugin.state import State
from numalocal_deviceplugin.wire import deviceplugin_v1beta1_pb2
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

from .node import cgroup_files
from .node.scrapes import bind
from .nodes import (
    N0,
    N1,
    SHARED,
    make_container,
    make_machine,
    make_partition,
    make_pod,
    make_state,
)

ASSIGNED = next(Assignment.of([one]).to_json() for one in make_partition().sets if one.id == N1)


def pod(name: str = "llama-0", namespace: str = "default") -> nri.PodSandbox:
    return nri.PodSandbox(id=f"p-{name}", uid=f"u-{name}", name=name, namespace=namespace)


def container(owner: nri.PodSandbox, *, engine: bool, env: Iterable[str] = ()) -> nri.Container:
    return nri.Container(
        id=f"c-{owner.name}",
        pod_sandbox_id=owner.id,
        name="engine",
        state=nri.CONTAINER_RUNNING,
        env=env,
        annotations={names.assignment("cpuset"): ASSIGNED} if engine else {},
        linux=nri.LinuxContainer(
            resources=nri.LinuxResources(cpu=nri.LinuxCPU(cpus=SHARED if not engine else "6-7"))
        ),
    )


def plugin(state: State) -> Plugin:
    return Plugin(state, lambda *_: ())


def create(state: State, owner: nri.PodSandbox, *, engine: bool) -> None:
    request = nri.CreateContainerRequest(pod=owner, container=container(owner, engine=engine))
    handler = plugin(state).methods()["nri.pkg.api.v1alpha1.Plugin/CreateContainer"]
    handler(request.SerializeToString(), 2.0)


def synchronize(state: State, *pairs: tuple[nri.PodSandbox, nri.Container]) -> None:
    request = nri.SynchronizeRequest(
        pods=[owner for owner, _ in pairs], containers=[one for _, one in pairs]
    )
    handler = plugin(state).methods()["nri.pkg.api.v1alpha1.Plugin/Synchronize"]
    handler(request.SerializeToString(), 2.0)


def counts(state: State) -> dict[tuple[str, str], int]:
    return {(str(key[0]), key[1]): one for key, one in state.counters.now().counts.items() if one}


def timed(state: State, what: Duration) -> int:
    return sum(state.counters.now().durations[what].counts)


def test_creations_are_counted_by_what_became_of_them() -> None:
    state = make_state(settings=Settings(left_alone=frozenset({"kube-system"})))

    create(state, pod(), engine=True)
    create(state, pod("web-0"), engine=False)
    create(state, pod("web-1"), engine=False)
    create(state, pod("dns-0", "kube-system"), engine=False)

    assert counts(state) == {
        ("container_creations", "bound"): 1,
        ("container_creations", "shared"): 2,
        ("container_creations", "left_alone"): 1,
    }
    assert timed(state, Duration.CREATE_CONTAINER) == 4


def test_refused_creations_are_counted_by_reason_and_timed() -> None:
    state = make_state()
    create(state, pod(), engine=True)

    with pytest.raises(CpusHeld):
        create(state, pod("llama-1"), engine=True)
    forged = pod("llama-2")
    forged.annotations[names.assignment("cpuset")] = ASSIGNED
    with pytest.raises(BindingRefused):
        create(state, forged, engine=True)

    assert counts(state) == {
        ("container_creations", "bound"): 1,
        ("container_refusals", "CpusHeld"): 1,
        ("container_refusals", "NotBound"): 1,
    }
    assert timed(state, Duration.CREATE_CONTAINER) == 3


def test_a_container_created_while_the_agent_was_away_is_counted_once() -> None:
    state, owner = make_state(), pod()
    unbound = (owner, container(owner, engine=True))
    second = pod("llama-1")
    other = (pod("web-0"), container(pod("web-0"), engine=False))

    synchronize(state, unbound, other)
    synchronize(state, unbound, other)
    state.set_listing({}, state.snapshot().node.ledger)

    assert counts(state)["unbound_starts", ""] == 1
    assert counts(state)["runtime_synchronizations", ""] == 2
    assert timed(state, Duration.SYNCHRONIZE) == 2
    state.gone(make_pod())
    assert counts(state)["unbound_starts", ""] == 1

    synchronize(state, (second, container(second, engine=True)))
    assert counts(state)["unbound_starts", ""] == 2


def test_a_start_is_counted_once_however_often_the_pools_change() -> None:
    counters, owner = Counters(), pod()
    unbound = (owner, container(owner, engine=True))

    for _ in range(3):
        state = State(make_machine(), make_partition(), counters=counters)
        state.set_listing({}, state.snapshot().node.ledger)
        synchronize(state, unbound)
        state.set_listing({}, state.snapshot().node.ledger)
        assert counts(state)["unbound_starts", ""] == 1

    synchronize(state)
    synchronize(state, unbound)
    assert counts(state)["unbound_starts", ""] == 2


def test_a_container_that_was_born_bound_is_no_unbound_start() -> None:
    state, owner = make_state(), pod()
    variables = [f"{names.ENV_RANK_COMPUTE_CPUS}=6-7"]

    synchronize(state, (owner, container(owner, engine=True, env=variables)))

    assert ("unbound_starts", "") not in counts(state)


def allocate(state: State, *ids: str) -> None:
    class Context:
        def abort(self, code: grpc.StatusCode, details: str) -> None:
            raise ConnectionAbortedError(details)

    one = deviceplugin_v1beta1_pb2.ContainerAllocateRequest(devices_ids=ids)
    request = deviceplugin_v1beta1_pb2.AllocateRequest(container_requests=[one, one])
    context: Any = Context()
    DevicePluginService("cpuset", state).Allocate(request, context)


def test_allocations_are_counted_by_container_and_refusals_by_call() -> None:
    state = make_state()

    allocate(state, N0)
    with pytest.raises(ConnectionAbortedError):
        allocate(state, "none-of-ours")

    assert counts(state) == {
        ("allocations", "cpuset"): 2,
        ("allocation_refusals", "cpuset"): 1,
    }
    assert timed(state, Duration.ALLOCATE) == 2


def repair(state: State, root: Path, error: AgentError | None = None) -> None:
    """Look twice, the second time when what the kernel shows has had time to settle."""
    now_s = 0.0

    def correct(choose: Callable[[], Sequence[Correction]]) -> None:
        choose()
        if error is not None:
            raise error

    one = Repair(state, correct, root, lambda: now_s)
    one.once()
    now_s = 10.0
    one.once()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, {("corrections", "placement"): 1}),
        (CallFailed("no"), {("correction_failures", ""): 1}),
    ],
)
def test_corrections_are_counted_by_how_they_end(
    tmp_path: Path, error: AgentError | None, expected: Mapping[tuple[str, str], int]
) -> None:
    state = make_state()
    state.created(make_pod(), make_container(cpus="2-3"))
    state.set_machine(state.snapshot().node.machine.with_online(IdSet.parse("0-1,4-7")))

    repair(state, tmp_path, error)

    assert counts(state) == expected


def test_what_somebody_else_has_changed_is_counted_as_drift(tmp_path: Path) -> None:
    state = make_state()
    bind(state, make_pod(), make_container(cpus="6-7", mems="1"), N1)
    cgroup_files.write(tmp_path / "id-of-engine", cpuset_cpus_effective="0-7\n")

    repair(state, tmp_path)

    assert counts(state) == {("corrections", "drift"): 1}
