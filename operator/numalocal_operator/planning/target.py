"""What a worker's pods are measured by, also where its spec cannot be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numalocal.errors import SpecInvalid
from numalocal.sets.memoryask import Enforcement
from numalocal.worker.spec import DEADLINE_S, MAX_REPLICAS, Worker
from numalocal_operator.planning.pod import revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`revision` is None where the spec cannot be read, and `problem` says why.

    Without progress for `deadline_s` a worker is stalled.
    `best_effort` tells that its pods may run unbound.
    A replica has `ranks` sets of at least `cpus_per_set` CPUs, None = not known.  `unfit` says why
    no node can take one, `occupied` that others have the sets now, `exposed` that one may come to a
    node that refuses it; empty where it is not so.
    """

    name: str
    uid: str
    generation: int
    replicas: int
    revision: str | None
    deadline_s: float = float(DEADLINE_S)
    paused: bool = False
    problem: str = ""
    best_effort: bool = False
    ranks: int = 1
    cpus_per_set: int | None = None
    unfit: str = ""
    occupied: str = ""
    exposed: str = ""


def target(worker: Worker) -> Target:
    """Measure by a spec as it was read."""
    return Target(
        name=worker.name,
        uid=worker.uid,
        generation=worker.generation,
        replicas=worker.replicas,
        revision=revision(worker),
        deadline_s=float(worker.progress_deadline_s),
        paused=worker.paused,
        best_effort=worker.enforcement is Enforcement.BEST_EFFORT,
        ranks=worker.ranks,
    )


def unread(raw: Mapping[str, Any], error: SpecInvalid) -> Target:
    """Measure by what is left of a spec with problems: its replicas, where they are a number."""
    metadata = raw["metadata"]
    spec = raw.get("spec")
    replicas = spec.get("replicas", 1) if isinstance(spec, Mapping) else 1
    counts = type(replicas) is int and 0 <= replicas <= MAX_REPLICAS
    return Target(
        name=metadata["name"],
        uid=metadata["uid"],
        generation=int(metadata.get("generation", 0)),
        replicas=replicas if counts else 1,
        revision=None,
        problem=str(error),
    )
