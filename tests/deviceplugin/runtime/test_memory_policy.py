"""A memory policy on the wire, letter by letter, and runtimes that cannot carry one.

What is expected is written by hand from NRI's numbers and not with our own protobuf code.
"""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.deviceids import sets_named
from numalocal_deviceplugin.runtime import nri
from numalocal_deviceplugin.state import State
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as wire

from ..fake_runtime import Answer, FakeRuntime, Session, field, fields
from ..nodes import N0, N1, make_partition, make_state, make_tiered_machine

QUICK = nri.Timing(retry_first_s=0.01, retry_ceiling_s=0.02, poll_s=0.005)
ADJUST, LINUX, MEMORY_POLICY = 1, 6, 12
STATIC_NODES = 0
"""NRI's number of the kernel's flag: nodes that come back count as before."""
NEW = ("containerd", "v2.4.2", "v0.12.3")


def no_devices(namespace: str, name: str, timeout_s: float) -> list[str]:
    raise AssertionError("asked")


@pytest.fixture
def state() -> State:
    return make_state(machine=make_tiered_machine(), synchronized=False)


@pytest.fixture
def runtime(run_dir: Path, state: State) -> Iterator[FakeRuntime]:
    """Listen, and let an agent come."""
    stop = threading.Event()
    with FakeRuntime(run_dir / "nri.sock") as listening:
        link = nri.Link(run_dir / "nri.sock", state, no_devices, QUICK, "10")
        thread = threading.Thread(target=link.run, args=(stop,))
        thread.start()
        yield listening
        stop.set()
    thread.join(60)
    assert not thread.is_alive()


def accept(runtime: FakeRuntime, name: str, version: str, nri_version: str) -> Session:
    """Take the agent's registration as a runtime of this name and version does."""
    session = runtime.accept()
    request = session.request()
    told = field(2, name.encode()) + field(3, version.encode())
    told += field(4, 5000) + field(5, 2000)
    assert session.call("Configure", told + field(6, nri_version.encode())).code == 0
    session.reply(request.stream)
    session.synchronize()
    return session


def create(session: Session, *ids: str, **asks: str) -> Answer:
    assigned = Assignment.of(sets_named(make_partition().sets, ids)).to_json()
    annotations = {f"numalocal.io/{name.replace('_', '-')}": value for name, value in asks.items()}
    request = wire.CreateContainerRequest(
        pod=wire.PodSandbox(
            id="p", uid="u", name="llama-0", namespace="default", annotations=annotations
        ),
        container=wire.Container(
            id="c",
            pod_sandbox_id="p",
            name="engine",
            annotations={"assignment.numalocal.io/cpuset": assigned},
        ),
    )
    return session.call("CreateContainer", request.SerializeToString())


def policy_in(answer: Answer) -> bytes | None:
    """Find the bytes of linux.memory_policy in the answer's adjustment; None where it has none."""
    assert answer.code == 0, answer.message
    adjust = fields(answer.payload)[ADJUST]
    assert isinstance(adjust, bytes)
    linux = fields(adjust)[LINUX]
    assert isinstance(linux, bytes)
    found = fields(linux).get(MEMORY_POLICY)
    assert not isinstance(found, int)
    return found


@pytest.mark.parametrize(
    ("ids", "asks", "mode", "nodes"),
    [
        ((N0,), {"memory_policy": "Preferred"}, 5, b"0"),
        ((N0, N1), {"memory_policy": "Preferred"}, 5, b"0-1"),
        ((N0, N1), {"memory_policy": "Interleave"}, 3, b"0-1"),
        ((N0,), {"memory_policy": "Interleave", "memory_nodes": "Near"}, 3, b"0,2"),
        ((N0,), {"memory_policy": "WeightedInterleave", "memory_nodes": "Any"}, 6, b"0-2"),
    ],
)
def test_a_policy_is_the_kernels_mode_and_a_list_of_static_nodes(
    runtime: FakeRuntime, ids: tuple[str, ...], asks: dict[str, str], mode: int, nodes: bytes
) -> None:
    session = accept(runtime, *NEW)

    found = policy_in(create(session, *ids, **asks))

    assert found == bytes([0x08, mode, 0x12, len(nodes)]) + nodes + bytes([0x1A, 1, STATIC_NODES])


def test_bind_is_no_policy_on_the_wire(runtime: FakeRuntime) -> None:
    session = accept(runtime, *NEW)

    assert policy_in(create(session, N0, memory_policy="Bind", memory_nodes="Near")) is None


OLD = [
    ("containerd", "1.7.24~ds1", ""),
    ("containerd", "v2.1.5-k3s1", ""),
    ("cri-o", "1.34.1", ""),
    ("", "", ""),
]


@pytest.mark.parametrize("told", OLD)
def test_an_old_runtime_makes_no_container_that_needs_a_policy(
    runtime: FakeRuntime, told: tuple[str, str, str]
) -> None:
    session = accept(runtime, *told)

    answer = create(session, N0, memory_policy="Preferred")

    assert answer.code != 0
    assert "memory policy Preferred (for annotation numalocal.io/memory-policy)" in answer.message
    assert policy_in(create(session, N1, memory_policy="Bind")) is None


@pytest.mark.parametrize("told", OLD)
def test_an_old_runtime_gets_no_policy_of_one_that_takes_less(
    runtime: FakeRuntime, told: tuple[str, str, str]
) -> None:
    session = accept(runtime, *told)

    answer = create(session, N0, memory_policy="Preferred", enforcement="BestEffort")

    assert policy_in(answer) is None


@pytest.mark.parametrize(
    "version", ["", "\0", "v" * 4000, "2.4.2\n", "\u202e2.4", "9" * 4000, "-1.-1", "v2"]
)
def test_any_version_is_heard_and_the_next_worker_is_bound(
    runtime: FakeRuntime, state: State, version: str
) -> None:
    session = accept(runtime, "containerd", version, "")

    assert policy_in(create(session, N0)) is None
    assert len(state.snapshot().facts.runtime.told.version) <= 256


def test_a_runtime_that_was_updated_is_asked_anew(runtime: FakeRuntime) -> None:
    old = accept(runtime, "containerd", "1.7.24", "")
    assert create(old, N0, memory_policy="Preferred").code != 0
    old.close()

    new = accept(runtime, *NEW)

    assert policy_in(create(new, N0, memory_policy="Preferred")) is not None


def test_an_update_keeps_the_nodes_of_a_container_that_runs(runtime: FakeRuntime) -> None:
    """The kubelet's resize tells no nodes; a policy is of a creation alone and stays as it is."""
    session = accept(runtime, *NEW)
    create(session, N0, memory_policy="Preferred")
    resized = wire.UpdateContainerRequest(
        pod=wire.PodSandbox(
            id="p",
            uid="u",
            name="llama-0",
            namespace="default",
            annotations={"numalocal.io/memory-policy": "Preferred"},
        ),
        container=wire.Container(id="c", pod_sandbox_id="p", name="engine"),
        linux_resources=wire.LinuxResources(cpu=wire.LinuxCPU(cpus="0-7", mems="0-2")),
    )

    answer = session.call("UpdateContainer", resized.SerializeToString())

    (one,) = wire.UpdateContainerResponse.FromString(answer.payload).update
    assert (one.linux.resources.cpu.cpus, one.linux.resources.cpu.mems) == ("2-3", "0-2")
