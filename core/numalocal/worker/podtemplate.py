"""Check a pod template: what would work against the CPU sets, or is numalocal's to write."""

from typing import Final

from numalocal import names
from numalocal.fields import Fields

ENGINE_CONTAINER: Final = "engine"
"""The container with this name is the engine's; where none has it, the first is."""


def engine_container(template: Fields) -> str:
    """Name the container that gets the CPU sets; the template must list one."""
    spec = template.below("spec")
    found = [str(one.raw("name")) for one in spec.each("containers")]
    if not spec.raw("containers"):
        spec.problem("containers", spec.raw("containers"), "must list at least one container")
    if not found:
        return ENGINE_CONTAINER
    return ENGINE_CONTAINER if ENGINE_CONTAINER in found else found[0]


def check(template: Fields, engine: str, ranks: int, memory_bytes: int | None) -> None:
    """Note what is wrong with a template.

    `engine` is the engine's container, and `memory_bytes` what all its ranks need, None = not
    known.
    """
    _check_metadata(template.below("metadata"))
    _check_spec(template.below("spec"), engine, ranks, memory_bytes)


def _check_metadata(metadata: Fields) -> None:
    """Refuse our own labels and annotations: the spec's fields say what they would say."""
    for kind in ("labels", "annotations"):
        given = metadata.below(kind)
        for name in given.names():
            if name.startswith(f"{names.DOMAIN}/"):
                message = "must be left out: numalocal writes it from the spec"
                given.problem(name, given.raw(name), message)


def _check_spec(spec: Fields, engine: str, ranks: int, memory_bytes: int | None) -> None:
    policy = spec.raw("restartPolicy")
    if policy not in (None, "Always"):
        spec.problem("restartPolicy", policy, "must be Always: a worker serves until it is deleted")
    containers = spec.each("containers")
    for container in (*spec.each("initContainers"), *containers):
        _check_container(container)
    engines = [one for one in containers if one.raw("name") == engine]
    # Limits of the whole pod bind the engine as well.
    for limited in (spec, *engines):
        _check_limits(limited.below("resources").below("limits"), ranks, memory_bytes)


def _check_container(container: Fields) -> None:
    name = container.raw("name")
    if not isinstance(name, str) or not name:
        container.problem("name", name, "must be the container's name")
    if name == names.CHECK_CONTAINER:
        container.problem("name", name, "is the container that numalocal adds; choose another name")
    for kind in ("requests", "limits"):
        amounts = container.below("resources").below(kind)
        for resource in amounts.names():
            if resource.startswith(f"{names.DOMAIN}/"):
                message = "must not be requested here: spec.ranks and spec.pool say it"
                amounts.problem(resource, amounts.raw(resource), message)


def _check_limits(limits: Fields, ranks: int, memory_bytes: int | None) -> None:
    """Refuse what would work against the binding: a CPU quota, or less memory than the ranks'."""
    if (cpu := limits.raw("cpu")) is not None:
        message = "must be left out: a CPU quota throttles threads that own their cores"
        limits.problem("cpu", cpu, message)
    limit_bytes = limits.size_bytes("memory")
    if limit_bytes and memory_bytes and limit_bytes < memory_bytes:
        message = (
            f"is less than {ranks} x spec.memory.perRank = {memory_bytes} bytes; "
            "raise it, or leave it out"
        )
        limits.problem("memory", limits.raw("memory"), message)
