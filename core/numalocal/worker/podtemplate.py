"""Pod templates and pods, which have one shape: the raw object in, a Template or all its problems.

A worker's template may hold nothing that the worker's spec says; a pod that asks by annotation has
been made by somebody else, and only what works against its CPU sets is refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from numalocal import names
from numalocal.fields import Fields
from numalocal.problems import printable
from numalocal.worker import containers, limits, misspelt
from numalocal.worker.ask import Ask
from numalocal.worker.containers import Container

ENGINE_CONTAINER: Final = "engine"
DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"
"""The annotation that names the container which kubectl, and people, mean without naming one."""
KSERVE_CONTAINER: Final = "kserve-container"
"""KServe's name of the model server (pkg/constants)."""
LIMIT_RANGER: Final = "kubernetes.io/limit-ranger"
"""The annotation by which the API server says what a LimitRange of the namespace has set."""
_MOST_NAMES: Final = 300
"""Characters of all containers' names in a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A pod template that Kubernetes can take and numalocal can fill.

    `raw` is the document's own, for what passes through: every field that a pod is made from has
    been read, so no part of it can be of another shape.  `engine` is the one of `containers` that
    gets the CPU sets; `guessed` tells that nothing names it, and it is the first.  `misspelt` says
    which fields Kubernetes will not know.
    """

    raw: Mapping[str, Any]
    engine: Container
    guessed: bool
    containers: tuple[Container, ...]
    init_containers: tuple[Container, ...]
    misspelt: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the template may not expect, a sentence each."""
        if not self.guessed or len(self.containers) == 1:
            return self.misspelt
        return (
            *self.misspelt,
            f"container {self.engine.name} gets the CPU sets, as it is the first of "
            f"{len(self.containers)} and none is named {ENGINE_CONTAINER}: name the engine's so if "
            "it is another",
        )


@dataclass(frozen=True, slots=True)
class _Read:
    """A template with the fields that it was read from."""

    template: Template
    spec: Fields
    containers: Sequence[Fields]
    engine: Fields


def parse(template: Fields, ranks: int, memory_bytes: int | None) -> Template | None:
    """Read a worker's template, noting what is wrong; None where it has no container.

    `memory_bytes` is what all ranks need, None = not known.
    """
    _refuse_ours(template.below("metadata"))
    policy = template.below("spec").raw("restartPolicy")
    if policy not in (None, "Always"):
        message = "must be Always: a worker serves until it is deleted"
        template.below("spec").problem("restartPolicy", policy, message)
    read = _read(template, None)
    if read is None:
        return None
    for one in (read.spec, *read.containers):
        for amounts, resource in containers.requested_sets(one):
            message = "must not be requested here: spec.ranks and spec.pool say it"
            amounts.problem(resource, amounts.raw(resource), message)
    for limited in (read.spec, read.engine):  # limits of the whole pod bind the engine as well
        limits.check_memory(limited, f"{ranks} x spec.memory.perRank", memory_bytes)
    return read.template


def parse_pod(pod: Fields, ask: Ask, cpus_per_set: int | None) -> Template | None:
    """Read a pod that asks by annotation, noting what is wrong; None where it has no container.

    `cpus_per_set` is what its sets have, None = not known.
    """
    read = _read(pod, ask.container)
    if read is None:
        return None
    ours = names.resource(ask.pool)
    for one in (read.spec, *read.containers):
        for amounts, resource in containers.requested_sets(one):
            value = amounts.raw(resource)
            if one is not read.engine:
                message = f"must be left out: only container {read.template.engine.name} of this "
                amounts.problem(resource, value, f"{message}pod gets CPU sets")
            elif resource != ours or str(value) != str(ask.ranks):
                message = f"contradicts annotation {names.ANNOTATION_CPUSETS}, which asks for "
                amounts.problem(resource, value, f"{message}{ask.ranks} of {ours}: leave it out")
    given = pod.below("metadata").below("annotations").raw(LIMIT_RANGER)
    left_out = "leave it out" if given is None else "ask for it: a LimitRange sets what is left out"
    for limited in (read.spec, read.engine):
        limits.check_cpu(limited, ask.ranks, cpus_per_set, left_out)
        asked = f"{ask.ranks} x annotation {names.ANNOTATION_MEMORY}"
        limits.check_memory(limited, asked, ask.memory_bytes, left_out)
    return read.template


def _read(template: Fields, named: str | None) -> _Read | None:
    """Read what is common to all pods; `named` is the engine's container, None = not said."""
    spec = template.below("spec")
    _check_spec(spec)
    inits, rest = spec.each("initContainers"), spec.each("containers")
    init_containers = tuple(containers.parse(one) for one in inits)
    found = tuple(containers.parse(one) for one in rest)
    _check_names((*inits, *rest))
    if spec.raw("containers") in (None, []):
        spec.problem("containers", spec.raw("containers"), "must list at least one container")
    for kind in ("requests", "limits"):
        containers.memory_bytes(spec.below("resources"), kind)
    if not found:
        return None
    place, guessed = _engine(template.below("metadata"), [one.name for one in found], named)
    made = Template(
        raw=template.whole,
        engine=found[place],
        guessed=guessed,
        containers=found,
        init_containers=init_containers,
        misspelt=misspelt.notes(spec, (*inits, *rest)),
    )
    return _Read(made, spec, (*inits, *rest), rest[place])


def _engine(metadata: Fields, found: Sequence[str], named: str | None) -> tuple[int, bool]:
    """Find the place of the engine's container, and tell whether nothing names it."""
    annotations = metadata.below("annotations")
    if named is not None and named not in found:
        message = f"is no container of this pod: {printable(', '.join(found), _MOST_NAMES)}"
        annotations.problem(names.ANNOTATION_CONTAINER, named, message)
    default = annotations.raw(DEFAULT_CONTAINER)
    for name in (named, ENGINE_CONTAINER, default, KSERVE_CONTAINER):
        if name in found:
            return found.index(name), False
    return 0, True


def _refuse_ours(metadata: Fields) -> None:
    """Refuse our own labels and annotations: the spec's fields say what they would say."""
    for kind in ("labels", "annotations"):
        given = metadata.below(kind)
        for name in metadata.table(kind):
            if name.startswith(f"{names.DOMAIN}/"):
                message = "must be left out: numalocal writes it from the spec"
                given.problem(name, given.raw(name), message)


def _check_spec(spec: Fields) -> None:
    if node := spec.text("nodeName"):
        message = "must be left out: the scheduler knows where CPU sets are free (see nodeSelector)"
        spec.problem("nodeName", node, message)
    system = spec.below("os")
    if system.text("name") not in (None, "linux"):
        system.problem("name", system.raw("name"), "must be linux: no other system has CPU sets")
    for volume in spec.each("volumes"):
        if volume.raw("name") == names.SHM_VOLUME:
            message = "is the volume that numalocal adds; choose another name"
            volume.problem("name", names.SHM_VOLUME, message)


def _check_names(all_containers: Iterable[Fields]) -> None:
    """Refuse two containers of one name, init containers included, as the API server does."""
    seen: set[str] = set()
    for one in all_containers:
        name = one.raw("name")
        if isinstance(name, str) and name in seen:
            one.problem("name", name, "is another container's name; give each its own")
        seen.add(str(name))
