"""Read YAML documents from files and streams."""

import codecs
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from numalocal import names
from numalocal.errors import SpecInvalid
from numalocal.problems import Problem, shown
from numalocal.sets.poolfile import parse_pools
from numalocal.sets.pools import Pool
from numalocal.worker import workloads
from numalocal.worker.composing import MAX_SIZE, NotPlain, compose

Source = Path | IO[bytes]
"""A file, or a stream that is open already, which is called standard input."""

_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_KINDS: Final = 5
"""How many kinds a message names."""


def load(source: Source) -> list[Any]:
    """Read all documents, empty ones left out: mappings, lists and scalars as JSON has them.

    Raises:
        SpecInvalid: where the source cannot be read or is no such YAML, with the lines.
    """
    try:
        return [one for one in compose(_text(source)) if one is not None]
    except NotPlain as error:
        raise SpecInvalid([_problem(source, sentence) for sentence in error.sentences]) from error


def load_one(source: Source) -> Any:
    """Read the document of a source that holds one.

    Raises:
        SpecInvalid: where it holds none or several.
    """
    documents = load(source)
    if len(documents) != 1:
        raise SpecInvalid([_problem(source, f"must hold one document, holds {len(documents)}")])
    return documents[0]


def load_pools(source: Source) -> tuple[Pool, ...]:
    """Read a pool file for a bare machine, where a pool may reserve nothing.

    Raises:
        SpecInvalid: where it cannot be read or has problems.
    """
    return parse_pools(load_one(source), least_reserve=0)


def load_worker(source: Source) -> Mapping[str, Any]:
    """Read the one CpuInferenceWorker of a source; other kinds beside it are passed over.

    Raises:
        SpecInvalid: where it holds none or several.
    """
    objects = [one for document in load(source) for one in _listed(document)]
    workers = [one for one in objects if isinstance(one, Mapping) and one.get("kind") == names.KIND]
    if len(workers) != 1:
        message = f"must hold one document with kind: {names.KIND}, holds {len(workers)}"
        raise SpecInvalid([_problem(source, f"{message}{'' if workers else _found(objects)}")])
    return workers[0]


def load_objects(source: Source) -> list[Mapping[str, Any]]:
    """Read all objects of a source, those of a List one by one.

    Raises:
        SpecInvalid: where it cannot be read, or holds anything else.
    """
    objects = [one for document in load(source) for one in _listed(document)]
    if not objects or not all(isinstance(one, Mapping) for one in objects):
        raise SpecInvalid([_problem(source, "must hold Kubernetes objects")])
    return objects


def _listed(document: Any) -> list[Any]:
    """Give the objects of a List, as `kubectl get -o yaml` writes one."""
    if isinstance(document, Mapping) and str(document.get("kind")).endswith("List"):
        items = document.get("items")
        return items if isinstance(items, list) else []
    return [document]


def _found(objects: Sequence[Any]) -> str:
    """Name the kinds that there are instead, and the command that takes such."""
    kinds = [
        shown(one["kind"]) if isinstance(one, Mapping) and "kind" in one else "one without a kind"
        for one in objects
    ]
    several = list(dict.fromkeys(kinds))
    more = ", ..." if len(several) > _KINDS else ""
    if not several:
        return ""
    annotated = any(shown(kind) in several for kind in workloads.KINDS)
    taken = "; see numalocal annotate" if annotated else ""
    return f" (found: {', '.join(several[:_KINDS])}{more}{taken})"


def _text(source: Source) -> str:
    """Read at most what a document may have, as the endless file cannot be read to its end."""
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                data = file.read(MAX_SIZE + 1)
        else:
            data = source.read(MAX_SIZE + 1)
    except OSError as error:
        raise NotPlain(f"cannot be read: {error.strerror}") from error
    if len(data) > MAX_SIZE:
        raise NotPlain(f"is larger than {MAX_SIZE >> 20} MiB")
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NotPlain(f"is no {encoding} text: {error.reason}, line {line}") from error


def _problem(source: Source, message: str) -> Problem:
    name = str(source) if isinstance(source, Path) else "standard input"
    return Problem("file", name, message)
