"""The report as a file: where it goes, and that it is valid JSON of at most 4096 bytes always."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Bind = Callable[..., subprocess.CompletedProcess[str]]
Machine = Callable[..., Path]

LIMIT_BYTES = 4096
NODE = {"MemTotal": 4096, "MemFree": 1024}


def plan(ranks: int, cpus: str = "2-3", **more: str) -> dict[str, str]:
    """Ranks on node 0 that all have these CPUs."""
    return {
        "NUMALOCAL_CPUS": cpus,
        "NUMALOCAL_MEMS": "0",
        "NUMALOCAL_RANKS": str(ranks),
        "NUMALOCAL_RANK_CPUS": "|".join([cpus] * ranks),
        "NUMALOCAL_RANK_MEMS": "|".join(["0"] * ranks),
        **more,
    }


def fitting(text: str) -> dict[str, Any]:
    """Read a report that a termination message can carry."""
    assert len(text.encode()) <= LIMIT_BYTES
    report: dict[str, Any] = json.loads(text)
    return report


def test_the_file_has_what_standard_output_has(
    bind: Bind, machine: Machine, tmp_path: Path
) -> None:
    file = tmp_path / "termination-log"
    file.write_text("an older and much longer message " * 200)
    root = machine(nodes={0: NODE})

    checked = bind("check", "--root", root, "--report", file, env=plan(1))

    assert file.read_text() == checked.stdout
    assert fitting(checked.stdout)["verified"] is True


def test_a_refusal_is_written_too(bind: Bind, machine: Machine, tmp_path: Path) -> None:
    root = machine(cpus="0", nodes={0: NODE})

    checked = bind("check", "--root", root, "--report", tmp_path / "report", env=plan(1))

    assert checked.returncode == 1
    assert fitting((tmp_path / "report").read_text())["verified"] is False


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        pytest.param("no/folder", "No such file or directory", id="no folder"),
        pytest.param(".", "Is a directory", id="a folder"),
        pytest.param("/dev/full", "No space left on device", id="full"),
        pytest.param("fifo", "No such device or address", id="a FIFO without a reader"),
    ],
)
def test_a_file_that_cannot_be_written_exits_125_and_standard_output_has_the_report(
    bind: Bind, machine: Machine, tmp_path: Path, place: str, reason: str
) -> None:
    os.mkfifo(tmp_path / "fifo")
    file = tmp_path / place

    refused = bind("check", "--root", machine(nodes={0: NODE}), "--report", file, env=plan(1))

    assert refused.returncode == 125
    assert refused.stderr == f"numalocal-bind: cannot write the report to {file}: {reason}\n"
    assert fitting(refused.stdout)["verified"] is True


CHECK = '"$1" check --root "$2" --report "$3"'


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param(f"{CHECK} >/dev/full", "No space left on device", id="full"),
        pytest.param(f"{CHECK} >&-", "Bad file descriptor", id="closed"),
        pytest.param(
            "mkfifo gone; "
            f'{{ read -r _ <gone; {CHECK}; echo "$?" >status; }} | {{ exec <&-; echo >gone; }}; '
            'exit "$(cat status)"',
            "Broken pipe",
            id="a reader that went away",
        ),
    ],
)
def test_the_file_has_the_report_whatever_becomes_of_standard_output(
    binder: Path, machine: Machine, tmp_path: Path, script: str, reason: str
) -> None:
    file = tmp_path / "report"

    done = subprocess.run(
        ["sh", "-c", script, "sh", binder, machine(nodes={0: NODE}), file],
        env=plan(1) | {"PATH": os.environ["PATH"]},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 125
    assert fitting(file.read_text())["verified"] is True
    assert done.stderr == (
        f"numalocal-bind: cannot write the report to standard output: {reason}\n"
    )


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full", "0<&- 1>&- 2>&-"])
def test_the_file_has_the_report_and_nothing_else_where_nobody_can_be_told(
    binder: Path, machine: Machine, tmp_path: Path, closed: str
) -> None:
    file = tmp_path / "report"
    env = plan(1) | {"NUMALOCAL_CPUS": "none"}

    done = subprocess.run(
        ["sh", "-c", f"{CHECK} {closed}", "sh", binder, machine(nodes={0: NODE}), file],
        env=env,
        stdout=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )

    assert done.returncode == 125
    assert fitting(file.read_text())["message"].startswith('NUMALOCAL_CPUS "none" is no list')


@pytest.mark.skipif(Path("/dev/termination-log").exists(), reason="this is a container of a pod")
def test_without_a_termination_log_only_standard_output_has_it(
    bind: Bind, machine: Machine
) -> None:
    checked = bind("check", "--root", machine(nodes={0: NODE}), env=plan(1))

    assert (checked.returncode, checked.stderr) == (0, "")
    assert not Path("/dev/termination-log").exists()


def test_as_many_ranks_as_fit_are_all_reported(bind: Bind, machine: Machine) -> None:
    env = plan(32, NUMALOCAL_MEMORY_PER_RANK_BYTES="1024")

    report = fitting(bind("check", "--root", machine(nodes={0: NODE}), env=env).stdout)

    assert len(report["ranks"]) == 32
    assert report["message"].endswith("; 32 ranks of 1.0 KiB fit")
    assert "truncated" not in report


@pytest.mark.parametrize("ranks", [64, 1000])
def test_more_ranks_than_fit_lose_their_end_and_say_so(
    bind: Bind, machine: Machine, ranks: int
) -> None:
    env = plan(ranks, NUMALOCAL_MEMORY_PER_RANK_BYTES="1")

    report = fitting(bind("check", "--root", machine(nodes={0: NODE}), env=env).stdout)

    assert report["verified"] is True
    assert report["truncated"] is True
    assert 8 <= len(report["ranks"]) < ranks


def test_a_refusal_of_many_ranks_keeps_its_sentence(bind: Bind, machine: Machine) -> None:
    env = plan(500, NUMALOCAL_MEMORY_PER_RANK_BYTES="1048576")

    report = fitting(bind("check", "--root", machine(nodes={0: NODE}), env=env).stdout)

    assert report["truncated"] is True
    assert report["problems"] == [
        "ranks 0-499 ask for 500.0 MiB (1.0 MiB each) but NUMA node 0 has 1.0 MiB available of "
        "4.0 MiB: lower spec.memory.perRank, or use a node with more memory"
    ]
    assert len(report["ranks"]) >= 8


def test_long_lists_and_sentences_are_shortened_and_still_json(
    bind: Bind, machine: Machine
) -> None:
    """Every other CPU of 4096, as a refused plan: three long texts and a long message."""
    odd = ",".join(str(cpu) for cpu in range(1, 4096, 2))
    even = ",".join(str(cpu) for cpu in range(0, 4096, 2))
    root = machine(cpus=even, nodes={0: NODE})

    checked = bind("check", "--root", root, env=plan(2, odd))

    report = fitting(checked.stdout)
    assert checked.returncode == 1
    assert (report["verified"], report["truncated"]) == (False, True)
    assert report["cpus"].startswith("0,2,4,")
    assert report["cpus"].endswith("...")
    assert report["message"].startswith("this container may use CPUs 0,2,4,")
    assert len(report["ranks"]) == 2


def list_of_length(length: int) -> str:
    """Write a list that has so many characters and no shorter form."""
    ends = {0: ("", ""), 1: ("2,200,", ""), 2: ("2,", ""), 3: ("20,", ""), 4: ("200,", "")}
    start, end = ends[(length + 1) % 5]
    count = (length + 1 - len(start) - len(end)) // 5
    return start + ",".join(str(1000 + 2 * i) for i in range(count)) + end


def test_every_length_around_the_limit_is_valid_and_4096_bytes_are_not_shortened(
    bind: Bind, machine: Machine
) -> None:
    root = machine(cpus="0-8191", nodes={0: NODE})
    whole: list[int] = []

    for length in range(3650, 3800):
        env = plan(1, "0-8191") | {"NUMALOCAL_RANK_CPUS": list_of_length(length)}
        text = bind("check", "--root", root, env=env).stdout
        if "truncated" not in fitting(text):
            whole.append(len(text))

    assert whole == list(range(whole[0], LIMIT_BYTES + 1))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('"}', '""}"'),
        ("\\u0000", '"\\u0000"'),
        ("a\tb\nc\x7f", r'"a\x09b\x0ac\x7f"'),
        ("\u00e9", r'"\xc3\xa9"'),
    ],
    ids=["quotes", "backslash", "control", "not ASCII"],
)
def test_whatever_a_variable_holds_the_report_is_json(
    bind: Bind, machine: Machine, value: str, shown: str
) -> None:
    env = plan(1) | {"NUMALOCAL_CPUS": value}

    checked = bind("check", "--root", machine(nodes={0: NODE}), env=env)

    assert checked.returncode == 125
    message = fitting(checked.stdout)["message"]
    assert message.startswith(f"NUMALOCAL_CPUS {shown} is no list of ids")
