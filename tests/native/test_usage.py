"""How the binder is called: help, version, exit codes, and what bad calls are told."""

import os
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

Bind = Callable[..., subprocess.CompletedProcess[str]]

REPOSITORY = Path(__file__).resolve().parents[2]
GOLDEN = REPOSITORY / "tests" / "golden" / "native" / "usage.txt"


def test_help_is_the_golden_usage(bind: Bind) -> None:
    shown = bind("--help")
    if os.environ.get("NUMALOCAL_GOLDEN") == "write":
        GOLDEN.write_text(shown.stdout)

    assert shown.stdout == GOLDEN.read_text()
    assert (shown.returncode, shown.stderr) == (0, "")


def test_the_version_is_the_projects(bind: Bind) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]

    assert bind("--version").stdout == f"numalocal-bind {project['version']}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "no command: write exec, run or check"),
        (("launch",), "unknown command launch: write exec, run or check"),
        (("exec",), "exec: no command to run: write it behind --"),
        (("exec", "--"), "exec: no command to run: write it behind --"),
        (("exec", "--cpu", "0", "--numa", "1", "--", "true"), "exec: unknown option --numa"),
        (("exec", "-x", "--", "true"), "exec: unknown option -x"),
        (("exec", "-xy"), "exec: unknown option -xy"),
        (("exec", "--cpus", "0", "-xyz", "true"), "exec: unknown option -xyz"),
        (("exec", "--migrate=now", "true"), "exec: unknown option --migrate=now"),
        (("exec", "--" + "x" * 999, "true"), f"exec: unknown option --{'x' * 58}"),
        (("exec", "-\x1b[31m", "true"), "exec: unknown option -\\x1b[31m"),
        (("\xe9\n",), "unknown command \\xc3\\xa9\\x0a: write exec, run or check"),
        (("run", "-rank", "x"), "run: unknown option -rank"),
        (("check", "-rx"), "check: unknown option -rx"),
        (("exec", "--cpus"), "exec: --cpus needs a value"),
        (("run",), "run: no command to run: write it behind --"),
        (("run", "--rank", "0", "x"), "run: unknown option --rank"),
        (("run", "--policy"), "run: --policy needs a value"),
        (("check", "--report"), "check: --report needs a value"),
        (("check", "--fast"), "check: unknown option --fast"),
        (("check", "now"), "check: unexpected argument now"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, tuple) else "",
)
def test_a_bad_call_exits_125_and_points_to_help(
    bind: Bind, arguments: tuple[str, ...], sentence: str
) -> None:
    refused = bind(*arguments)

    assert refused.returncode == 125
    assert refused.stderr == f"numalocal-bind: {sentence}; see numalocal-bind --help\n"
    assert refused.stdout == ""


@pytest.mark.parametrize("status", [0, 1, 7, 125, 255])
def test_the_commands_exit_status_is_passed_on(bind: Bind, status: int) -> None:
    assert bind("exec", "--", "sh", "-c", f"exit {status}").returncode == status


def test_a_command_that_does_not_exist_exits_127(bind: Bind) -> None:
    refused = bind("exec", "--", "no-such-engine")

    assert refused.returncode == 127
    assert refused.stderr == (
        "numalocal-bind: cannot run no-such-engine: No such file or directory\n"
    )


def test_a_command_that_cannot_be_executed_exits_126(bind: Bind, tmp_path: Path) -> None:
    (tmp_path / "engine").write_text("no program")

    refused = bind("exec", "--", tmp_path / "engine")

    assert refused.returncode == 126
    assert refused.stderr == f"numalocal-bind: cannot run {tmp_path}/engine: Permission denied\n"


def test_options_of_the_command_are_left_alone(bind: Bind) -> None:
    assert bind("exec", "--", "echo", "--cpus", "x").stdout == "--cpus x\n"
    assert bind("exec", "echo", "--cpus", "x").stdout == "--cpus x\n"


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_what_cannot_be_printed_exits_125(binder: Path, option: str) -> None:
    with Path("/dev/full").open("w") as full:
        refused = subprocess.run(
            [binder, option], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )

    assert refused.returncode == 125
    assert refused.stderr == (
        "numalocal-bind: cannot write to standard output: No space left on device\n"
    )
