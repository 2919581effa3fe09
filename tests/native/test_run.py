"""run: one bound process per rank, their output, their signals, and their common end."""

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

Bind = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]

PROMPT_S = 30.0
"""Far more than anything takes that is not waited for, and less than what sleeps here."""
FORWARDED = ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2")


def plan(cpus: list[int], ranks: int = 2) -> dict[str, str]:
    """Ranks in turn on the first and the last CPU."""
    shares = [str((cpus[0], cpus[-1])[rank % 2]) for rank in range(ranks)]
    return {
        "NUMALOCAL_CPUS": ",".join(shares),
        "NUMALOCAL_MEMS": "0",
        "NUMALOCAL_RANKS": str(ranks),
        "NUMALOCAL_RANK_CPUS": "|".join(shares),
        "NUMALOCAL_RANK_MEMS": "|".join(["0"] * ranks),
        "NUMALOCAL_RANK_COMPUTE_CPUS": "|".join(shares),
    }


@pytest.fixture
def env(usable_cpus: list[int]) -> dict[str, str]:
    return plan(usable_cpus)


@pytest.fixture
def start(binder: Path) -> Iterator[Start]:
    """Start run without waiting for it; ended after the test whatever happens."""
    with contextlib.ExitStack() as stack:

        def begin(*command: str, env: Mapping[str, str], **options: int) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [binder, "run", "--", *command],
                env={"PATH": os.environ["PATH"], **env},
                stdout=options.get("stdout", subprocess.PIPE),
                stderr=options.get("stderr", subprocess.PIPE),
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield begin


def wait_gone(pid: int) -> None:
    """Wait until a process has ended, reaped or not."""
    end_s = time.monotonic() + PROMPT_S
    while time.monotonic() < end_s:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state in "ZX":
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} is still there")


def wait_full(pid: int) -> None:
    """Wait until a process is `yes` and sleeps, which it does where its pipe takes no more."""
    end_s = time.monotonic() + PROMPT_S
    while time.monotonic() < end_s:
        name, state = Path(f"/proc/{pid}/stat").read_text().split()[1:3]
        if (name, state) == ("(yes)", "S"):
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} is not held up")


def test_each_rank_has_its_cpus_its_memory_its_threads_and_its_number(
    bind: Bind, env: Mapping[str, str], usable_cpus: list[int]
) -> None:
    script = (
        'echo "$NUMALOCAL_RANK $OMP_NUM_THREADS $OMP_PLACES $GOMP_CPU_AFFINITY"; '
        "grep Cpus_allowed_list /proc/self/status; head -1 /proc/self/numa_maps"
    )

    done = bind("run", "--", "sh", "-c", script, env=env)

    assert (done.returncode, done.stderr) == (0, "")
    for rank, cpu in ((0, usable_cpus[0]), (1, usable_cpus[-1])):
        own = [line for line in done.stdout.splitlines() if line.startswith(f"[rank {rank}] ")]
        assert own[0] == f"[rank {rank}] {rank} 1 {{{cpu}}} "
        assert own[1] == f"[rank {rank}] Cpus_allowed_list:\t{cpu}"
        assert " bind:0 " in own[2]


def test_policy_and_runtime_hold_for_all_ranks(
    bind: Bind, env: Mapping[str, str], usable_cpus: list[int]
) -> None:
    script = 'echo "$OMP_PLACES $GOMP_CPU_AFFINITY"; head -1 /proc/self/numa_maps'

    done = bind(
        *("run", "--policy", "interleave", "--openmp", "gnu", "--", "sh", "-c", script), env=env
    )

    assert f"[rank 1]  {usable_cpus[-1]}\n" in done.stdout
    assert done.stdout.count(" interleave:0 ") == 2


def test_output_and_errors_keep_apart_and_last_lines_get_an_end(
    bind: Bind, env: Mapping[str, str]
) -> None:
    done = bind("run", "--", "sh", "-c", "echo one; printf two; printf three >&2", env=env)

    assert done.returncode == 0
    assert sorted(done.stdout.splitlines()) == [
        *("[rank 0] one", "[rank 0] two", "[rank 1] one", "[rank 1] two")
    ]
    assert sorted(done.stderr.splitlines()) == ["[rank 0] three", "[rank 1] three"]
    assert done.stdout.endswith("\n")
    assert done.stderr.endswith("\n")


def test_one_rank_writes_as_if_alone(bind: Bind, usable_cpus: list[int]) -> None:
    script = "printf 'no end'; printf problem >&2; exit 3"

    done = bind("run", "--", "sh", "-c", script, env=plan(usable_cpus, 1))

    assert (done.stdout, done.stderr, done.returncode) == ("no end", "problem", 3)


@pytest.mark.parametrize("together", [False, True], ids=["two pipes", "one pipe"])
def test_lines_of_any_length_are_never_mixed(
    start: Start, usable_cpus: list[int], *, together: bool
) -> None:
    """Four ranks write short lines, and lines longer than any pipe takes at once, in pieces."""
    script = """
import os, sys
mark = os.environ["NUMALOCAL_RANK"]
for i in range(60):
    for length in (1, 100, 5000, 70000):
        for stream in (1, 2):
            line = (mark * length + "\\n").encode()
            while line:
                line = line[os.write(stream, line[:3000]):]
"""
    options = {"stderr": subprocess.STDOUT} if together else {}
    process = start(sys.executable, "-c", script, env=plan(usable_cpus, 4), **options)

    out, err = process.communicate(timeout=PROMPT_S * 2)

    lines = (out + (err or "")).splitlines()
    assert process.returncode == 0
    assert len(lines) == 4 * 60 * 4 * 2
    counts = {(rank, length): 0 for rank in "0123" for length in (1, 100, 5000, 70000)}
    for line in lines:
        match = re.fullmatch(r"\[rank (\d)\] (\1+)", line)
        assert match, line[:200]
        counts[match[1], len(match[2])] += 1
    assert set(counts.values()) == {120}


def test_a_line_without_end_is_handed_on_in_parts(bind: Bind, env: Mapping[str, str]) -> None:
    script = "test $NUMALOCAL_RANK = 1 || head -c 3000000 /dev/zero | tr '\\0' x"

    done = bind("run", "--", "sh", "-c", script, env=env)

    lines = done.stdout.splitlines()
    assert 2 <= len(lines) <= 4
    assert all(line.startswith("[rank 0] xxx") for line in lines)
    assert sum(line.count("x") for line in lines) == 3000000


def test_the_first_rank_has_the_standard_input(
    binder: Path, tmp_path: Path, env: Mapping[str, str]
) -> None:
    (tmp_path / "input").write_text("words\n")
    with (tmp_path / "input").open() as words:
        done = subprocess.run(
            [binder, "run", "--", "cat"],
            stdin=words,
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], **env},
            timeout=PROMPT_S,
            check=False,
        )

    assert (done.stdout, done.stderr, done.returncode) == ("[rank 0] words\n", "", 0)


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("name", FORWARDED)
def test_a_signal_reaches_every_rank(
    start: Start, usable_cpus: list[int], name: str, ranks: int
) -> None:
    script = f"trap 'echo got {name}; exit 0' {name}; echo ready; while :; do sleep 0.05; done"
    process = start("sh", "-c", script, env=plan(usable_cpus, ranks))
    assert process.stdout is not None
    for _ in range(ranks):
        assert process.stdout.readline().endswith("ready\n")

    process.send_signal(getattr(signal, f"SIG{name}"))
    out, err = process.communicate(timeout=PROMPT_S)

    assert (out.count(f"got {name}\n"), err, process.returncode) == (ranks, "", 0)


def test_where_a_rank_fails_the_others_are_asked_to_end(bind: Bind, env: Mapping[str, str]) -> None:
    script = (
        "trap 'echo asked; exit 3' TERM; test $NUMALOCAL_RANK = 0 && touch listens; "
        "until test -e listens; do sleep 0.05; done; "
        "if test $NUMALOCAL_RANK = 1; then echo oh >&2; exit 7; fi; "
        "while :; do sleep 0.05; done"
    )

    done = bind("run", "--", "sh", "-c", script, env=env)

    assert done.returncode == 7
    assert done.stdout == "[rank 0] asked\n"
    assert done.stderr.splitlines() == [
        "[rank 1] oh",
        "numalocal-bind: run: rank 1 exited with 7: SIGTERM to the others, and SIGKILL in 10 s",
        "numalocal-bind: run: rank 0 exited with 3",
    ]


@pytest.mark.parametrize("binder", ["static"], indirect=True)  # 10 s are enough once
def test_who_does_not_end_when_asked_is_killed_after_10_s(
    bind: Bind, env: Mapping[str, str]
) -> None:
    script = (
        "trap '' TERM; test $NUMALOCAL_RANK = 0 && touch deaf && exec sleep 300; "
        "until test -e deaf; do sleep 0.05; done; exit 7"
    )
    start_s = time.monotonic()

    done = bind("run", "--", "sh", "-c", script, env=env)

    assert 9.5 < time.monotonic() - start_s < 2 * PROMPT_S
    assert done.returncode == 7
    assert done.stderr.splitlines()[1:] == [
        "numalocal-bind: run: 1 rank is still running: SIGKILL",
        "numalocal-bind: run: rank 0 was ended by signal 9",
    ]


def test_ranks_that_were_asked_from_outside_have_their_time_and_are_asked_once(
    start: Start, env: Mapping[str, str]
) -> None:
    """One rank ends at once by the signal; the other finishes its work first."""
    script = (
        "test $NUMALOCAL_RANK = 0 && echo ready && exec sleep 300; "
        "trap 'asked=$((asked + 1))' TERM; echo ready; "
        'until test "$asked"; do sleep 0.05; done; '
        "sleep 0.5; echo asked $asked times"
    )
    process = start("sh", "-c", script, env=env)
    assert process.stdout is not None
    assert {process.stdout.readline() for _ in range(2)} == {f"[rank {i}] ready\n" for i in (0, 1)}

    process.terminate()
    out, err = process.communicate(timeout=PROMPT_S)

    assert out == "[rank 1] asked 1 times\n"
    assert err == "numalocal-bind: run: rank 0 was ended by signal 15\n"
    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_signal_that_ended_a_rank_is_the_exit_status(
    bind: Bind, usable_cpus: list[int], ranks: int
) -> None:
    done = bind("run", "--", "sh", "-c", "kill -9 $$", env=plan(usable_cpus, ranks))

    assert done.returncode == 128 + 9
    assert " was ended by signal 9" in done.stderr


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_command_that_cannot_be_run_exits_as_exec_does(
    bind: Bind, tmp_path: Path, usable_cpus: list[int], ranks: int
) -> None:
    (tmp_path / "engine").write_text("no program")
    env = plan(usable_cpus, ranks)

    assert bind("run", "no-such-engine", env=env).returncode == 127
    assert bind("run", tmp_path / "engine", env=env).returncode == 126


def test_a_rank_that_cannot_be_bound_exits_125(bind: Bind, env: Mapping[str, str]) -> None:
    cpus = {"NUMALOCAL_CPUS": "0,900", "NUMALOCAL_RANK_CPUS": "0|900"}
    env = {k: v for k, v in env.items() if "COMPUTE" not in k} | cpus

    done = bind("run", "--", "sleep", "30", env=env)

    assert done.returncode == 125
    assert (
        "[rank 1] numalocal-bind: NUMALOCAL_RANK_CPUS, rank 1: 900: CPU 900 cannot" in done.stderr
    )


def test_ranks_die_with_the_process_that_watches_them(start: Start, env: Mapping[str, str]) -> None:
    process = start("sh", "-c", "echo $$; trap '' TERM HUP; sleep 60 & wait", env=env)
    assert process.stdout is not None
    pids = [int(process.stdout.readline().split()[-1]) for _ in range(2)]

    process.kill()

    for pid in pids:
        wait_gone(pid)


def test_a_process_that_a_rank_leaves_behind_holds_up_nobody(
    bind: Bind, env: Mapping[str, str]
) -> None:
    done = bind("run", "--", "sh", "-c", "sleep 300 & echo $!", env=env)

    left = [int(line.split()[-1]) for line in done.stdout.splitlines()]
    for pid in left:
        os.kill(pid, signal.SIGKILL)  # it is there still
    assert (done.returncode, len(left)) == (0, 2)


def test_a_reader_that_is_gone_ends_the_ranks(start: Start, env: Mapping[str, str]) -> None:
    process = start("sh", "-c", "while echo words; do :; done", env=env)
    assert process.stdout is not None
    assert process.stdout.readline().endswith("] words\n")

    process.stdout.close()

    assert process.wait(timeout=PROMPT_S) == 128 + signal.SIGPIPE


def test_a_reader_that_sleeps_stops_no_signal(start: Start, env: Mapping[str, str]) -> None:
    """Nobody reads, all pipes are full: the ranks must still be told to end."""
    process = start("sh", "-c", "echo $$ >&2; exec yes", env=env)
    assert process.stderr is not None
    pids = [int(process.stderr.readline().split()[-1]) for _ in range(2)]
    for pid in pids:
        wait_full(pid)

    process.terminate()

    for pid in pids:
        wait_gone(pid)
    out, _ = process.communicate(timeout=PROMPT_S)
    assert set(out.splitlines()) == {"[rank 0] y", "[rank 1] y"}
    assert process.returncode == 128 + signal.SIGTERM


def test_a_key_of_the_terminal_reaches_each_rank_once(binder: Path, env: Mapping[str, str]) -> None:
    script = (
        "trap 'asked=$((asked + 1))' INT; echo ready; until test \"$asked\"; do sleep 0.05; done; "
        "sleep 0.5; echo asked $asked times"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(binder, [str(binder), "run", "sh", "-c", script], {**os.environ, **env})
    shown = b""
    sent = False
    with contextlib.suppress(OSError):  # the terminal's other side is closed
        while part := os.read(terminal, 4096):
            shown += part
            if shown.count(b"ready") == 2 and not sent:
                sent = os.write(terminal, b"\x03") == 1
    _, status = os.waitpid(pid, 0)
    os.close(terminal)

    assert shown.count(b"asked 1 times") == 2, shown
    assert os.waitstatus_to_exitcode(status) == 0


def can_unshare() -> bool:
    tried = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True, check=False
    )
    return tried.returncode == 0


@pytest.mark.skipif(not can_unshare(), reason="no right to a PID namespace of its own")
@pytest.mark.parametrize("ranks", [1, 2])
def test_as_pid_1_it_reaps_what_others_left_behind(
    bind: Bind, usable_cpus: list[int], ranks: int
) -> None:
    script = (
        # A rank that was slower may have left something behind a moment ago.
        "(sleep 0.1 &) ; sleep 0.6; for _ in $(seq 50); do"
        " left=$(cat /proc/[0-9]*/stat 2>/dev/null | grep -c ' Z ');"
        ' [ "$left" = 0 ] && break; sleep 0.5; done; echo "$left"; '
        "cut -d ' ' -f 2 /proc/1/stat"
    )
    launcher = ("unshare", "--pid", "--fork", "--mount-proc")

    done = bind("run", "--", "sh", "-c", script, env=plan(usable_cpus, ranks), launcher=launcher)

    assert done.stdout.count("(numalocal-bind)\n") == ranks, done.stderr
    assert re.sub(r"\[rank \d\] ", "", done.stdout).count("0\n") == ranks


@pytest.mark.parametrize("name", ["TERM", "INT"])
@pytest.mark.skipif(not can_unshare(), reason="no right to a PID namespace of its own")
def test_as_pid_1_it_passes_signals_on(binder: Path, env: Mapping[str, str], name: str) -> None:
    """PID 1 has no default actions: what it does not take is lost."""
    script = f"trap 'exit 5' {name}; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(
        ["unshare", "--pid", "--fork", "--mount-proc", binder, "run", "--", "sh", "-c", script],
        env={"PATH": os.environ["PATH"], **env},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for _ in range(2):
            process.stdout.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0]), getattr(signal, f"SIG{name}"))

        assert process.wait(timeout=PROMPT_S) == 5


@pytest.mark.parametrize(
    ("changes", "arguments", "sentence"),
    [
        ({"NUMALOCAL_CPUS": None}, (), "run: NUMALOCAL_CPUS is not set: the node agent sets it"),
        ({"NUMALOCAL_RANKS": "3"}, (), "run: NUMALOCAL_RANKS says 3 but NUMALOCAL_RANK_CPUS"),
        ({"NUMALOCAL_RANK_MEMS": "0"}, (), "run: rank 1 has no part in NUMALOCAL_RANK_MEMS"),
        ({}, ("--policy", "strict"), "run: --policy strict is unknown: write bind, preferred,"),
        ({}, ("--openmp", "cray"), "run: --openmp cray is unknown: write auto, gnu,"),
    ],
    ids=["no plan", "count", "no part", "policy", "runtime"],
)
def test_nothing_is_started_on_a_bad_plan(
    bind: Bind,
    env: Mapping[str, str],
    changes: Mapping[str, str | None],
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    changed = {name: value for name, value in {**env, **changes}.items() if value is not None}

    refused = bind("run", *arguments, "--", "echo", "started", env=changed)

    assert (refused.returncode, refused.stdout) == (125, "")
    assert sentence in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_files_confuse_nobody(
    binder: Path, tmp_path: Path, env: Mapping[str, str], closed: str
) -> None:
    script = f'"$0" run -- sh -c "echo \\$NUMALOCAL_RANK >>{tmp_path}/seen; echo out" {closed}'

    done = subprocess.run(
        ["sh", "-c", script, binder],
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        timeout=PROMPT_S,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert sorted((tmp_path / "seen").read_text().split()) == ["0", "1"]
