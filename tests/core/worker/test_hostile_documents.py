"""What the command line makes of documents with a few things wrong: a plan or sentences."""

import contextlib
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numalocal.commands import parser, plan
from numalocal.errors import NumalocalError, SpecInvalid
from numalocal.fields import MAX_PROBLEMS
from simulated.spec import Simulated
from simulated.tree import written

from .mutations import hostile


def outcome(root: Path, file: Path) -> tuple[str, tuple[str, ...]]:
    """Plan a document; give what is printed, or the sentences that refuse it."""
    arguments = parser.make().parse_args(["plan", "--root", str(root), "-f", str(file)])
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    try:
        with contextlib.redirect_stdout(printed):
            plan.main(arguments)
    except SpecInvalid as error:
        return "", tuple(str(one) for one in error.problems)
    except NumalocalError as error:
        return "", (str(error),)
    printed.seek(0)
    return printed.read(), ()


@pytest.fixture(scope="module")
def root() -> Path:
    """A machine with two NUMA nodes, where most examples find a place."""
    return written(Simulated(packages=2, cores_per_node=4, threads=2))


@settings(max_examples=300, derandomize=True)
@given(st.integers(0, 2**32))
def test_a_document_is_a_plan_or_short_sentences(root: Path, seed: int) -> None:
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(hostile(seed))
        file.flush()

        printed, sentences = outcome(root, Path(file.name))

    assert bool(printed) != bool(sentences)
    assert len(sentences) <= MAX_PROBLEMS
    for one in sentences:
        assert one.isprintable()
        assert len(one) < 600
    assert printed.replace("\n", "").replace("\t", "").isprintable()
