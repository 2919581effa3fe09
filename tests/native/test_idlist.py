"""The list parser: its unit tests, and thousands of lists against an independent reading."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from numalocal.errors import ListInvalid
from numalocal.idset import MAX_ID, IdSet

NATIVE = Path(__file__).resolve().parents[2] / "native"


def parse(text: str) -> set[int] | None:
    """Read a list the slow and obvious way; None: not a list."""
    ids: set[int] = set()
    for item in text.split(",") if text else ():
        if not (match := re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", item)):
            return None
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last > MAX_ID:
            return None
        ids.update(range(first, last + 1))
    return ids


def write(ids: set[int]) -> str:
    """Write the shortest list."""
    starts = sorted(i for i in ids if i - 1 not in ids)
    ends = sorted(i for i in ids if i + 1 not in ids)
    return ",".join(
        str(first) if first == last else f"{first}-{last}"
        for first, last in zip(starts, ends, strict=True)
    )


@pytest.fixture(scope="module")
def answer(native_build: Path) -> Iterator[Callable[[str], str]]:
    """Give the parser a line, get its answer."""
    with subprocess.Popen(
        [native_build / "asan" / "idlist_lines"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def ask(line: str) -> str:
            stdin.write(line + "\n")
            stdin.flush()
            return stdout.readline().rstrip("\n")

        yield ask
        stdin.close()
        assert process.wait(timeout=60) == 0


def test_the_unit_tests_pass_with_the_sanitizers(native_build: Path) -> None:
    checked = subprocess.run(
        ["make", "-s", "-C", str(NATIVE), f"BUILD={native_build}", "check"],
        capture_output=True,
        text=True,
        check=False,
    )

    failed = [line for line in checked.stdout.splitlines() if line.startswith("not ok")]
    assert (checked.returncode, failed) == (0, []), checked.stdout + checked.stderr
    assert re.search(r"^1\.\.[0-9]+$", checked.stdout, re.MULTILINE)


@pytest.mark.toolchains
@pytest.mark.skipif(shutil.which("clang") is None, reason="no clang: run `make test-toolchains`")
def test_a_short_run_of_the_fuzzer_finds_nothing(native_build: Path) -> None:
    fuzzed = subprocess.run(
        ["make", "-s", "-C", str(NATIVE), f"BUILD={native_build}", "FUZZ_SECONDS=3", "fuzz"],
        capture_output=True,
        text=True,
        check=False,
    )

    if "libclang_rt.fuzzer" in fuzzed.stderr and "cannot find" in fuzzed.stderr:
        pytest.skip("clang has no libFuzzer: install its libclang-rt-*-dev")
    assert fuzzed.returncode == 0, fuzzed.stderr[-4000:]
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", fuzzed.stderr)
    assert runs
    assert int(runs[1]) > 1000


ids_near_words = st.one_of(st.integers(0, 70), st.integers(1000, 1100))
ranges = st.tuples(ids_near_words, st.integers(0, 40)).map(lambda r: f"{r[0]}-{r[0] + r[1]}")
good_lists = st.lists(st.one_of(ids_near_words.map(str), ranges)).map(",".join)


@settings(deadline=None)
@given(text=good_lists)
@example(text=f"0-{MAX_ID}")
@example(text=f"{MAX_ID}")
def test_every_list_comes_back_in_its_shortest_form(
    answer: Callable[[str], str], text: str
) -> None:
    ids = parse(text)

    assert ids is not None
    assert answer(text) == write(ids)


@settings(deadline=None)
@given(text=st.text(alphabet="0123456789,-: ", max_size=12))
@example(text=f"{MAX_ID + 1}")
@example(text="4294967296")
@example(text="18446744073709551616")
def test_any_text_is_read_as_the_oracle_reads_it(answer: Callable[[str], str], text: str) -> None:
    ids = parse(text)

    if ids is None:
        assert answer(text).startswith("! ")
    else:
        assert answer(text) == write(ids)


@settings(deadline=None)
@given(text=good_lists | st.text(alphabet="0123456789,-", max_size=12))
@example(text=f"{MAX_ID}")
@example(text=f"{MAX_ID + 1}")
@example(text=f"0-{MAX_ID}")
@example(text=f"0-{MAX_ID + 1}")
@example(text="9" * 5000)
def test_the_core_reads_every_list_as_the_binder_does(
    answer: Callable[[str], str], text: str
) -> None:
    try:
        ids = str(IdSet.parse(text))
    except ListInvalid:
        assert answer(text).startswith("! ")
    else:
        assert answer(text) == ids
