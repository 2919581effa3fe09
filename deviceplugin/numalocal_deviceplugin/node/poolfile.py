"""The mounted file of pools: read it, and see when it says something else."""

from pathlib import Path

from numalocal.sets.poolfile import parse_pools
from numalocal.sets.pools import Pool
from numalocal.worker.documents import load_one


def read(path: Path) -> tuple[Pool, ...]:
    """Read the pools; an empty list leaves them to the machine.

    Raises:
        SpecInvalid: where the file cannot be read or has problems, with all of them.
    """
    document = load_one(path)
    return () if document == [] else parse_pools(document)
