"""Pods as a cluster has them, and what the kubelet and the runtime of the model know of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from numalocal import names
from numalocal.idset import IdSet, union
from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.pods import CONFIG_SOURCE
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

LEFT_ALONE = "kube-system"
RUNNING, STOPPED = nri.CONTAINER_RUNNING, nri.CONTAINER_STOPPED


@dataclass(frozen=True)
class Memory:
    """The memory nodes of a container, `tiered` and `flat` by whether the machine has its tier.

    Empty are its sets' own, and None that it cannot be had.  `policy` is the kernel's mode where it
    has one, of NRI's numbers, and `only_tiered` that it has it on a machine with the tier alone.
    """

    tiered: str | None = ""
    flat: str | None = ""
    policy: int = 0
    only_tiered: bool = False

    def policy_of(self, *, tiered: bool) -> int:
        return 0 if self.only_tiered and not tiered else self.policy


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a pod asks for; `hostile` ones must get nothing, whatever they write.

    `memory` is where it has memory, and how.
    """

    name: str
    requests: Mapping[str, int]
    containers: tuple[str, ...] = ("engine",)
    checked: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)
    namespace: str = "default"
    hostile: bool = False
    memory: Memory = Memory()
    copies_annotations: bool = False

    @property
    def takes_less(self) -> bool:
        return self.annotations.get(names.ANNOTATION_ENFORCEMENT) == "BestEffort"


_WORKER = {
    names.ANNOTATION_CPUSETS: "1",
    names.ANNOTATION_CONTAINER: "engine",
    names.ANNOTATION_ENGINE: "vllm",
    names.ANNOTATION_BOUND_CONTAINERS: names.CHECK_CONTAINER,
}
_REQUIRES = {names.ANNOTATION_REQUIRED_PLUGINS: f"[{names.PLUGIN}]"}
_FORGED = Assignment.parse(
    '{"sets":[{"id":"cpuset-n0-c2x2","pool":"cpuset","cpus":"2-3","numaNode":0,"memoryBytes":1}]}'
).to_json()

KINDS = (
    Kind(name="worker", requests={"engine": 1}, checked=True, annotations=_WORKER),
    Kind(name="web", requests={}, containers=("app",)),
    Kind(name="bare", requests={"engine": 1}),
    Kind(name="ranks", requests={"engine": 2}, checked=True, annotations=_WORKER),
    Kind(name="both", requests={"one": 1, "two": 1}, containers=("one", "two", "proxy")),
    Kind(name="system", requests={}, containers=("app",), namespace=LEFT_ALONE),
    Kind(
        name="forger",
        requests={},
        containers=("app",),
        annotations={names.assignment("cpuset"): _FORGED},
        hostile=True,
        copies_annotations=True,
    ),
    Kind(
        name="wide",
        requests={"engine": 1},
        checked=True,
        annotations=_WORKER | {names.ANNOTATION_MEMORY_NODES: "Any"},
        memory=Memory("0-2", "0-1"),
    ),
    Kind(
        name="prefers",
        requests={"engine": 1},
        checked=True,
        annotations=_WORKER | _REQUIRES | {names.ANNOTATION_MEMORY_POLICY: "Preferred"},
        memory=Memory("0-2", "0-1", nri.MPOL_PREFERRED_MANY),
    ),
    Kind(
        name="turns",
        requests={"engine": 1},
        annotations=_WORKER
        | {names.ANNOTATION_MEMORY_POLICY: "Interleave", names.ANNOTATION_MEMORY_NODES: "Any"},
        memory=Memory("0-2", "0-1", nri.MPOL_INTERLEAVE),
    ),
    Kind(
        name="loose",
        requests={"engine": 1},
        annotations=_WORKER
        | {
            names.ANNOTATION_MEMORY_POLICY: "Interleave",
            names.ANNOTATION_MEMORY_NODES: "Any",
            names.ANNOTATION_ENFORCEMENT: "BestEffort",
        },
        memory=Memory("0-2", "0-1", nri.MPOL_INTERLEAVE),
    ),
    Kind(
        name="spills",
        requests={"engine": 1},
        checked=True,
        annotations=_WORKER
        | {names.ANNOTATION_MEMORY: "18Gi", names.ANNOTATION_ON_OVERFLOW: "Interleave"},
        memory=Memory("0-2", "", nri.MPOL_INTERLEAVE, only_tiered=True),
    ),
    Kind(
        name="tier",
        requests={"engine": 1},
        annotations=_WORKER | {names.ANNOTATION_MEMORY_NODES: "MemoryOnly"},
        memory=Memory("2", None),
    ),
    Kind(
        name="words",
        requests={"engine": 1},
        annotations=_WORKER | {names.ANNOTATION_MEMORY_POLICY: "Any" * 2000},
        hostile=True,
    ),
    Kind(
        name="digits",
        requests={"engine": 1},
        annotations=_WORKER | {names.ANNOTATION_RESERVED_CORES: "9" * 5000},
        hostile=True,
    ),
)
AGENT = Kind(name="agent", requests={}, containers=("agent",), namespace=LEFT_ALONE)


@dataclass(eq=False)
class Sandbox:
    """`before` is the one whose place it took.

    `told` says that the agent has heard of its stop, or could not, and `outlived` that it has heard
    of the stop of one that came after it, which is the end of both.  `listed`: the runtime could
    find out its state when it started.
    """

    id: str
    pod: "Pod"
    before: "Sandbox | None" = None
    stopped: bool = False
    listed: bool = True
    told: bool = False
    outlived: bool = False

    def hear(self) -> None:
        """Let the agent have heard of its stop."""
        self.told, one = True, self.before
        while one is not None:
            one.outlived, one = True, one.before

    def message(self) -> nri.PodSandbox:
        pod = self.pod
        return nri.PodSandbox(
            id=self.id,
            uid=pod.uid,
            namespace=pod.kind.namespace,
            name=pod.name,
            annotations={**pod.kind.annotations, CONFIG_SOURCE: "api"},
        )


@dataclass(eq=False)
class Container:
    """`answered`: the agent answered when it was created, and `born_on` says with which CPUs.

    `policy` is the kernel's mode that it was created with.
    """

    id: str
    sandbox: Sandbox
    name: str
    annotations: dict[str, str]
    env: list[str]
    state: nri.ContainerState = RUNNING
    cpus: str = ""
    mems: str = ""
    answered: bool = False
    policy: int = 0
    born_on: IdSet = IdSet()  # noqa: RUF009 - immutable

    @property
    def pod(self) -> "Pod":
        return self.sandbox.pod

    @property
    def live(self) -> bool:
        return self.state != STOPPED

    @property
    def given(self) -> Assignment | None:
        """What the kubelet made it with; None for one without."""
        if self.pod.kind.hostile and self.pod.kind.copies_annotations:
            return None
        texts = [self.annotations[key] for key in self.annotations if key.startswith("assignment")]
        return Assignment.parse(texts[0]) if texts else None

    def runs_on(self, online: IdSet) -> IdSet:
        """Where the kernel lets it run: an empty intersection is the parent's."""
        return IdSet.parse(self.cpus) & online or online

    def message(self) -> nri.Container:
        cpu = nri.LinuxCPU(cpus=self.cpus, mems=self.mems)
        pod = self.pod
        labels = {"uid": pod.uid, "namespace": pod.kind.namespace, "name": pod.name}
        return nri.Container(
            id=self.id,
            pod_sandbox_id=self.sandbox.id,
            name=self.name,
            state=self.state,
            labels={f"io.kubernetes.pod.{key}": value for key, value in labels.items()},
            annotations=self.annotations,
            args=["serve"],
            env=self.env,
            linux=nri.LinuxContainer(resources=nri.LinuxResources(cpu=cpu)),
        )


@dataclass(frozen=True)
class Given:
    """What Allocate answered for a container, which the kubelet repeats at its every start."""

    pool: str
    ids: tuple[str, ...]
    annotations: Mapping[str, str]
    environment: Mapping[str, str]


@dataclass(eq=False)
class Pod:
    """`given` is the kubelet's checkpoint, `once` all that it ever gave.

    `known`: the kubelet knows the pod.  `wanted`: it has not been deleted.
    """

    uid: str
    name: str
    kind: Kind
    given: dict[str, Given] = field(default_factory=dict)
    once: dict[str, Given] = field(default_factory=dict)
    admitted: bool = False
    known: bool = True
    wanted: bool = True
    checked: bool = False
    sandbox: Sandbox | None = None

    @property
    def subject(self) -> str:
        return f"{self.kind.namespace}/{self.name}"

    @property
    def cpus(self) -> IdSet:
        """All CPUs that it was ever given."""
        return union(cpus_of(one) for one in self.once.values())


def cpus_of(given: Given) -> IdSet:
    (text,) = given.annotations.values()
    return Assignment.parse(text).cpus
