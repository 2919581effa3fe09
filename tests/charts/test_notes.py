import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import CHART, GROUPS, Render

Notes = Callable[..., str]


@pytest.fixture
def notes(render: Render, tmp_path: Path) -> Notes:
    """Give the notes: helm shows those of an installed release only, so they become an object."""
    chart = tmp_path / "numalocal"
    shutil.copytree(CHART, chart)
    text = (chart / "templates" / "NOTES.txt").read_text()
    (chart / "templates" / "_notes.tpl").write_text(f'{{{{ define "notes" }}}}{text}{{{{ end }}}}')
    (chart / "templates" / "notes.yaml").write_text(
        'kind: Notes\nmetadata: {name: notes}\ntext: {{ include "notes" . | quote }}\n'
    )

    def shown(*arguments: str) -> str:
        made = render(*arguments, chart=chart)
        return next(str(one["text"]) for one in made if one["kind"] == "Notes")

    return shown


def test_the_notes_ask_every_node_for_every_pool(notes: Notes) -> None:
    text = notes("--set=pools[0].name=big", "--set=pools[1].name=small")

    assert r"BIG:.status.allocatable.numalocal\.io/big," in text
    assert r"SMALL:.status.allocatable.numalocal\.io/small'" in text
    assert "kubectl --namespace numalocal-system get pods" in text


def test_the_notes_ask_for_the_pools_of_every_group_once(notes: Notes) -> None:
    text = notes("--values", str(GROUPS))

    assert r"io/cpuset,SMALL:.status.allocatable.numalocal\.io/small'" in text
    assert text.count("CPUSET:") == 1


def test_a_group_without_pools_of_its_own_has_the_pool_that_suits_its_machines(
    notes: Notes,
) -> None:
    text = notes(
        "--set=nodeGroups.one.nodeSelector.kind=one",
        "--set=nodeGroups.two.nodeSelector.kind=two",
        "--set=nodeGroups.two.pools[0].name=big",
    )

    assert r"CPUSET:.status.allocatable.numalocal\.io/cpuset,BIG:" in text


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([], "These are the CPUs of 1 core of each NUMA node"),
        (
            ["--set=pools[0].name=a", "--set=pools[1].name=b", "--set=pools[1].reserve=4"],
            "These are the CPUs of 4 cores of each NUMA node",
        ),
        (["--values", str(GROUPS)], "In group epyc these are the CPUs of 2 cores"),
        (["--values", str(GROUPS)], "In group grace these are the CPUs of 1 core "),
    ],
)
def test_the_notes_say_what_stays_shared_and_can_be_reserved(
    notes: Notes, values: list[str], sentence: str
) -> None:
    text = notes(*values)

    assert sentence in text
    assert "SHARED:.status.machine.shared" in text


def test_the_notes_are_lines_of_at_most_120_characters_but_for_commands(notes: Notes) -> None:
    lines = notes("--values", str(GROUPS)).splitlines()

    assert [one for one in lines if len(one) > 120 and "kubectl" not in one] == []
