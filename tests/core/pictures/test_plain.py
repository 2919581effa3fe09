import pytest

from numalocal.pictures import terminal
from numalocal.pictures.plain import _ASCII, ascii_only

from .conftest import MACHINES, drawn


@pytest.mark.parametrize("name", MACHINES)
def test_a_picture_in_ascii_keeps_its_columns(name: str) -> None:
    picture = terminal.draw(*drawn(name), width=80, colour=False)

    plain = ascii_only(picture)

    assert plain.isascii()
    assert "?" not in plain.replace("memory ?", "")
    assert [len(line) for line in plain.splitlines()] == [
        len(line) for line in picture.splitlines()
    ]


def test_no_two_glyphs_become_the_same() -> None:
    assert len(set(_ASCII.values())) == len(_ASCII)
