"""Locks of the real kernel, between real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from numalocal.errors import LaunchFailed
from numalocal.host.claims import Claims, directory
from numalocal.idset import IdSet

HOLDER = """
import sys, time
from pathlib import Path
from numalocal.host.claims import Claims
from numalocal.idset import IdSet
claims = Claims(Path(sys.argv[1]))
print(claims.take(IdSet.parse(sys.argv[2])), flush=True)
time.sleep(60)
"""


def held_by_another(folder: Path, cpus: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), cpus],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "core")},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def test_what_another_holds_is_seen_and_not_given(tmp_path: Path) -> None:
    with held_by_another(tmp_path, "2-3,8") as process, Claims(tmp_path) as claims:
        assert claims.taken() == IdSet.parse("2-3,8")
        assert not claims.take(IdSet.parse("0,3-5"))
        assert claims.take(IdSet.parse("4-7"))
        process.kill()


def test_a_claim_that_fails_holds_nothing(tmp_path: Path) -> None:
    with (
        held_by_another(tmp_path, "5") as process,
        Claims(tmp_path) as claims,
        Claims(tmp_path) as other,
    ):
        assert not claims.take(IdSet.parse("0-1,5"))
        assert other.taken() == IdSet.parse("5")
        process.kill()


def test_the_kernel_frees_what_a_killed_holder_had(tmp_path: Path) -> None:
    with Claims(tmp_path) as claims:
        with held_by_another(tmp_path, "0-63") as process:
            process.kill()

        assert claims.taken() == IdSet()
        assert claims.take(IdSet.parse("0-63"))


def test_a_child_that_inherits_the_file_holds_on(tmp_path: Path) -> None:
    with Claims(tmp_path) as claims:
        assert claims.take(IdSet.parse("1"))
        child = subprocess.Popen(["/bin/sleep", "60"], pass_fds=[claims.fileno()])
    with Claims(tmp_path) as other, child:
        assert other.taken() == IdSet.parse("1")
        child.kill()
        child.wait()
        assert other.taken() == IdSet()


cpus = st.sets(st.integers(0, 127), max_size=12)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=cpus, second=cpus)
def test_two_holders_never_share_a_cpu(first: set[int], second: set[int], tmp_path: Path) -> None:
    with Claims(tmp_path) as one, Claims(tmp_path) as other:
        assert one.take(IdSet(first))

        assert other.taken() == IdSet(first)
        assert other.take(IdSet(second)) == first.isdisjoint(second)


def test_root_and_users_have_their_own_place() -> None:
    assert directory({}, 0) == Path("/run/numalocal")
    assert directory({"XDG_RUNTIME_DIR": "/run/user/7"}, 7) == Path("/run/user/7/numalocal")
    assert directory({}, 7) == Path("/tmp/numalocal-7")


def test_a_place_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(LaunchFailed, match=r"cpus.lock: cannot be opened: "):
        Claims(tmp_path / "file" / "below")
