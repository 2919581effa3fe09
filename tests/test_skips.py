"""With NUMALOCAL_SKIPS=fail a test that is skipped without leave is a failure."""

import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")
SKIPS = """
import pytest

@pytest.mark.skip(reason="no numactl")
def test_marked(): ...

@pytest.fixture
def helm():
    pytest.skip("no helm")

def test_of_a_fixture(helm): ...

def test_within():
    pytest.skip("not today")

@pytest.mark.xfail(reason="known", strict=True)
def test_that_fails_as_expected():
    assert False

def test_that_passes(): ...
"""
MOVED = """
import pytest

@pytest.mark.parametrize("rule", [1, 2])
def test_memory_that_was_taken_before_is_moved(rule):
    pytest.skip("{reason}")
"""


def closing_line(folder: Path, name: str, tests: str, skips: str) -> str:
    """Run the tests of one file under our settings; give pytest's last words."""
    (folder / "conftest.py").write_text(CONFTEST.read_text())
    file = folder / "native" / name
    file.parent.mkdir()
    file.write_text(tests)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--rootdir={folder}", folder],
        env={"NUMALOCAL_SKIPS": skips},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.splitlines()[-1].strip("= ").partition(" in ")[0]


@pytest.mark.parametrize(
    ("skips", "closing"),
    [("", "1 passed, 3 skipped, 1 xfailed"), ("fail", "1 failed, 1 passed, 1 xfailed, 2 errors")],
)
def test_a_skip_fails_where_none_is_expected(tmp_path: Path, skips: str, closing: str) -> None:
    assert closing_line(tmp_path, "test_any.py", SKIPS, skips) == closing


def test_a_file_that_is_skipped_as_a_whole_fails_too(tmp_path: Path) -> None:
    tests = "import pytest\npytest.importorskip('a_module_that_is_nowhere')\n"

    assert closing_line(tmp_path, "test_any.py", tests, "fail") == "1 error"


def test_a_skip_on_the_list_is_one_for_its_reason(tmp_path: Path) -> None:
    tests = MOVED.format(reason="one NUMA node: there is no other to move from")

    assert closing_line(tmp_path, "test_exec.py", tests, "fail") == "2 skipped"


def test_a_test_on_the_list_may_not_be_skipped_for_another_reason(tmp_path: Path) -> None:
    tests = MOVED.format(reason="no numactl")

    assert closing_line(tmp_path, "test_exec.py", tests, "fail") == "2 failed"
