"""The versions and the machine of a lab are picked by variables."""

import pytest

from lab.choices import chosen
from lab.commands import LabError


def test_without_variables_it_is_the_first_of_each_kind() -> None:
    made = chosen({})

    assert (made.kubernetes, made.runtime.name) == ("1.36", "containerd-2.4")
    assert made.release.startswith("v1.36.")
    assert made.shape.nodes == (1, 1)


def test_each_variable_picks_by_name() -> None:
    made = chosen(
        {
            "NUMALOCAL_LAB_KUBERNETES": "1.37",
            "NUMALOCAL_LAB_RUNTIME": "containerd-1.7",
            "NUMALOCAL_LAB_SHAPE": "memory-only",
        }
    )

    assert made.release.startswith("v1.37.")
    assert made.runtime.name == "containerd-1.7"
    assert made.shape.nodes[-1] == 0


def test_an_empty_variable_says_nothing() -> None:
    assert chosen({"NUMALOCAL_LAB_RUNTIME": ""}) == chosen({})


@pytest.mark.parametrize(
    ("variable", "value", "known"),
    [
        ("NUMALOCAL_LAB_KUBERNETES", "1.99", "1.36, 1.37"),
        ("NUMALOCAL_LAB_RUNTIME", "crio", "containerd-2.4, containerd-1.7"),
        ("NUMALOCAL_LAB_SHAPE", "3", "two, memory-only, eight, one"),
    ],
)
def test_what_there_is_not_is_told_with_what_there_is(
    variable: str, value: str, known: str
) -> None:
    with pytest.raises(LabError) as error:
        chosen({variable: value})

    assert str(error.value) == f"{variable}: {value!r} is none of {known}"
