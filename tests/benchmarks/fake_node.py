"""A node for the agent alone: the real process, a fake machine, and this process as the others.

The kubelet's and the runtime's halves are the tests' own, so every call goes over a real socket.
"""

import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from numalocal import names
from numalocal_deviceplugin.wire import deviceplugin_v1beta1_pb2 as kubelet_wire
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

from ..deviceplugin.fake_kubelet import FakeKubelet, FakePodResources
from ..deviceplugin.fake_runtime import FakeRuntime, Session
from ..deviceplugin.nodes import make_machine, write_sysfs
from ..deviceplugin.waiting import until
from .fake_cgroups import FakeCgroups

ROOT = Path(__file__).parents[2]
POOL = "cpuset"
START_LIMIT_S = 30.0
_VARIABLES = [f"SETTING_{number}=value-{number:024}" for number in range(40)]
"""What a pod of a namespace with a dozen services has."""
_TOLD = nri.ConfigureRequest(
    runtime_name="containerd", runtime_version="v2.4.2", nri_version="v0.12.3"
)
_SANDBOX_STOPPED = 2
"""NRI's STOP_POD_SANDBOX: from then on nobody of the pod runs."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A machine of as many CPU sets as its NUMA nodes have cores but one each, by `size`."""

    nodes: int
    cores: int
    size: int

    @property
    def sets(self) -> int:
        return self.nodes * ((self.cores - 1) // self.size)


SETS_64 = Shape(nodes=2, cores=65, size=2)  # 260 CPUs
SETS_512 = Shape(nodes=8, cores=65, size=1)  # 1040 CPUs
SETS_16X32 = Shape(nodes=16, cores=33, size=1)  # 512 of 16 nodes


class FakeNode:
    """A registered and synchronized agent, and what kubelet and runtime do with it."""

    def __init__(
        self,
        *,
        process: "subprocess.Popen[bytes]",
        kubelet: FakeKubelet,
        resources: FakePodResources,
        runtime: FakeRuntime,
        cgroups: FakeCgroups,
        url: str,
    ) -> None:
        self.process = process
        self.url = url
        self._cgroups = cgroups
        self._undone: list[tuple[nri.Container, nri.CreateContainerResponse]] = []
        self.kubelet = kubelet
        self._resources = resources
        self._runtime = runtime
        self._sessions: queue.Queue[Session] = queue.Queue()
        threading.Thread(target=self._accept, daemon=True).start()
        self.session = self._sessions.get(timeout=START_LIMIT_S)
        self.session.synchronize()

    def rest(self, seconds: float) -> None:
        """Let the agent be for a while; what it asks the runtime for is done."""
        self.settle()
        time.sleep(max(seconds, 0))

    def synchronize_again(self, request: nri.SynchronizeRequest) -> float:
        """Drop the connection as a runtime that restarts; give the seconds of its full list."""
        self.session.close()
        self.session = self._sessions.get(timeout=START_LIMIT_S)
        started = time.perf_counter()
        self.session.synchronize(request)
        return time.perf_counter() - started

    def cpu_s(self) -> float:
        """CPU time of all threads, ended ones included; the kernel's CPUCLOCK_SCHED of a pid."""
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def memory_bytes(self) -> tuple[int, int]:
        """Resident, and in proportion where pages are shared (/proc/PID/smaps_rollup)."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        kib = {words[0]: int(words[1]) for line in text.splitlines()[1:] if (words := line.split())}
        return kib["Rss:"] << 10, kib["Pss:"] << 10

    def allocate(self, ids: Sequence[str]) -> kubelet_wire.ContainerAllocateResponse:
        one = kubelet_wire.ContainerAllocateRequest(devices_ids=ids)
        request = kubelet_wire.AllocateRequest(container_requests=[one])
        answer = self.kubelet.plugin.stub.Allocate(request)
        given: kubelet_wire.ContainerAllocateResponse = answer.container_responses[0]
        return given

    def admit(self, name: str, ids: Sequence[str]) -> None:
        """Let the kubelet list a pod's devices, as it does from the pod's admission."""
        self._resources.pods[f"default/{name}"] = [("engine", names.resource(POOL), list(ids))]

    def create(self, pod: nri.PodSandbox, container: nri.Container) -> nri.CreateContainerResponse:
        request = nri.CreateContainerRequest(pod=pod, container=container)
        answer = self.session.call("CreateContainer", request.SerializeToString())
        assert answer.code == 0, answer.message
        answered = nri.CreateContainerResponse.FromString(answer.payload)
        self._undone.append((container, answered))
        return answered

    def settle(self) -> None:
        """Do what the agent answered to creations: not at once, as calls are timed."""
        for container, answered in self._undone:
            self._cgroups.update(answered.update)
            self._cgroups.make(container, answered.adjust.linux.resources.cpu)
        self._undone.clear()

    def end(self, pod: nri.PodSandbox, containers: Sequence[nri.Container]) -> None:
        """Stop a pod as a runtime does: its containers, its sandbox; then remove them."""
        self.settle()
        for one in containers:
            stop = nri.StopContainerRequest(pod=pod, container=one)
            assert self.session.call("StopContainer", stop.SerializeToString()).code == 0
        event = nri.StateChangeEvent(pod=pod)
        event.event = _SANDBOX_STOPPED  # type: ignore[assignment]
        assert self.session.call("StateChange", event.SerializeToString()).code == 0
        for one in containers:
            remove = nri.RemoveContainerRequest(pod=pod, container=one)
            assert self.session.call("RemoveContainer", remove.SerializeToString()).code == 0
            self._cgroups.remove(one)
        self._resources.pods.pop(f"default/{pod.name}", None)

    def _accept(self) -> None:
        """Take the agent's plugin; the other one comes, corrects and goes."""
        while True:
            try:
                session = self._runtime.accept()
                if session.register(_TOLD).plugin_name == names.PLUGIN:
                    self._sessions.put(session)
                else:
                    self._cgroups.update(session.synchronize().update)
                    session.close()
            except TimeoutError:
                continue
            except (EOFError, OSError):
                if self.process.poll() is not None:
                    return


@contextmanager
def fake_node(shape: Shape) -> Iterator[tuple[FakeNode, float]]:
    """Start an agent; give the node once all sets are healthy, and the seconds until then."""
    with tempfile.TemporaryDirectory(prefix="nl-") as name:
        directory = Path(name)
        write_sysfs(directory / "root", make_machine(shape.nodes, shape.cores, 2))
        cgroups = FakeCgroups(directory / "root/sys/fs/cgroup")
        address = f"127.0.0.1:{_free_port()}"
        (directory / "dp").mkdir()
        (directory / "pools.yaml").write_text(f"- {{name: {POOL}, size: {shape.size}}}\n")
        with (
            FakePodResources(directory / "pods.sock") as resources,
            FakeKubelet(directory / "dp") as kubelet,
            FakeRuntime(directory / "nri.sock") as runtime,
            (directory / "log").open("wb") as log,
        ):
            started = time.perf_counter()
            process = subprocess.Popen(_command(directory, address), stderr=log, env=_environment())
            try:
                node = FakeNode(
                    process=process,
                    kubelet=kubelet,
                    resources=resources,
                    runtime=runtime,
                    cgroups=cgroups,
                    url=f"http://{address}",
                )
                until(lambda: _healthy(kubelet) == shape.sets, "all healthy", START_LIMIT_S)
                yield node, time.perf_counter() - started
            finally:
                process.terminate()
                process.wait(10)


def pod(name: str, **annotations: str) -> nri.PodSandbox:
    return nri.PodSandbox(
        id=f"sandbox-of-{name}",
        name=name,
        uid=f"uid_of_{name.replace('-', '_')}",
        namespace="default",
        labels={"app": name},
        annotations={
            f"numalocal.io/{key.replace('_', '-')}": annotations[key] for key in annotations
        },
    )


def container(
    owner: nri.PodSandbox, name: str, given: kubelet_wire.ContainerAllocateResponse | None = None
) -> nri.Container:
    """Make a container as the runtime tells of it, with what Allocate gave it."""
    one = nri.Container(
        id=f"{name}-of-{owner.name}",
        pod_sandbox_id=owner.id,
        name=name,
        state=nri.CONTAINER_RUNNING,
        annotations={"io.kubernetes.cri.container-name": name},
        args=["serve", "--model", "model", "--port", "8000"],
        env=_VARIABLES,
    )
    one.linux.cgroups_path = f"kubepods-pod{owner.uid}.slice:cri-containerd:{one.id}"
    if given is not None:
        one.annotations.update(given.annotations)
        one.env.extend(f"{key}={value}" for key, value in given.envs.items())
    return one


def _healthy(kubelet: FakeKubelet) -> int:
    return sum(health == "Healthy" for health in (kubelet.devices or {}).values())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _command(directory: Path, address: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "numalocal_deviceplugin",
        f"--root={directory / 'root'}",
        f"--device-plugin-dir={directory / 'dp'}",
        f"--pod-resources-socket={directory / 'pods.sock'}",
        f"--nri-socket={directory / 'nri.sock'}",
        f"--pools={directory / 'pools.yaml'}",
        f"--http-address={address}",
    ]


def _environment() -> dict[str, str]:
    """Give what a pod's container has, and where this tree's code is."""
    sources = os.pathsep.join(str(ROOT / source) for source in ("core", "deviceplugin"))
    return {"PATH": os.environ["PATH"], "PYTHONPATH": sources, "GRPC_VERBOSITY": "NONE"}
