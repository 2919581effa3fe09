"""Our values <-> the container runtime's messages."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from numalocal import names
from numalocal.errors import ListInvalid
from numalocal.idset import IdSet
from numalocal.sets.assignment import MAX_TEXT
from numalocal.sets.memoryask import MemoryPolicy
from numalocal_deviceplugin.abilities import Told
from numalocal_deviceplugin.binding import Binding
from numalocal_deviceplugin.correcting import Correction
from numalocal_deviceplugin.pods import CONFIG_SOURCE, Container, Pod, resident
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

_READ: Final = frozenset({*names.POD_ANNOTATIONS, CONFIG_SOURCE, names.ANNOTATION_REQUIRED_PLUGINS})
_MOST_KEPT: Final = 4096
"""Characters of an annotation, but for an assignment, and of a path: who writes more is refused."""


_LABEL_UID: Final = "io.kubernetes.pod.uid"
_LABEL_NAMESPACE: Final = "io.kubernetes.pod.namespace"
_LABEL_NAME: Final = "io.kubernetes.pod.name"
_MOST_TOLD: Final = 256
_MODES: Final = {
    MemoryPolicy.BIND: nri.MPOL_BIND,
    MemoryPolicy.PREFERRED: nri.MPOL_PREFERRED_MANY,
    MemoryPolicy.INTERLEAVE: nri.MPOL_INTERLEAVE,
    MemoryPolicy.WEIGHTED_INTERLEAVE: nri.MPOL_WEIGHTED_INTERLEAVE,
}


def told(message: nri.ConfigureRequest) -> Told:
    """Read what the runtime says of itself, as much of it as can be a name or a version."""
    said = (message.runtime_name, message.runtime_version, message.nri_version)
    return Told(*(one[:_MOST_TOLD] for one in said))


def uid(message: nri.PodSandbox) -> str:
    """Tell a pod from all others; one that no kubelet made may have no uid: it is its sandbox."""
    return message.uid or message.id


def pod(message: nri.PodSandbox) -> Pod:
    """Read a pod."""
    return Pod(
        id=message.id,
        uid=uid(message),
        namespace=message.namespace,
        name=message.name,
        annotations=_ours(message.annotations),
    )


def container(message: nri.Container) -> Container:
    """Read a container."""
    cpu = message.linux.resources.cpu
    return Container(
        id=message.id,
        name=message.name,
        annotations=_ours(message.annotations),
        command=tuple(message.args),
        variables={name: value for name, _, value in (one.partition("=") for one in message.env)},
        cpus=ids(cpu.cpus),
        mems=ids(cpu.mems),
        live=message.state != nri.CONTAINER_STOPPED,
        runs=message.state != nri.CONTAINER_CREATED,
        cgroup=path if len(path := message.linux.cgroups_path) <= _MOST_KEPT else "",
        quota_cpus=_quota_cpus(cpu),
    )


def _ours(annotations: Mapping[str, str]) -> Mapping[str, str]:
    """Keep what is for us, and as much of it as can be right: anybody may write for all his pods.

    One character more than is allowed is enough to be refused.
    """
    return {
        key: value[: MAX_TEXT + 1 if key.startswith(names.ASSIGNMENT_PREFIX) else _MOST_KEPT]
        for key, value in annotations.items()
        if key in _READ or key.startswith(names.ASSIGNMENT_PREFIX)
    }


def _quota_cpus(cpu: nri.LinuxCPU) -> int | None:
    quota_us, period_us = cpu.quota.value, cpu.period.value
    return max(1, quota_us // period_us) if quota_us > 0 and period_us > 0 else None


def ids(text: str) -> IdSet:
    """Read a list that somebody else wrote; what cannot be read counts as not set."""
    try:
        return IdSet.parse(text)
    except ListInvalid:
        return IdSet()


def residents(containers: Iterable[nri.Container]) -> Iterator[tuple[Pod, Container]]:
    """Read containers that live already, each with as much of its pod as it says itself."""
    for message in containers:
        yield _pod_of(message), resident(container(message))


def _pod_of(message: nri.Container) -> Pod:
    """Read what the kubelet writes on every container of its pod."""
    labels = message.labels
    return Pod(
        id=message.pod_sandbox_id,
        uid=labels[_LABEL_UID] or message.pod_sandbox_id,
        namespace=labels[_LABEL_NAMESPACE],
        name=labels[_LABEL_NAME],
        annotations={},
    )


def creation(
    binding: Binding | None, taken_back: Iterable[Correction]
) -> nri.CreateContainerResponse:
    """Write the answer to a container's creation; None leaves it as it is.

    A container that ends meanwhile must not fail the creation: what is not taken back is seen by
    the watch over the kernel's own files.
    """
    answer = nri.CreateContainerResponse()
    if binding is not None:
        for key, value in binding.environment.items():
            answer.adjust.env.add(key=key, value=value)
        _bind(answer.adjust.linux.resources.cpu, binding)
        if binding.policy_nodes:
            answer.adjust.linux.memory_policy.CopyFrom(_memory_policy(binding))
    _correct(answer, taken_back)
    return answer


def _memory_policy(binding: Binding) -> nri.LinuxMemoryPolicy:
    """Write a policy over these very nodes, whatever becomes of the container's memory nodes.

    Unless it is static the kernel counts its nodes by their place among the memory nodes whenever
    these change, and one whose nodes went and came again is over other nodes, or fewer, for good.
    """
    return nri.LinuxMemoryPolicy(
        mode=_MODES[binding.policy],
        nodes=str(binding.policy_nodes),
        flags=[nri.MPOL_F_STATIC_NODES],
    )


def update(container_id: str, binding: Binding) -> nri.UpdateContainerResponse:
    """Write the answer to the update of one container."""
    answer = nri.UpdateContainerResponse()
    _bind(answer.update.add(container_id=container_id).linux.resources.cpu, binding)
    return answer


def synchronization(corrections: Iterable[Correction]) -> nri.SynchronizeResponse:
    """Write the answer to the runtime's full list.

    Failures are ignored by the runtime: a container that ended meanwhile would otherwise have the
    whole plugin turned away.
    """
    answer = nri.SynchronizeResponse()
    _correct(answer, corrections)
    return answer


def _correct(
    answer: nri.CreateContainerResponse | nri.SynchronizeResponse, corrections: Iterable[Correction]
) -> None:
    """Write corrections in their place: parts made apart are copied into each other."""
    for one in corrections:
        update = answer.update.add(container_id=one.container.id, ignore_failure=True)
        _bind(update.linux.resources.cpu, one.binding)


def _bind(cpu: nri.LinuxCPU, binding: Binding) -> None:
    cpu.cpus, cpu.mems = str(binding.cpus), str(binding.mems)
