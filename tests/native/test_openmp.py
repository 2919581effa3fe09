"""exec --openmp: one family of variables, of the runtime that the program will load."""

import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

Bind = Callable[..., subprocess.CompletedProcess[str]]
Program = Callable[[str], Path]

COUNT = {"OMP_NUM_THREADS": "2"}
KMP = {"KMP_AFFINITY": "granularity=fine,explicit,proclist=[0,1]", "KMP_BLOCKTIME": "5"}
FAMILIES: Mapping[str, Mapping[str, str]] = {
    "standard": {**COUNT, "OMP_PLACES": "{0},{1}", "OMP_PROC_BIND": "true"},
    "gnu": {**COUNT, "GOMP_CPU_AFFINITY": "0 1"},
    "llvm": {**COUNT, **KMP},
    "intel": {**COUNT, **KMP},
    "none": COUNT,
}
PLAN = {
    "NUMALOCAL_RANK_CPUS": "0-1",
    "NUMALOCAL_RANK_MEMS": "0",
    "NUMALOCAL_RANK_COMPUTE_CPUS": "0-1",
}
# The sanitizer's runtime does not like to be preloaded after another library.
ASAN = {"ASAN_OPTIONS": "verify_asan_link_order=0"}
PRINT_ENVIRONMENT = """
#include <stdio.h>
extern char **environ;
int main(void) { for (char **v = environ; *v; v++) puts(*v); return 0; }
"""

pytestmark = pytest.mark.skipif(
    not {0, 1} <= os.sched_getaffinity(0), reason="CPUs 0 and 1 cannot both be used here"
)


@pytest.fixture(scope="module")
def linked_to(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Build a program that prints its environment, linked to an empty library of this name."""
    folder = tmp_path_factory.mktemp("linked")
    (folder / "main.c").write_text(PRINT_ENVIRONMENT)
    (folder / "empty.c").write_text("")

    def build(library: str) -> Path:
        program = folder / f"with-{library}"
        shared, link = ["-shared", f"-Wl,-soname,{library}"], ["-Wl,--no-as-needed", "main.c"]
        subprocess.run(["cc", *shared, "-o", library, "empty.c"], cwd=folder, check=True)
        run_path = f"-Wl,-rpath,{folder}"
        subprocess.run(["cc", "-o", program, *link, library, run_path], cwd=folder, check=True)
        return program

    return build


def openmp_of(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The OpenMP variables that a bound program printed."""
    assert (done.returncode, done.stderr) == (0, "")
    variables = dict(line.split("=", 1) for line in done.stdout.splitlines())
    return {k: v for k, v in variables.items() if k.startswith(("OMP_", "GOMP_", "KMP_"))}


@pytest.mark.parametrize("runtime", ["gnu", "llvm", "intel", "none"])
def test_the_runtime_named_gets_its_own_family_and_no_other(bind: Bind, runtime: str) -> None:
    done = bind("exec", "--rank", "0", "--openmp", runtime, "--", "env", env=PLAN)

    assert openmp_of(done) == FAMILIES[runtime]


@pytest.mark.parametrize("option", [(), ("--openmp", "auto")], ids=["by default", "auto"])
@pytest.mark.parametrize(
    ("library", "family"),
    [
        ("libgomp.so.1", "gnu"),
        ("libgomp-a34b3233.so.1.0.0", "gnu"),
        ("libomp.so.5", "llvm"),
        ("libomp.so", "llvm"),
        ("libiomp5.so", "intel"),
        ("libompitrace.so.40", "standard"),
        ("libother.so", "standard"),
    ],
)
def test_a_program_is_asked_what_it_is_linked_to(
    bind: Bind, linked_to: Program, option: tuple[str, ...], library: str, family: str
) -> None:
    done = bind("exec", "--rank", "0", *option, "--", linked_to(library), env=PLAN)

    assert openmp_of(done) == FAMILIES[family]


def test_a_program_on_the_path_is_found(bind: Bind, linked_to: Program) -> None:
    program = linked_to("libgomp.so.1")
    path = f"/nowhere::{program.parent}:{os.environ['PATH']}"

    done = bind("exec", "--rank", "0", "--", program.name, env={**PLAN, "PATH": path})

    assert openmp_of(done) == FAMILIES["gnu"]


@pytest.mark.parametrize(
    ("names", "family"),
    [
        (("libiomp5.so",), "intel"),
        (("libomp.so.5",), "llvm"),
        (("libgomp.so.1", "libiomp5.so"), "intel"),
        (("libother.so",), "gnu"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else "",
)
@pytest.mark.parametrize("separator", [":", " "])
def test_what_is_preloaded_goes_before_what_is_linked(
    bind: Bind, linked_to: Program, names: tuple[str, ...], separator: str, family: str
) -> None:
    program = linked_to("libgomp.so.1")
    libraries = [linked_to(name).parent / name for name in names]
    env = {**PLAN, **ASAN, "LD_PRELOAD": separator.join(map(str, libraries))}

    assert openmp_of(bind("exec", "--rank", "0", "--", program, env=env)) == FAMILIES[family]


@pytest.mark.parametrize("own", [{"KMP_BLOCKTIME": "1"}, {"OMP_WAIT_POLICY": "active"}])
def test_a_wait_policy_of_the_users_stands(bind: Bind, own: dict[str, str]) -> None:
    done = bind("exec", "--rank", "0", "--openmp", "llvm", "--", "env", env={**PLAN, **own})

    affinity = {"KMP_AFFINITY": KMP["KMP_AFFINITY"]}
    assert openmp_of(done) == {**COUNT, **affinity, **own}


def test_a_script_has_the_standards_family(bind: Bind, tmp_path: Path) -> None:
    script = tmp_path / "engine"
    script.write_text("#!/bin/sh\nenv\n")
    script.chmod(0o755)

    assert openmp_of(bind("exec", "--rank", "0", script, env=PLAN)) == FAMILIES["standard"]


@pytest.mark.parametrize("runtime", ["auto", "gnu", "llvm", "intel"])
@pytest.mark.parametrize(
    "name", ["OMP_PLACES", "OMP_PROC_BIND", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"]
)
def test_a_user_who_places_threads_gets_none_of_any_family(
    bind: Bind, runtime: str, name: str
) -> None:
    env = {**PLAN, name: "x"}

    done = bind("exec", "--rank", "0", "--openmp", runtime, "--", "env", env=env)

    assert openmp_of(done) == {**COUNT, name: "x"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--rank", "0", "--openmp", "cray"), "--openmp cray is unknown: write auto, gnu, llvm,"),
        (("--cpus", "0", "--openmp", "gnu"), "there is no rank: add --rank"),
    ],
    ids=["unknown", "no rank"],
)
def test_a_runtime_that_cannot_be_told_is_refused(
    bind: Bind, arguments: tuple[str, ...], sentence: str
) -> None:
    refused = bind("exec", *arguments, "--", "true", env=PLAN)

    assert refused.returncode == 125
    assert sentence in refused.stderr


def test_a_plan_without_compute_cpus_places_no_thread_and_says_so(bind: Bind) -> None:
    env = {name: value for name, value in PLAN.items() if "COMPUTE" not in name}

    done = bind("exec", "--rank", "0", "--openmp", "gnu", "--", "env", env=env)

    assert "GOMP_CPU_AFFINITY" not in done.stdout
    assert "--openmp gnu: no thread is placed, as NUMALOCAL_RANK_COMPUTE_CPUS" in done.stderr


@pytest.fixture(scope="module")
def runtime_of(native_build: Path) -> Iterator[Callable[[Path], str]]:
    """Ask for the runtime of a program that need not be one of this machine."""
    with subprocess.Popen(
        [native_build / "asan" / "openmp_lines"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": ""},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def ask(path: Path) -> str:
            stdin.write(f"{path}\n")
            stdin.flush()
            return stdout.readline().rstrip("\n")

        yield ask
        stdin.close()
        assert process.wait(timeout=60) == 0


def elf(order: str, library: bytes = b"libgomp.so.1", bits: int = 2) -> bytes:
    """Lay out a program of one loaded segment at 0x10000, and one needed library."""
    code = order + "{}"
    names_at, dynamic_at, address = 0x40 + 2 * 56, 0x200, 0x10000
    names = b"\0" + library + b"\0"
    entries = [(1, 1), (5, address + names_at), (10, len(names)), (0, 0)]
    dynamic = b"".join(struct.pack(code.format("QQ"), *entry) for entry in entries)
    size = dynamic_at + len(dynamic)
    identity = b"\x7fELF" + bytes([bits, 1 if order == "<" else 2, 1]) + bytes(9)
    header = struct.pack(code.format("HHIQQQIHHHHHH"), 3, 22, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = struct.pack(code.format("IIQQQQQQ"), 1, 5, 0, address, address, size, size, 4096)
    place = address + dynamic_at
    part = struct.pack(
        code.format("IIQQQQQQ"), 2, 6, dynamic_at, place, place, len(dynamic), len(dynamic), 8
    )
    return (identity + header + load + part + names).ljust(dynamic_at, b"\0") + dynamic


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
def test_programs_of_both_byte_orders_are_read(
    runtime_of: Callable[[Path], str], tmp_path: Path, order: str
) -> None:
    program = tmp_path / "program"
    program.write_bytes(elf(order))

    assert runtime_of(program) == "gnu"


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
def test_a_program_cut_at_any_byte_is_no_program(
    runtime_of: Callable[[Path], str], tmp_path: Path, order: str
) -> None:
    program, whole = tmp_path / "program", elf(order)

    for length in range(len(whole) - 16):  # less the end mark
        program.write_bytes(whole[:length])
        assert runtime_of(program) in {"unknown", "gnu"}


@settings(deadline=None, max_examples=300)
@given(
    order=st.sampled_from("<>"),
    damage=st.lists(
        st.tuples(st.integers(0, 0x240), st.binary(min_size=1, max_size=8)), min_size=1
    ),
)
def test_a_damaged_program_is_read_within_its_bounds(
    runtime_of: Callable[[Path], str],
    tmp_path_factory: pytest.TempPathFactory,
    order: str,
    damage: list[tuple[int, bytes]],
) -> None:
    """The sanitizers end the reader at the first bad access; any answer is right."""
    content = bytearray(elf(order))
    for place, new in damage:
        content[place : place + len(new)] = new
    program = tmp_path_factory.getbasetemp() / "damaged"
    program.write_bytes(content)

    assert runtime_of(program) in {"unknown", "gnu"}


@pytest.mark.parametrize("extreme", [1, 0x7FFFFFFFFFFFFFF0, 0xFFFFFFFFFFFFFFF0, 0xFFFFFFFFFFFFFFFF])
def test_extreme_offsets_are_no_addresses(
    runtime_of: Callable[[Path], str], tmp_path: Path, extreme: int
) -> None:
    program, whole = tmp_path / "program", elf("<")

    for place in range(0, len(whole) - 8, 4):
        content = whole[:place] + struct.pack("<Q", extreme) + whole[place + 8 :]
        program.write_bytes(content)
        assert runtime_of(program) in {"unknown", "gnu"}


def test_what_is_no_64_bit_program_of_libraries_is_unknown(
    runtime_of: Callable[[Path], str], tmp_path: Path, native_build: Path
) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "old").write_bytes(elf("<", bits=1))
    (tmp_path / "order").write_bytes(elf("<")[:5] + b"\x03" + elf("<")[6:])
    (tmp_path / "endless").write_bytes(elf("<", library=b"libgomp.so.1".ljust(300, b"x")))
    os.mkfifo(tmp_path / "fifo")

    for name in ("empty", "old", "order", "endless", "fifo", "missing", "."):
        assert runtime_of(tmp_path / name) == "unknown", name
    assert runtime_of(native_build / "numalocal-bind") == "unknown"  # static
    assert runtime_of(Path(shutil.which("true") or "/bin/true")) == "unknown"
    assert runtime_of(Path("no-such-command")) == "unknown"
