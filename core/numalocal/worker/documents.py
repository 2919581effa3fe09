"""Read YAML documents; the only module that knows YAML."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from numalocal import names
from numalocal.errors import SpecInvalid
from numalocal.problems import Problem
from numalocal.sets.pools import Pool, parse_pools


def load(path: Path) -> list[Any]:
    """Read all documents of a YAML file, empty ones left out.

    Raises:
        SpecInvalid: where the file cannot be read or is not YAML, with file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return [document for document in yaml.safe_load_all(text) if document is not None]
    except OSError as error:
        raise SpecInvalid(
            [Problem("file", str(path), f"cannot be read: {error.strerror}")]
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = " ".join(str(error).split())
        raise SpecInvalid([Problem("file", str(path), f"is not YAML: {where}")]) from error


def load_one(path: Path) -> Any:
    """Read a YAML file that holds one document.

    Raises:
        SpecInvalid: where it holds none or several.
    """
    documents = load(path)
    if len(documents) != 1:
        message = f"must hold one document, holds {len(documents)}"
        raise SpecInvalid([Problem("file", str(path), message)])
    return documents[0]


def load_pools(path: Path) -> tuple[Pool, ...]:
    """Read a pool file for a bare machine, where a pool may reserve nothing.

    Raises:
        SpecInvalid: where it cannot be read or has problems.
    """
    return parse_pools(load_one(path), least_reserve=0)


def load_worker(path: Path) -> Mapping[str, Any]:
    """Read the one CpuInferenceWorker of a file; other kinds beside it are passed over.

    Raises:
        SpecInvalid: where the file holds none or several.
    """
    workers = [
        document
        for document in load(path)
        if isinstance(document, Mapping) and document.get("kind") == names.KIND
    ]
    if len(workers) != 1:
        message = f"must hold one document with kind: {names.KIND}, holds {len(workers)}"
        raise SpecInvalid([Problem("file", str(path), message)])
    return workers[0]
