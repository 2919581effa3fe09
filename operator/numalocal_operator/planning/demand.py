"""What a replica, or a pod that asks by annotation, asks of one node."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from numalocal.fields import Fields
from numalocal.quantity import parse_quantity
from numalocal.sets.memoryask import BOUND_LOCALLY, Enforcement, MemoryAsk
from numalocal.worker.ask import Ask, ask_of
from numalocal.worker.spec import Worker
from numalocal_operator.planning.constraints import Constraints, constraints


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is asked of one node; None = nothing is said.

    `cpus` are what the engine's container itself requests.
    """

    ranks: int
    pool: str
    per_rank_bytes: int | None
    cpus: Fraction | None
    asked: Constraints
    memory: MemoryAsk = BOUND_LOCALLY
    enforcement: Enforcement = Enforcement.REQUIRED


def demand(worker: Worker) -> Demand:
    """Give what a worker asks of the node of each replica."""
    spec = worker.template.raw["spec"]
    engines = (one for one in spec["containers"] if one["name"] == worker.template.engine.name)
    resources = next(engines).get("resources") or {}
    cpus = [_cpus((resources.get(kind) or {}).get("cpu")) for kind in ("requests", "limits")]
    return _of(worker.ask, spec, next((one for one in cpus if one is not None), None))


def of_annotated(pod: Mapping[str, Any]) -> Demand:
    """Give what a pod asks by annotation; what is wrong with one is another's to say."""
    return _of(ask_of(Fields(pod.get("metadata"), "metadata", [])), pod.get("spec"), None)


def admitted(needs: Demand, raw: Mapping[str, Any]) -> Demand:
    """Take selector and tolerations as a pod has them that admission has let pass."""
    found = constraints(raw)
    asked = replace(needs.asked, selector=found.selector, tolerations=found.tolerations)
    return replace(needs, asked=asked)


def _of(ask: Ask, spec: Any, cpus: Fraction | None) -> Demand:
    return Demand(
        ranks=ask.ranks,
        pool=ask.pool,
        per_rank_bytes=ask.memory_per_rank_bytes,
        cpus=cpus,
        asked=constraints(spec),
        memory=ask.memory,
        enforcement=ask.enforcement,
    )


def _cpus(amount: Any) -> Fraction | None:
    try:
        return None if amount is None else parse_quantity(str(amount).strip())
    except ValueError:
        return None
