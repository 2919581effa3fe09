"""The assignment: the CPU sets that one container, or one local worker, was given."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from numalocal import names
from numalocal.errors import AssignmentInvalid
from numalocal.idset import MAX_ID, IdSet, union
from numalocal.problems import shown
from numalocal.sets.cpusets import CpuSet, in_rank_order

MAX_SETS: Final = 64
"""CPU sets of one container: that many ranks no engine has."""
MAX_TEXT: Final = 1 << 16
"""Characters of an annotation: the sets of the largest machine take fewer."""
_MAX_BYTES: Final = (1 << 63) - 1
_MAX_THREADS: Final = 64
"""More threads per core than that no architecture will have."""
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
"""Pools and device ids: both are parts of names that Kubernetes allows 63 characters."""


@dataclass(frozen=True)
class Assignment:
    """CPU sets in rank order: rank r owns `sets[r]`.  Build it with `of`."""

    sets: tuple[CpuSet, ...]

    @classmethod
    def of(cls, sets: Iterable[CpuSet]) -> "Assignment":
        """Put the sets into rank order."""
        return cls(in_rank_order(sets))

    @classmethod
    def parse(cls, text: str) -> "Assignment":
        """Read what `to_json` wrote, from a text that may be anybody's.

        Raises:
            AssignmentInvalid: where the text is anything else.
        """
        try:
            return cls(tuple(_sets(text)))
        except (ValueError, KeyError, RecursionError) as error:
            why = f"it has no {error}" if isinstance(error, KeyError) else error
            raise AssignmentInvalid(
                f"{shown(text)} is not an assignment ({why}); delete the pod so that it gets a new "
                "one"
            ) from error

    @cached_property
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


def _sets(text: str) -> Iterable[CpuSet]:
    """Read the sets, of which none has an id or a CPU of another; ValueError for anything else."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"it has {len(text)} characters, more than {MAX_TEXT}")
    entries = _mapping(json.loads(text))["sets"]
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_SETS:
        raise ValueError(f"sets are {shown(entries)}, not a list of 1 to {MAX_SETS}")
    sets = [_set(_mapping(entry)) for entry in entries]
    cpus = union(one.cpus for one in sets)
    if len({one.id for one in sets}) < len(sets) or len(cpus) < sum(len(one.cpus) for one in sets):
        raise ValueError("two sets have the same id or CPU")
    return sets


def _set(entry: Mapping[str, object]) -> CpuSet:
    cpus, node = _ids(entry["cpus"]), _integer(entry["numaNode"], 0, MAX_ID)
    threads = entry.get("threadsPerCore")
    return CpuSet(
        id=_name(entry["id"]),
        pool=_name(entry["pool"]),
        cpus=cpus,
        present=cpus,
        numa_node=node,
        memory_nodes=_ids(entry.get("memoryNodes", str(node))),
        memory_bytes=_integer(entry["memoryBytes"], 0, _MAX_BYTES),
        threads_per_core=None if threads is None else _integer(threads, 1, _MAX_THREADS),
    )


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{shown(value)} is no mapping")  # noqa: TRY004 - the text is at fault
    return value


def _name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"{shown(value)} is the name of no pool or set")
    return value


def _integer(value: object, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{shown(value)} is no whole number from {least} to {most}")
    return value


def _ids(value: object) -> IdSet:
    ids = IdSet.parse(value) if isinstance(value, str) else IdSet()
    if not ids:
        raise ValueError(f"{shown(value)} is no list of ids such as 0-3")
    return ids
