"""The assignment: the CPU sets that one container, or one local worker, was given."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from numalocal import names
from numalocal.errors import AssignmentInvalid, ListInvalid
from numalocal.idset import IdSet, union
from numalocal.sets.cpusets import CpuSet, in_rank_order


@dataclass(frozen=True, slots=True)
class Assignment:
    """CPU sets in rank order: rank r owns `sets[r]`.  Build it with `of`."""

    sets: tuple[CpuSet, ...]

    @classmethod
    def of(cls, sets: Iterable[CpuSet]) -> "Assignment":
        """Put the sets into rank order."""
        return cls(in_rank_order(sets))

    @classmethod
    def parse(cls, text: str) -> "Assignment":
        """Read what `to_json` wrote.

        Raises:
            AssignmentInvalid: where the text is anything else.
        """
        try:
            return cls(tuple(_set(entry) for entry in json.loads(text)["sets"]))
        except (ValueError, TypeError, KeyError, ListInvalid) as error:
            raise AssignmentInvalid(
                f"annotation {names.ANNOTATION_ASSIGNMENT}: {text!r} is not an assignment "
                f"({type(error).__name__}: {error}); delete the pod so that it gets a new one"
            ) from error

    @property
    def cpus(self) -> IdSet:
        """All CPUs of all ranks."""
        return union(one.cpus for one in self.sets)

    @property
    def mems(self) -> IdSet:
        """All NUMA nodes that the ranks take memory from."""
        return union(one.memory_nodes for one in self.sets)

    def on(self, online: IdSet) -> "Assignment":
        """Keep of every set the CPUs that are online."""
        return Assignment(tuple(one._replace(cpus=one.cpus & online) for one in self.sets))

    def environment(self) -> Mapping[str, str]:
        """The variables that every bound container gets, whatever its engine."""
        return {
            names.ENV_CPUS: str(self.cpus),
            names.ENV_MEMS: str(self.mems),
            names.ENV_RANKS: str(len(self.sets)),
            names.ENV_RANK_CPUS: "|".join(str(one.cpus) for one in self.sets),
            names.ENV_RANK_MEMS: "|".join(str(one.memory_nodes) for one in self.sets),
        }

    def to_json(self) -> str:
        """Write the annotation that carries this assignment to the container's creation."""
        return json.dumps({"sets": [_entry(one) for one in self.sets]}, separators=(",", ":"))


def _entry(one: CpuSet) -> dict[str, object]:
    """Write one set; what it has of its own node, and what nobody said, is left out."""
    entry: dict[str, object] = {
        "id": one.id,
        "pool": one.pool,
        "cpus": str(one.cpus),
        "numaNode": one.numa_node,
        "memoryBytes": one.memory_bytes,
    }
    if one.memory_nodes != IdSet.of([one.numa_node]):
        entry["memoryNodes"] = str(one.memory_nodes)
    if one.threads_per_core is not None:
        entry["threadsPerCore"] = one.threads_per_core
    return entry


def _set(entry: Mapping[str, Any]) -> CpuSet:
    threads = entry.get("threadsPerCore")
    cpus, node = IdSet.parse(entry["cpus"]), int(entry["numaNode"])
    return CpuSet(
        id=str(entry["id"]),
        pool=str(entry["pool"]),
        cpus=cpus,
        present=cpus,
        numa_node=node,
        memory_nodes=IdSet.parse(entry.get("memoryNodes", str(node))),
        memory_bytes=int(entry["memoryBytes"]),
        threads_per_core=None if threads is None else int(threads),
    )
