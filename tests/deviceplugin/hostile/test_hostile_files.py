"""Whatever a file of pools holds, it is pools, or a refusal in a sentence, soon and in little."""

import os
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path
from random import Random

from numalocal.errors import PoolUnmet, SpecInvalid
from numalocal.sets.partition import partition
from numalocal.worker.documents import load
from numalocal_deviceplugin.node.poolfile import PoolFile

from ..nodes import make_machine
from . import seeds, spoiling

FILES = 250
MOST_SECONDS = 2.0
MOST_TOLD = 20_000
GOOD = """\
- name: cpuset
  size: numa
  reserve: 1
- {name: big, size: 1, nodes: [1], coreKind: null, threadsPerCore: 2, memory: 1Gi}
"""
FIELDS = (
    "name", "size", "reserve", "nodes", "coreKind", "threadsPerCore", "memory", "placement", "x",
    "pools", "<<", "? [a]", "true", "1", "*a", "&a a", "!!python/object:os.system x", '"\\0"',
)  # fmt: skip
VALUES = (
    "numa", "l3", "1", "0", "-1", "1" * 5000, "1e9999", ".nan", "-.inf", "0x10", "0o7", "1_0",
    "2026-01-01", "null", "~", "true", "{}", "[]", "[0, 1]", "0-8191", "0-8191," * 500 + "0",
    '"\\ud800"', '"\\0"', "!!binary eA==", "!!set {a}", "*a", "&a [*a]", "'", "|", ">-", "\t", "%",
    "9" * 400 + "Ei", "1.5Gi", "x" * 70_000, "[" * 400 + "]" * 400, "{a: " * 300 + "}" * 300,
    "\u0661", "\x85", "\ufeff", "\U0001f600",
)  # fmt: skip


def bomb(random: Random) -> str:
    """Write few lines that stand for any number of values."""
    wide, deep = random.choice((2, 9, 30)), random.choice((2, 9, 40))
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{one}: &a{one} [{', '.join([f'*a{one - 1}'] * wide)}]" for one in range(1, deep)]
    return "\n".join(lines)


def pool(random: Random) -> str:
    fields = [
        f"{random.choice(FIELDS)}: {random.choice(VALUES)}"
        for _ in range(random.choice((1, 2, 3, 9)))
    ]
    return "- name: a\n" + "".join(f"  {one}\n" for one in fields)


def content(random: Random) -> bytes:
    opening = random.choice(("[", "{", "- ", "? ", "a: ", "[{", "'", "!", "&a "))
    encoding = random.choice(("utf-16", "utf-16-be", "utf-32", "utf-8-sig", "cp037"))
    some = [pool(random) for _ in range(random.choice((1, 1, 2, 5)))]
    pools = "".join(some).encode(errors="surrogatepass")
    kinds = (
        bomb(random).encode(),
        random.randbytes(random.choice((0, 1, 50, 3000))),
        spoiling.mutated(random, GOOD.encode()),
        spoiling.mutated(random, pools),
        (opening * random.choice((1, 99, 120, 5000))).encode(),
        GOOD.encode(encoding),
        (GOOD + random.choice(("---\n", "...\n", "---\nx\n", "%YAML 9.9\n"))).encode(),
        ("- {name: a}\n" * random.choice((2, 65, 3000))).encode(),
        pools,
        pools,
    )
    return random.choice(kinds)


def test_any_file_is_pools_or_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "pools.yaml"
    machine = make_machine()

    def check(random: Random) -> None:
        path.write_bytes(content(random))
        started_s = time.process_time()
        file = PoolFile(path)
        assert (file.pools is None) == bool(file.refusals)
        file.is_to_be_taken(None, machine)
        for one in file.refusals:
            assert 0 < len(one.message) < MOST_TOLD, len(one.message)
            assert one.message.replace("\n", "").isprintable(), one.message
        assert time.process_time() - started_s < MOST_SECONDS
        if file.pools:
            with suppress(PoolUnmet):
                partition(machine, file.pools)

    seeds.each(seeds.of(FILES), check)


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "round").symlink_to("round")
    (tmp_path / "folder").mkdir()
    (tmp_path / "huge").touch()
    os.truncate(tmp_path / "huge", 1 << 40)
    places = [tmp_path / one for one in ("pipe", "round", "folder", "huge", "gone", "x" * 300)]
    for place in (*places, Path("/dev/zero"), Path("/dev/null")):
        file = PoolFile(place)
        assert file.pools is None, place
        assert len(file.refusals) == 1, place


def test_a_file_costs_a_few_times_what_it_may_have(tmp_path: Path) -> None:
    path = tmp_path / "pools.yaml"
    worst = ("a: &a [x]\n" + "".join(f"b{one}: *a\n" for one in range(20_000)), "[x," * 90)
    tracemalloc.start()
    try:
        for text in (*worst, "- a\n" * 20_000, "x" * (11 << 20)):
            path.write_text(text)
            tracemalloc.reset_peak()
            with suppress(SpecInvalid):
                load(path)
            assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
