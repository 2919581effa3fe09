"""What a pod's annotations ask for: its engine's settings, its memory, and how strictly.

Annotations are anybody's text: what is read of them is a value, or refused with a sentence.
"""

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from numalocal import engines, names
from numalocal.engines import EngineSettings
from numalocal.problems import shown
from numalocal.quantity import parse_bytes
from numalocal.sets.memoryask import Enforcement, MemoryAsk, MemoryPolicy, Overflow
from numalocal.sets.near import MemoryNodes
from numalocal_deviceplugin.errors import BindingRefused
from numalocal_deviceplugin.pods import Pod, named

_DIGITS: Final = 9
"""No machine has as many cores; int() would raise for thousands of digits."""

_Word = TypeVar("_Word", bound=StrEnum)

_parsed_bytes = lru_cache(maxsize=256)(parse_bytes)


class MemoryOf(NamedTuple):
    """What a pod asks of its ranks' memory, and how much each is to hold, None = not said."""

    ask: MemoryAsk
    per_rank_bytes: int | None


def engine_settings(pod: Pod) -> EngineSettings:
    """Read the engine's settings; absent ones take their defaults.

    Raises:
        BindingRefused: for a value that is none of the engine's.
    """
    name = pod.annotations.get(names.ANNOTATION_ENGINE, "none")
    openmp = pod.annotations.get(names.ANNOTATION_OPENMP, "auto")
    _require_one_of(pod, names.ANNOTATION_ENGINE, name, engines.ENGINES)
    _require_one_of(pod, names.ANNOTATION_OPENMP, openmp, engines.OPENMP_RUNTIMES)
    return EngineSettings(name=name, openmp=openmp, reserved_cores=_reserved_cores(pod))


def memory(pod: Pod) -> MemoryOf:
    """Read where memory is to be taken from, and how.

    Raises:
        BindingRefused: for a value that is none of the annotation's.
    """
    ask = MemoryAsk(
        policy=_word(pod, names.ANNOTATION_MEMORY_POLICY, MemoryPolicy.BIND),
        nodes=_word(pod, names.ANNOTATION_MEMORY_NODES, MemoryNodes.LOCAL),
        on_overflow=_word(pod, names.ANNOTATION_ON_OVERFLOW, Overflow.REFUSE),
    )
    return MemoryOf(ask, _size_bytes(pod, names.ANNOTATION_MEMORY))


def enforcement(pod: Pod) -> Enforcement:
    """Read whether the pod may run without all that it asks for.

    Raises:
        BindingRefused: for a value that is none of the annotation's.
    """
    return _word(pod, names.ANNOTATION_ENFORCEMENT, Enforcement.REQUIRED)


def takes_less(pod: Pod) -> bool:
    """Tell whether a pod may run without all that it asks for; one that says nothing right not."""
    said = pod.annotations.get(names.ANNOTATION_ENFORCEMENT, "")
    return said.strip() == Enforcement.BEST_EFFORT


def _reserved_cores(pod: Pod) -> int | None:
    text = pod.annotations.get(names.ANNOTATION_RESERVED_CORES)
    if text is None or (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        return None if text is None else int(text)
    raise BindingRefused(
        f"{named(pod)}: annotation {names.ANNOTATION_RESERVED_CORES} is {shown(text)}; "
        "it must be a number of cores such as 1"
    )


def _size_bytes(pod: Pod, annotation: str) -> int | None:
    text = pod.annotations.get(annotation)
    if text is None:
        return None
    try:
        return _parsed_bytes(text.strip())
    except ValueError as error:
        raise BindingRefused(
            f"{named(pod)}: annotation {annotation} is {shown(text)}; it must be an amount of "
            "memory such as 64Gi"
        ) from error


def _word(pod: Pod, annotation: str, default: _Word) -> _Word:
    """Read one of the words that the default is of; blanks around it are no part of it."""
    text = pod.annotations.get(annotation, default).strip()
    _require_one_of(pod, annotation, text, tuple(type(default)))
    return type(default)(text)


def _require_one_of(pod: Pod, annotation: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise BindingRefused(
            f"{named(pod)}: annotation {annotation} is {shown(value)}; known: {', '.join(known)}"
        )
