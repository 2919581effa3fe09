"""Limits of an engine's container and of its whole pod, against the CPU sets and their memory."""

from collections.abc import Mapping
from typing import Any

from numalocal.errors import SpecInvalid
from numalocal.fields import Fields
from numalocal.problems import Problem
from numalocal.quantity import parse_quantity
from numalocal.worker import containers


def check_cpu(
    limited: Fields, ranks: int, cpus_per_set: int | None, left_out: str = "leave it out"
) -> None:
    """Refuse a CPU quota below the sets: it would throttle threads that own their cores.

    Where it is not known what they have, `cpus_per_set` is None and nothing is refused.
    """
    limits = limited.below("resources").below("limits")
    cpu = limits.raw("cpu")
    if cpu is None or cpus_per_set is None:
        return
    least = ranks * cpus_per_set
    try:
        enough = parse_quantity(str(cpu).strip()) >= least
    except ValueError:
        return  # said already
    if not enough:
        message = f"throttles threads that own their cores: raise it to the {least} CPUs of the "
        limits.problem("cpu", cpu, f"{message}CPU sets, or {left_out}")


def check_memory(
    limited: Fields, asked: str, memory_bytes: int | None, left_out: str = "leave it out"
) -> None:
    """Refuse less memory than the ranks ask for; `asked` says how that is made up."""
    limits = limited.below("resources").below("limits")
    limit_bytes = containers.memory_bytes(limited.below("resources"), "limits")
    if limit_bytes and memory_bytes and limit_bytes < memory_bytes:
        message = f"is less than {asked} = {memory_bytes} bytes; raise it, or {left_out}"
        limits.problem("memory", limits.raw("memory"), message)


def refuse_quota(
    template: Mapping[str, Any], engine: str, ranks: int, cpus_per_set: int | None
) -> None:
    """Refuse a worker's template whose CPU limit its sets exceed wherever it may come to.

    It has been read; `engine` names the engine's container.

    Raises:
        SpecInvalid: with the limits of container and pod that are too low.
    """
    problems: list[Problem] = []
    spec = Fields(template, "spec.template", problems).below("spec")
    found = (one for one in spec.each("containers") if one.raw("name") == engine)
    for limited in (spec, *found):
        check_cpu(limited, ranks, cpus_per_set)
    if problems:
        raise SpecInvalid(problems)
