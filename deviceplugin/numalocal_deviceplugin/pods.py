"""Pods and containers as the container runtime knows them, and what their annotations say.

Annotations are anybody's text: what is read of them is a value, or refused with a sentence.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from numalocal import names
from numalocal.errors import ListInvalid
from numalocal.idset import IdSet
from numalocal_deviceplugin.errors import BindingRefused

_APART: Final = re.compile(r"[^a-z0-9-]+")
_REQUIRED: Final = re.compile(rf"(\d\d-)?{names.PLUGIN}", re.ASCII)
"""A plugin of the runtime's, by its name or with its index."""

_OF_BIRTH: Final = (
    names.ENV_CPUS,
    names.ENV_RANK_COMPUTE_CPUS,
    names.ENV_MEMORY_POLICY,
    names.ENV_MEMORY_POLICY_NODES,
    names.ENV_MEMORY_POLICY_UNSET,
)
_MOST_OF_VARIABLE: Final = 4096
CONFIG_SOURCE: Final = "kubernetes.io/config.source"
"""The kubelet's own annotation of every pod: `api` where the API server told it of the pod."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod as the container runtime knows it; `id` is its sandbox's, which may change."""

    id: str
    uid: str
    namespace: str
    name: str
    annotations: Mapping[str, str]


class Container(NamedTuple):
    """A container as the container runtime knows it.

    A named tuple is the quickest to replace: one worker takes CPUs back from a hundred of them.

    `annotations` are the container's own, where Allocate put the assignment.  `command` is what it
    runs, and `variables` is its environment.  `cpus` and `mems` are what its cgroup is set to,
    empty = inherited; `cgroup` is where that is, as OCI's `cgroupsPath` says it.  `live` tells that
    it is not stopped: created, running, paused and unknown ones all may run; `runs` that it was
    started.  `quota_cpus` is how many whole CPUs its CPU limit is, at least one, None = it has no
    limit.
    """

    id: str
    name: str
    annotations: Mapping[str, str]
    command: tuple[str, ...]
    variables: Mapping[str, str]
    cpus: IdSet
    mems: IdSet
    live: bool
    runs: bool = True
    cgroup: str = ""
    quota_cpus: int | None = None


def bound_containers(pod: Pod) -> frozenset[str]:
    """Name the containers that are bound to the pod's CPU sets without requesting any."""
    listed = pod.annotations.get(names.ANNOTATION_BOUND_CONTAINERS)
    if not listed:
        return frozenset()
    return frozenset(name.strip() for name in listed.split(",") if name.strip())


def requires_agent(pod: Pod) -> bool:
    """Tell whether a pod says that the runtime must not create its containers without the agent."""
    listed = pod.annotations.get(names.ANNOTATION_REQUIRED_PLUGINS, "")
    return any(_REQUIRED.fullmatch(one) for one in _APART.split(listed))


def unserved(pod: Pod, container: Container) -> BindingRefused | None:
    """Tell why a container has not what its pod says it should have; None where it has.

    The operator and the webhook give a pod what it asks for, and name the containers that are
    bound: without that nothing is guessed.
    """
    if names.ANNOTATION_BOUND_CONTAINERS not in pod.annotations:
        if names.ANNOTATION_CPUSETS not in pod.annotations:
            return None
        return BindingRefused(
            f"{where(pod, container)}: annotation {names.ANNOTATION_CPUSETS} asks for CPU sets, "
            "but numalocal's webhook did not see the pod when it was made: it was away, is "
            "disabled, or leaves out this namespace; delete the pod so that it is made again while "
            "the webhook runs, or leave the annotation out if it is a static pod, which no webhook "
            "changes"
        )
    engines_own = pod.annotations.get(names.ANNOTATION_CONTAINER) == container.name
    if engines_own and not has_assignment(container):
        return BindingRefused(
            f"{where(pod, container)}: annotation {names.ANNOTATION_CONTAINER} says that it has "
            "CPU sets, but the kubelet gave it none; delete the pod so that it is made again with "
            "what it asks for"
        )
    return None


def has_assignment(container: Container) -> bool:
    """Tell whether the kubelet gave a container CPU sets, whatever it says of them."""
    return any(key.startswith(names.ASSIGNMENT_PREFIX) for key in container.annotations)


def was_born_bound(container: Container) -> bool:
    """Tell whether the agent answered when a container was created: it always leaves a variable."""
    return names.ENV_RANK_COMPUTE_CPUS in container.variables


def born_on(container: Container) -> IdSet:
    """Give the CPUs that a container was told of when the agent bound it; empty = not known."""
    text = container.variables.get(names.ENV_CPUS, "")
    if not was_born_bound(container) or len(text) >= _MOST_OF_VARIABLE:
        return IdSet()
    try:
        return IdSet.parse(text)
    except ListInvalid:  # its own variables may hide ours
        return IdSet()


def resident(container: Container) -> Container:
    """Leave out what nobody asks a living container: a node's all together may have much of it.

    What it was created with is asked.
    """
    variables = {
        name: container.variables[name][:_MOST_OF_VARIABLE]
        for name in _OF_BIRTH
        if name in container.variables
    }
    return container._replace(command=(), variables=variables)


def where(pod: Pod, container: Container) -> str:
    """Name a container as sentences begin."""
    return f"{named(pod)}, container {container.name}"


def subject(pod: Pod, container: Container) -> str:
    """Name a container as refusals do."""
    return f"{pod.namespace}/{pod.name}/{container.name}"


def named(pod: Pod) -> str:
    """Name a pod as sentences begin."""
    return f"pod {pod.namespace}/{pod.name}"
