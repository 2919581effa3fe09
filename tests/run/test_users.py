"""Two users on one machine, by root who may be either."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import ENVIRONMENT, PROGRAMS, ROOT, UNTIL_S, Running, Start

ONE, OTHER = 65533, 65534
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")


@pytest.fixture
def public() -> Iterator[Path]:
    """Give a folder that every user may read, with the binder and our programs."""
    folder = Path(tempfile.mkdtemp(prefix="numalocal-test-"))
    folder.chmod(0o755)
    shutil.copy(ROOT / "build" / "numalocal-bind", folder)
    shutil.copytree(PROGRAMS, folder / "programs")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def start_as(start: Start, public: Path) -> Callable[..., Running]:
    """Start a run as a user; its document and pools may be where that user cannot read."""

    def begin(user: int, worker: Path, *arguments: str | Path) -> Running:
        shutil.copy(worker, public / "worker.yaml")
        return start(
            *("run", "-f", public / "worker.yaml", *arguments),
            program=(sys.executable, str(public / "programs" / "as_user.py"), str(user)),
            environment={**ENVIRONMENT, "NUMALOCAL_BIND": str(public / "numalocal-bind")},
        )

    return begin


def test_no_two_users_get_one_cpu(
    start: Start,
    start_as: Callable[..., Running],
    worker: Callable[..., Path],
    public: Path,
    one_core_sets: Path,
) -> None:
    pools = shutil.copy(one_core_sets, public)
    path = worker("[sh, -c, 'echo on $NUMALOCAL_RANK_CPUS; sleep 600']")
    cpus = sorted(os.sched_getaffinity(0))
    runs = [start_as(user, path, "--pools", pools) for user in (ONE, OTHER)[: len(cpus)]]

    given = [int(run.until("| on ").split()[-1]) for run in runs]
    late = start("run", "-f", path, "--pools", pools)

    assert len(set(given)) == len(given)
    if len(cpus) == len(given):
        assert late.end(UNTIL_S)[0] == 1
        assert "is held by other runs" in "".join(late.lines)


def test_what_may_not_be_read_is_not_verified(
    start_as: Callable[..., Running], worker: Callable[..., Path], public: Path
) -> None:
    run = start_as(OTHER, worker(f"[python3, {public / 'programs' / 'private.py'}]"))
    run.until("| closed")

    status, closing = run.end(UNTIL_S)

    assert status == 1
    assert closing.startswith("not verified: replica 0: the memory of 'python3' (pid ")
    assert closing.endswith("could not be looked at: Permission denied")


def test_an_engine_of_another_user_is_told_from_one_that_may_be_read(
    start_as: Callable[..., Running], worker: Callable[..., Path]
) -> None:
    run = start_as(OTHER, worker("[sh, -c, 'echo ready; sleep 2']"))
    run.until("| ready")

    assert run.end(UNTIL_S)[1].startswith("verified: 1 replica")
