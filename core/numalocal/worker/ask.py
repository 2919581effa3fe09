"""What somebody asks of CPU sets: a worker in its spec, any other pod in its annotations."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeVar

from numalocal import engines, hints, names
from numalocal.engines import ENGINES, OPENMP_RUNTIMES, EngineSettings
from numalocal.fields import Fields
from numalocal.problems import Problem, printable
from numalocal.sets import poolfile
from numalocal.sets.memoryask import BOUND_LOCALLY, Enforcement, MemoryAsk, MemoryPolicy, Overflow
from numalocal.sets.near import MemoryNodes

_Word = TypeVar("_Word", bound=StrEnum)

DEFAULT_POOL: Final = "cpuset"
MAX_RANKS: Final = 64
MAX_RESERVED_CORES: Final = 1024
_DIGITS: Final = 9
_MOST: Final = 10
"""Unknown annotations that are told one by one: nobody reads more."""

ASKING: Final = (
    names.ANNOTATION_CPUSETS,
    names.ANNOTATION_POOL,
    names.ANNOTATION_ENGINE,
    names.ANNOTATION_OPENMP,
    names.ANNOTATION_RESERVED_CORES,
    names.ANNOTATION_MEMORY,
    names.ANNOTATION_KV_CACHE,
    names.ANNOTATION_MEMORY_POLICY,
    names.ANNOTATION_MEMORY_NODES,
    names.ANNOTATION_ON_OVERFLOW,
    names.ANNOTATION_ENFORCEMENT,
    names.ANNOTATION_CONTAINER,
)
"""The annotations by which a pod asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """CPU sets for one pod, and what its engine is to be told.

    `ranks` is the number of CPU sets, one for each rank.  `container` names the engine's
    container, None = by the rule of `podtemplate`.
    """

    ranks: int
    pool: str
    engine: EngineSettings
    memory_per_rank_bytes: int | None
    memory: MemoryAsk = BOUND_LOCALLY
    enforcement: Enforcement = Enforcement.REQUIRED
    container: str | None = None

    @property
    def memory_bytes(self) -> int | None:
        """Memory of all ranks, or None where no amount is asked for."""
        if self.memory_per_rank_bytes is None:
            return None
        return self.memory_per_rank_bytes * self.ranks


def ask_of(metadata: Fields) -> Ask:
    """Read what a pod asks for by its annotations, noting what is wrong with each of them."""
    read = _Annotations(metadata)
    engine = EngineSettings(
        name=read.choice(names.ANNOTATION_ENGINE, ENGINES, "none"),
        openmp=read.choice(names.ANNOTATION_OPENMP, OPENMP_RUNTIMES, "auto"),
        reserved_cores=read.number(
            names.ANNOTATION_RESERVED_CORES, least=0, most=MAX_RESERVED_CORES
        ),
    )
    per_rank_bytes = read.size_bytes(names.ANNOTATION_MEMORY)
    return Ask(
        ranks=read.number(names.ANNOTATION_CPUSETS, least=1, most=MAX_RANKS) or 1,
        pool=read.pool(),
        engine=replace(engine, kv_cache_bytes=read.kv_cache(engine.name, per_rank_bytes)),
        memory_per_rank_bytes=per_rank_bytes,
        memory=MemoryAsk(
            policy=read.word(names.ANNOTATION_MEMORY_POLICY, MemoryPolicy.BIND),
            nodes=read.word(names.ANNOTATION_MEMORY_NODES, MemoryNodes.LOCAL),
            on_overflow=read.word(names.ANNOTATION_ON_OVERFLOW, Overflow.REFUSE),
        ),
        enforcement=read.word(names.ANNOTATION_ENFORCEMENT, Enforcement.REQUIRED),
        container=read.container(),
    )


def memory_notes(ask: Ask) -> Iterator[str]:
    """Say what is asked of memory that changes nothing, whatever the machine."""
    policy, nodes = ask.memory.policy, ask.memory.nodes
    every = policy is MemoryPolicy.PREFERRED or nodes is MemoryNodes.ANY
    if ask.memory.on_overflow is Overflow.INTERLEAVE and every:
        yield (
            f"onOverflow Interleave adds nothing to memory policy {policy} with nodes {nodes}, "
            "which has every node of the machine"
        )
    elif ask.memory.on_overflow is Overflow.INTERLEAVE and ask.memory_per_rank_bytes is None:
        yield (
            "onOverflow Interleave adds no node, as nothing says how much memory a rank needs "
            f"(spec.memory.perRank, or annotation {names.ANNOTATION_MEMORY})"
        )
    if nodes is not MemoryNodes.LOCAL and ask.memory_per_rank_bytes is None:
        apart = "its engine is told no amount, and its container gets no memory limit for it"
        yield (
            f"nodes {nodes}: nothing says how much memory a rank needs (spec.memory.perRank, or "
            f"annotation {names.ANNOTATION_MEMORY}), so "
            f"{apart if ask.memory.is_apart else 'it is given no more than its CPU set has'}"
        )


def kv_cache_problem(
    engine: str, kv_cache_bytes: int, per_rank_bytes: int | None, memory: str
) -> str:
    """Say why a rank's KV cache cannot be of this size; empty where it can.

    `memory` names the field that says the memory of a rank.
    """
    if not engines.adapter(engine).kv_cache:
        able = ", ".join(name for name in ENGINES if engines.adapter(name).kv_cache)
        return f"cannot be told to engine {engine}; leave it out (engines that can: {able})"
    if per_rank_bytes is not None and kv_cache_bytes >= per_rank_bytes:
        return f"must be less than {memory}, which holds the weights as well"
    return ""


def unknown(annotations: Iterable[str]) -> tuple[str, ...]:
    """Say of annotations in our name that nobody reads which ones were meant, a sentence each."""
    found = [
        name
        for name in annotations
        if name.startswith(f"{names.DOMAIN}/") and name not in names.POD_ANNOTATIONS
    ]
    said = (f"annotation {printable(name)} is not known{_nearest(name)}" for name in found[:_MOST])
    more = len(found) - _MOST
    return (*said, *([f"{more} more annotations are not known"] if more > 0 else ()))


def _nearest(name: str) -> str:
    words = {one.rpartition("/")[2]: one for one in ASKING}
    near = hints.nearest(name.rpartition("/")[2], words)
    return f": did you mean {words[near]}?" if near else f"; known: {', '.join(ASKING)}"


class _Annotations:
    """Reads annotations, whose values are anybody's text; blanks around one are no part of it."""

    def __init__(self, metadata: Fields) -> None:
        metadata.table("annotations")  # notes what is no text
        self._annotations = metadata.below("annotations")

    def number(self, name: str, *, least: int, most: int) -> int | None:
        text = self._text(name)
        if text is None:
            return None
        is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS
        if is_number and least <= int(text) <= most:
            return int(text)
        self._problem(name, f"must be a whole number from {least} to {most}")
        return None

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        text = self._text(name)
        if text is None or text in choices:
            return default if text is None else text
        self._problem(name, hints.no_choice(text, choices))
        return default

    def word(self, name: str, default: _Word) -> _Word:
        """Read one of the words that the default is of."""
        return type(default)(self.choice(name, tuple(type(default)), default))

    def size_bytes(self, name: str) -> int | None:
        text = self._text(name)
        if text is None:
            return None
        problems: list[Problem] = []
        size = Fields({name: text}, "", problems).size_bytes(name)
        for one in problems:
            self._problem(name, one.message)
        return size

    def kv_cache(self, engine: str, per_rank_bytes: int | None) -> int | None:
        if self._text(names.ANNOTATION_KV_CACHE) == "auto":
            return None
        size = self.size_bytes(names.ANNOTATION_KV_CACHE)
        if size is None:
            return None
        memory = f"annotation {names.ANNOTATION_MEMORY}"
        if message := kv_cache_problem(engine, size, per_rank_bytes, memory):
            self._problem(names.ANNOTATION_KV_CACHE, message)
        return size

    def pool(self) -> str:
        text = self._text(names.ANNOTATION_POOL)
        if text is None or poolfile.is_name(text):
            return DEFAULT_POOL if text is None else text
        self._problem(names.ANNOTATION_POOL, poolfile.NAME_RULE)
        return DEFAULT_POOL

    def container(self) -> str | None:
        text = self._text(names.ANNOTATION_CONTAINER)
        if text is not None and not names.is_label(text):
            message = f"is no container's name, which {names.LABEL_RULE}"
            self._problem(names.ANNOTATION_CONTAINER, message)
            return None
        return text

    def _text(self, name: str) -> str | None:
        value = self._annotations.raw(name)
        return value.strip() if isinstance(value, str) else None

    def _problem(self, name: str, message: str) -> None:
        self._annotations.problem(name, self._annotations.raw(name), message)
