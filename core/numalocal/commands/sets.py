"""Cut a machine by a pool file, or as suits it, and describe its sets."""

import importlib
import os
from collections.abc import Mapping
from typing import Final

from numalocal.errors import PoolUnmet
from numalocal.host.usage import users
from numalocal.machine.model import Machine
from numalocal.sets import document as sets_document
from numalocal.sets.partition import Partition, partition
from numalocal.sets.pools import Pool, default_pools

_RESERVES_NOTHING: Final = "pools: [{name: cpuset, reserve: 0}]"


def cut(machine: Machine, pool_file: str | None) -> Partition:
    """Cut a machine by a pool file, or without one as suits it.

    Raises:
        SpecInvalid: where the file has problems.
        PoolUnmet: where the machine cannot give a pool; without a file, with one that it can.
    """
    if pool_file is not None:
        # YAML takes as long to load as all else: it is for those who have a file.
        documents = importlib.import_module("numalocal.worker.documents")
        sources = importlib.import_module("numalocal.commands.sources")
        return partition(machine, documents.load_pools(sources.source(pool_file)))
    try:
        return partition(machine, default_pools(machine))
    except PoolUnmet as error:
        if not _can_be_cut(machine):
            raise
        raise PoolUnmet(f"{error}; to use all, say `{_RESERVES_NOTHING}` in --pools") from error


def _can_be_cut(machine: Machine) -> bool:
    """Tell whether the machine gives a set where nothing is reserved."""
    try:
        return bool(partition(machine, [Pool(name="cpuset", reserve=0)]).sets)
    except PoolUnmet:
        return False


def users_under(root: str, parts: Partition) -> Mapping[str, str]:
    """Tell who uses which set, by the processes under this root."""
    return users(parts.sets, os.path.join(root, "proc"))  # noqa: PTH118 - pathlib loads slowly


def document(machine: Machine, root: str, pool_file: str | None) -> Mapping[str, object]:
    """Describe the sets that the picture shows, or say why there are none.

    Raises:
        SpecInvalid: where the pool file has problems.
        PoolUnmet: where the machine cannot give a pool of that file.
    """
    try:
        parts = cut(machine, pool_file)
    except PoolUnmet as error:
        if pool_file is not None:
            raise
        return sets_document.without_sets(machine, str(error))
    return sets_document.document(machine, parts, users_under(root, parts))
