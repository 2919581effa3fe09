"""Whatever a tree says, `numalocal topology` ends in time, with sentences and no traceback.

A few hundred trees each time; `make hostile` tries a hundred thousand.
"""

import io
import json
import os
import shutil
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest

from captured import TRUTHS, unpacked
from hostile import spoilt
from laid_out import confined, far, lay_out, machine, near, single
from numalocal import cli
from numalocal.idset import IdSet
from scratch import scratch

TREES = int(os.environ.get("NUMALOCAL_HOSTILE_TREES", "150"))
FIRST = int(os.environ.get("NUMALOCAL_HOSTILE_FIRST", "0"))
MOST_SECONDS = 60
FORMS = ("json", "text", "svg")

LAID_OUT = {
    "plain": machine(far(4), nodes={0: [0, 1], 1: [2, 3]}, smt="on") | confined("0-7"),
    "hybrid": machine([*near(4), *near(4, 1, 8)], offline=[1], smt="on")
    | {"sys/devices/cpu_core/cpus": "0,2-7", "sys/devices/cpu_atom/cpus": "8-11"},
    "arm": machine(single(8), capacity=lambda place: 1024 - 300 * (place % 2), offline=[0]),
    "lending": machine(
        far(8), nodes={0: range(4), 1: range(4, 8), 2: []}, memory_gib={0: 64, 1: 0, 2: 512}
    ),
    "confined": machine(far(8), smt="on")
    | confined("0,8", group="/a", effective="0-15")
    | {"sys/devices/system/cpu/isolated": "1-7,9-15"},
}
CAPTURES = [
    name
    for name, truth in TRUTHS.items()
    if len(IdSet.parse(truth["online_cpus"])) <= 20  # a large one takes as long as all these
]


class TooLong(Exception):
    """A tree that takes longer than any machine does."""


@contextmanager
def in_time() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(MOST_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def roots() -> dict[str, Path]:
    folder = scratch()
    made = {name: lay_out(folder / name, files) for name, files in LAID_OUT.items()}
    for name in CAPTURES:
        made[name] = shutil.copytree(unpacked(name), folder / name, symlinks=True)
    return made


def shown(root: Path, form: str) -> tuple[int, str]:
    """Run the command; give its exit status and what it printed."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    errors = io.StringIO()
    with in_time(), redirect_stdout(out), redirect_stderr(errors):
        status = cli.main(["topology", "--root", str(root), "-o", form])
    said = errors.getvalue()
    assert (said == "") == (status == 0), said
    assert all(line.startswith("numalocal: ") for line in said.splitlines()), said
    assert len(said) < 2000
    out.seek(0)
    return status, out.read()


def check(root: Path) -> None:
    printed = {form: shown(root, form) for form in FORMS}
    assert len({status for status, _ in printed.values()}) == 1
    if printed["json"][0]:
        return
    found = json.loads(printed["json"][1])
    for form in ("text", "json"):
        assert all(one == "\n" or one.isprintable() for one in printed[form][1]), form
    ElementTree.fromstring(printed["svg"][1])
    online = IdSet.parse(found["online_cpus"])
    assert online
    assert online >= IdSet.parse(found["allowed_cpus"])
    cores = [IdSet.parse(one["cpus"]) for one in found["cores"] or []]
    assert sum(map(len, cores)) == len(IdSet().union(*cores))
    given = [IdSet.parse(one["cpus"]) for one in found.get("sets", [])]
    assert sum(map(len, given)) == len(IdSet().union(*given))
    assert all(len(one["message"]) < 400 for one in found["findings"])


def test_a_spoilt_tree_is_a_machine_with_findings_or_one_sentence(roots: dict[str, Path]) -> None:
    names, faults = sorted(roots), dict[str, str]()
    for seed in range(FIRST, FIRST + TREES):
        random = Random(seed)
        name = random.choice(names)
        with spoilt(roots[name], random) as harms:
            try:
                check(roots[name])
            except Exception as error:
                at = traceback.extract_tb(error.__traceback__)[-1]
                kind = f"{type(error).__name__} at {Path(at.filename).name}:{at.lineno}"
                faults.setdefault(kind, f"{str(error)[:200]}; seed {seed}, {name}: {harms}")
    assert not faults, "\n".join(f"{kind}: {said}" for kind, said in faults.items())
