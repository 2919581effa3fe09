"""The pod template of a worker: the raw PodTemplateSpec in, a Template or all its problems out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from numalocal import names
from numalocal.fields import Fields
from numalocal.worker import containers
from numalocal.worker.containers import Container

ENGINE_CONTAINER: Final = "engine"
"""The container with this name is the engine's; where none has it, the first is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A pod template that Kubernetes can take and numalocal can fill.

    `raw` is the document's own, for what passes through: every field that a pod is made from has
    been read, so no part of it can be of another shape.  `engine` is the one of `containers` that
    gets the CPU sets.
    """

    raw: Mapping[str, Any]
    engine: Container
    containers: tuple[Container, ...]
    init_containers: tuple[Container, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the template may not expect, a sentence each."""
        if self.engine.name == ENGINE_CONTAINER or len(self.containers) == 1:
            return ()
        return (
            f"container {self.engine.name} gets the CPU sets, as it is the first of "
            f"{len(self.containers)} and none is named {ENGINE_CONTAINER}: name the engine's so if "
            "it is another",
        )


def parse(template: Fields, ranks: int, memory_bytes: int | None) -> Template | None:
    """Read a template, noting what is wrong; None where it has no container.

    `memory_bytes` is what all ranks need, None = not known.
    """
    _check_metadata(template.below("metadata"))
    spec = template.below("spec")
    _check_spec(spec)
    inits, rest = spec.each("initContainers"), spec.each("containers")
    init_containers = tuple(containers.parse(one) for one in inits)
    found = tuple(containers.parse(one) for one in rest)
    _check_names((*inits, *rest))
    if spec.raw("containers") in (None, []):
        spec.problem("containers", spec.raw("containers"), "must list at least one container")
    if not found:
        return None
    engine = next((one for one in found if one.name == ENGINE_CONTAINER), found[0])
    pods_bytes = containers.memory_bytes(spec.below("resources"), "limits")
    containers.memory_bytes(spec.below("resources"), "requests")
    # Limits of the whole pod bind the engine as well.
    _check_limits(spec, pods_bytes, ranks, memory_bytes)
    _check_limits(rest[found.index(engine)], engine.memory_limit_bytes, ranks, memory_bytes)
    return Template(
        raw=template.whole, engine=engine, containers=found, init_containers=init_containers
    )


def _check_metadata(metadata: Fields) -> None:
    """Refuse our own labels and annotations: the spec's fields say what they would say."""
    for kind in ("labels", "annotations"):
        given = metadata.below(kind)
        for name in metadata.table(kind):
            if name.startswith(f"{names.DOMAIN}/"):
                message = "must be left out: numalocal writes it from the spec"
                given.problem(name, given.raw(name), message)


def _check_spec(spec: Fields) -> None:
    policy = spec.raw("restartPolicy")
    if policy not in (None, "Always"):
        spec.problem("restartPolicy", policy, "must be Always: a worker serves until it is deleted")
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


def _check_limits(
    limited: Fields, limit_bytes: int | None, ranks: int, memory_bytes: int | None
) -> None:
    """Refuse what would work against the binding: a CPU quota, or less memory than the ranks'."""
    limits = limited.below("resources").below("limits")
    if (cpu := limits.raw("cpu")) is not None:
        message = "must be left out: a CPU quota throttles threads that own their cores"
        limits.problem("cpu", cpu, message)
    if limit_bytes and memory_bytes and limit_bytes < memory_bytes:
        message = (
            f"is less than {ranks} x spec.memory.perRank = {memory_bytes} bytes; "
            "raise it, or leave it out"
        )
        limits.problem("memory", limits.raw("memory"), message)
