"""What any terminal and any reader can take, as a user starts the command line."""

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import pytest

from .conftest import ROOT

CLI = [sys.executable, "-m", "numalocal.cli"]
PATHS = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "core")}


def run(
    *arguments: str, env: Mapping[str, str] | None = None, shell: str = '"$@"'
) -> subprocess.CompletedProcess[bytes]:
    command = ["bash", "-c", shell, "-", *CLI, *arguments]
    environment = {**PATHS, **(env or {})}
    return subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "env",
    [{"LC_ALL": "C"}, {"LANG": "POSIX"}, {"LC_ALL": "de_DE.ISO-8859-1"}],
    ids=["C", "POSIX", "Latin-1"],
)
def test_where_the_terminal_is_ascii_the_picture_is(env: dict[str, str]) -> None:
    done = run("topology", env=env)

    assert done.returncode == 0
    assert done.stdout.isascii()
    assert b"\\u" not in done.stdout


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_stream_that_cannot_hold_the_glyphs_gets_ascii(encoding: str) -> None:
    done = run("topology", env={"PYTHONIOENCODING": encoding})

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()


@pytest.mark.parametrize("env", [{}, {"LANG": "C.UTF-8"}, {"LC_ALL": "en_US.utf8"}])
def test_elsewhere_it_is_not(env: dict[str, str]) -> None:
    assert "█" in run("topology", env=env).stdout.decode("utf-8")


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_a_drawing_is_valid_in_any_encoding(encoding: str) -> None:
    done = run("topology", "-o", "svg", env={"PYTHONIOENCODING": encoding, "LC_ALL": "C"})

    assert done.stdout.isascii()
    assert ElementTree.fromstring(done.stdout).tag.endswith("svg")


@pytest.mark.parametrize("columns", ["-5", "0", "", "wide", "99999999999999999999", "1"])
def test_any_value_of_columns_is_survived(columns: str) -> None:
    done = run("topology", env={"COLUMNS": columns})

    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_width_is_the_terminals(columns: int) -> None:
    leader, follower = pty.openpty()
    script = f"stty columns {columns} rows 24 <&0; {' '.join(CLI)} topology"
    environment = {**PATHS, "TERM": "dumb"}

    subprocess.run(
        ["bash", "-c", script], stdin=follower, stdout=follower, env=environment, check=True
    )

    os.close(follower)
    shown = whole(leader).decode("utf-8").splitlines()
    os.close(leader)
    assert "█" in "".join(shown)
    assert max(map(len, shown)) <= columns


def whole(leader: int) -> bytes:
    """Read all that was written to a terminal which nobody has open any more."""
    parts = []
    with suppress(OSError):  # the end of one
        while part := os.read(leader, 1 << 16):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize(
    "arguments", [("topology",), ("topology", "-o", "json"), ("--help",), ("--version",)]
)
def test_a_full_disk_is_a_sentence(arguments: tuple[str, ...]) -> None:
    done = run(*arguments, shell='"$@" >/dev/full')

    assert done.returncode == 2
    assert done.stderr == b"numalocal: No space left on device\n"


@pytest.mark.parametrize("arguments", [("topology",), ("topology", "-o", "svg"), ("--help",)])
def test_a_reader_that_goes_away_is_no_error(arguments: tuple[str, ...]) -> None:
    done = run(*arguments, shell='"$@" | :; echo ${PIPESTATUS[0]}')

    assert done.stdout in (b"141\n", b"0\n")  # 0 where all was written before it went
    assert done.stderr == b""


def test_a_closed_standard_output_is_survived() -> None:
    done = run("topology", shell='"$@" >&-')

    assert b"Traceback" not in done.stderr


def test_the_version_is_told() -> None:
    assert run("--version").stdout.startswith(b"numalocal ")


@pytest.mark.parametrize("command", ["topology", "plan", "run", "bench", "completion", "help"])
def test_help_is_told_both_ways(command: str) -> None:
    asked = run("help", command)

    assert asked.returncode == 0
    assert asked.stdout == run(command, "--help").stdout
    assert max(map(len, asked.stdout.splitlines())) <= 96


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_is_printed(shell: str) -> None:
    made = ROOT / "core" / "numalocal" / "commands" / "completions" / f"numalocal.{shell}"

    assert run("completion", shell).stdout == made.read_bytes()


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "1e9", "soon"])
def test_a_measurement_has_a_length(seconds: str) -> None:
    done = run("bench", "--seconds", seconds)

    assert done.returncode == 2
    assert b"must be a number of seconds above 0" in done.stderr


def test_a_file_name_with_any_bytes_is_a_sentence(tmp_path: Path) -> None:
    named = os.fsdecode(bytes(tmp_path) + b"/\xff\x1b[31m.yaml")

    done = run("plan", "-f", named)

    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"\x1b" not in done.stderr


@pytest.mark.parametrize("command", ["plan", "annotate"])
def test_a_document_can_come_from_standard_input(command: str) -> None:
    document = b"kind: Pod\nmetadata: {annotations: {numalocal.io/cpusets: x}}\n"
    told = {
        "plan": b"must hold one document with kind: CpuInferenceWorker",
        "annotate": b"metadata.annotations[numalocal.io/cpusets]: 'x' must be a whole number",
    }

    done = subprocess.run(
        [*CLI, command, "-f", "-"], input=document, env=PATHS, capture_output=True, check=False
    )

    assert done.returncode == 2
    assert told[command] in done.stderr
    closed = run(command, "-f", "-", shell='"$@" <&-')
    assert (closed.returncode, b"Traceback" in closed.stderr) == (2, False)


def test_sentences_break_on_a_terminal_and_are_one_line_elsewhere(tmp_path: Path) -> None:
    worker = tmp_path / "worker.yaml"
    worker.write_text(
        "kind: CpuInferenceWorker\nmetadata: {name: w}\nspec:\n  engine: {name: llama.cpp}\n"
        "  template: {spec: {containers: [{name: e, command: [sh, -c, llama-server]}]}}\n"
    )
    pools = tmp_path / "pools.yaml"
    pools.write_text("[{name: cpuset, reserve: 0}]")
    arguments = ["plan", "-f", str(worker), "--pools", str(pools)]

    piped = run(*arguments).stdout.decode()
    shell = f"script -qec '{' '.join(CLI)} {' '.join(arguments)}' /dev/null"
    seen = run(shell=shell, env={"COLUMNS": "60", "TERM": "dumb"}).stdout.decode()

    (note,) = (line for line in piped.splitlines() if line.startswith("note: "))
    assert len(note) > 100
    at = seen.index("note: ")
    shown = [line for line in seen[at:].splitlines() if line][:-1]
    assert max(map(len, shown)) <= 60
    assert " ".join(line.strip() for line in shown) == note
