"""The command line on a machine where no lab runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "e2e"


def lab(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "lab", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_status_says_down(cache: Path) -> None:
    assert lab("status").stdout == "down\n"


def test_logs_of_nothing_name_what_to_do(cache: Path, tmp_path: Path) -> None:
    done = lab("logs", tmp_path / "logs")

    assert (done.returncode, done.stderr) == (1, "lab: no lab is up: start one by `make lab`\n")
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("arguments", [[], ["sideways"], ["logs"]])
def test_a_wrong_call_is_answered_with_the_usage(arguments: list[str]) -> None:
    done = lab(*arguments)

    assert done.returncode == 2
    assert done.stderr.startswith("usage: lab")


def test_help_names_every_command() -> None:
    shown = lab("--help").stdout

    assert all(
        f"    {name} " in shown
        for name in ("up", "down", "status", "build", "helm", "newcomer", "logs")
    )
