import os
from pathlib import Path

import pytest

from numalocal.errors import SpecInvalid
from numalocal.sets.pools import Pool
from numalocal_deviceplugin.node import poolfile

from ..descriptors import no_descriptors


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pools.yaml"


def test_pools_are_read_from_their_file(file: Path) -> None:
    file.write_text("pools:\n- {name: small, size: 4, reserve: 2}\n")

    assert poolfile.read(file) == (Pool(name="small", size=4, reserve=2),)


def test_an_empty_list_leaves_the_pools_to_the_machine(file: Path) -> None:
    file.write_text("[]\n")

    assert poolfile.read(file) == ()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- {name: Small, size: 0}", "pools[0].size"),
        ("", "must hold one document, holds 0"),
        ("[", "is not YAML"),
    ],
    ids=["problems", "empty", "malformed"],
)
def test_a_file_with_problems_is_refused(file: Path, text: str, sentence: str) -> None:
    file.write_text(text)

    with pytest.raises(SpecInvalid) as caught:
        poolfile.read(file)

    assert sentence in str(caught.value)


def test_a_pipe_is_refused_and_not_waited_for(file: Path) -> None:
    os.mkfifo(file)

    with pytest.raises(SpecInvalid, match="is no file"):
        poolfile.read(file)


def test_a_file_that_is_missing_is_refused(file: Path) -> None:
    with pytest.raises(SpecInvalid, match="cannot be read"):
        poolfile.read(file)


def test_a_file_is_taken_that_could_not_be_opened_for_want_of_descriptors(file: Path) -> None:
    file.write_text("- {name: small, size: 4}\n")
    with no_descriptors():
        pools = poolfile.PoolFile(file)
    assert "cannot be read: Too many open files" in pools.refusals[0].message

    pools.look()

    assert pools.pools == (Pool(name="small", size=4),)


def test_a_file_that_says_the_same_is_not_read_again(file: Path) -> None:
    file.write_text("[")
    pools = poolfile.PoolFile(file)
    told = pools.refusals

    pools.look()

    assert pools.refusals is told
