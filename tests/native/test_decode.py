"""The example engine: what it was born with, how it reports its rate, how it ends."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Decode = Callable[..., subprocess.CompletedProcess[str]]

SMALL = ("--weights", "4Mi")
RATE = r"tokens=(\d+) tokens_per_s=(\d+\.\d\d) gb_per_s=(\d+\.\d\d) threads=(\d+)"
PROMPT_S = 60.0


@pytest.fixture
def engine(native_build: Path) -> Path:
    return native_build / "numalocal-decode"


@pytest.fixture
def decode(engine: Path) -> Decode:
    """Run the engine to its end."""

    def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [engine, *arguments],
            env={"PATH": os.environ["PATH"], **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_the_first_line_is_what_the_kernel_allows(decode: Decode) -> None:
    status = Path("/proc/self/status").read_text()
    cpus, mems = (
        status.split(f"{kind}_allowed_list:\t")[1].split("\n")[0] for kind in ("Cpus", "Mems")
    )

    done = decode(*SMALL, "--tokens", "1")

    assert done.stdout.splitlines()[0] == f"start cpus={cpus} mems={mems}"


def test_the_first_line_is_older_than_the_openmp_runtimes_pinning(
    decode: Decode, usable_cpus: list[int]
) -> None:
    """libgomp pins the main thread in its constructor: main() would see one CPU."""
    one_place = f"{{{usable_cpus[0]}}}"

    pinned = decode(*SMALL, "--tokens", "1", OMP_PLACES=one_place, OMP_PROC_BIND="true")
    free = decode(*SMALL, "--tokens", "1")

    assert pinned.stdout.splitlines()[0] == free.stdout.splitlines()[0]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_openmp_variables_decide_the_threads(decode: Decode, threads: int) -> None:
    done = decode(*SMALL, "--tokens", "3", OMP_NUM_THREADS=str(threads))

    last = done.stdout.splitlines()[-1]
    match = re.fullmatch(f"done {RATE}", last)
    assert match, last
    assert (match[1], match[4]) == ("3", str(threads))
    assert done.returncode == 0


def test_gigabytes_are_tokens_times_weights(decode: Decode) -> None:
    done = decode("--weights", "64Mi", "--tokens", "20")

    match = re.fullmatch(f"done {RATE}", done.stdout.splitlines()[-1])
    assert match
    assert float(match[3]) == pytest.approx(float(match[2]) * 64 * 1024**2 / 1e9, abs=0.02)


def test_the_rate_is_reported_every_second(decode: Decode) -> None:
    for _ in range(10):  # the first of them, but on a machine that stands still for half a second
        lines = decode(*SMALL, "--seconds", "2.5").stdout.splitlines()
        rates = [re.fullmatch(f"numalocal-decode {RATE}", line) for line in lines[1:-1]]
        assert all(rates)
        assert len(rates) <= 2
        if len(rates) == 2:
            return
    raise AssertionError(lines)


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("weights", ["4Mi", "256Mi"])
def test_a_signal_ends_it_promptly_and_well(
    engine: Path, signal_number: signal.Signals, weights: str
) -> None:
    with subprocess.Popen(
        [engine, "--weights", weights, "--seconds", "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        second = process.stdout.readline()
        process.send_signal(signal_number)
        sent_s = time.monotonic()
        rest = process.stdout.read()
        status = process.wait(timeout=PROMPT_S)

    assert first.startswith("start ")
    assert re.fullmatch(f"numalocal-decode {RATE}\n", second)
    assert re.fullmatch(f"done {RATE}", rest.splitlines()[-1])
    assert status == 0
    assert time.monotonic() - sent_s < PROMPT_S


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--weights", "1Ki"), "--weights 1Ki is out of range: write 16Ki or more"),
        (("--weights", "99999999Ti"), "--weights 99999999Ti is out of range"),
        (("--weights", "512MB"), "--weights 512MB has the unknown unit MB"),
        (("--weights", "-1"), "--weights -1 is no number"),
        (("--tokens", "0"), "--tokens 0 is no count: write 1 or more"),
        (("--seconds", "nan"), "--seconds nan is no time"),
        (("--tokens", "1", "--seconds", "1"), "both say when to end: leave one out"),
        (("more",), "unexpected argument more"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_arguments_exit_2_with_the_value_and_what_is_right(
    decode: Decode, arguments: tuple[str, ...], sentence: str
) -> None:
    refused = decode(*arguments)

    assert refused.returncode == 2
    assert sentence in refused.stderr


@pytest.mark.parametrize("threads", [1, 2])
def test_each_thread_shows_its_affinity_when_asked(
    decode: Decode, usable_cpus: list[int], threads: int
) -> None:
    places = ",".join(f"{{{cpu}}}" for cpu in usable_cpus[:threads])

    done = decode(
        *(*SMALL, "--tokens", "1"),
        OMP_DISPLAY_AFFINITY="true",
        OMP_NUM_THREADS=str(len(usable_cpus[:threads])),
        OMP_PLACES=places,
    )

    shown = re.findall(r"affinity (\d+)$", done.stderr, re.MULTILINE)
    assert sorted(map(int, shown)) == usable_cpus[:threads]
