"""The house's plan: source roots that are no packages, and a trap that stays shut."""

import operator
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_this_process_has_the_standard_librarys_operator() -> None:
    assert Path(operator.__file__).parent == Path(sysconfig.get_path("stdlib"))


@pytest.mark.parametrize("flags", [["-S"], []], ids=["without site", "plain"])
def test_python_starts_in_the_root(flags: list[str]) -> None:
    """A package named `operator` in the root would break `collections` and with it all of Python.

    A Python whose start-up files import `operator` early hides that; `-S` shows it.
    """
    command = [sys.executable, *flags, "-c", "import collections, operator; operator.itemgetter"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("folder", ["core", "deviceplugin", "operator", "tests", "tests/operator"])
def test_a_source_root_is_no_package(folder: str) -> None:
    assert (ROOT / folder).is_dir()
    assert not (ROOT / folder / "__init__.py").exists()


def test_ignored_files_hide_no_source_root() -> None:
    """A bare `core` or `build` line, common in C templates, would drop a folder from the wheel."""
    command = ["git", "check-ignore", "core/x.py", "operator/x.py", "deviceplugin/x.py"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.stdout == ""


def test_every_row_of_a_document_stands_in_a_table() -> None:
    """A blank line ends a table: the rows below it are shown as text."""
    lost = []
    for path in (*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md"), *ROOT.glob("charts/*/*.md")):
        lines = path.read_text(encoding="utf-8").splitlines()
        for above, line, below in zip(["", *lines], lines, [*lines[1:], ""], strict=False):
            if line.startswith("|") and not above.startswith("|") and "| ---" not in below:
                lost.append(f"{path.name}: {line[:60]}")

    assert lost == []
