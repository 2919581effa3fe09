"""The table of what was run on the lab has a row for each run, and each is the last of its kind."""

import runpy
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RUNS: dict[str, Any] = runpy.run_path(str(ROOT / "setup" / "runs.py"))
EMPTY = f"before\n{RUNS['BEGIN']}\n{RUNS['HEAD']}\n{RUNS['END']}after\n"


def run(**changed: str | int) -> dict[str, str | int]:
    told: dict[str, str | int] = {
        "suite": "whole",
        "containerd": "2.4.2",
        "runc": "1.5.2",
        "kubernetes": "1.36.3",
        "linux": "6.12.74",
        "machine": "two",
        "passed": 46,
        "failed": 0,
        "minutes": 24,
    }
    return {**told, **changed}


def rows(text: str) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = RUNS["rows"](text)
    return found


def with_runs(text: str, *runs: dict[str, str | int]) -> str:
    return str(RUNS["with_runs"](text, runs))


def test_a_run_is_a_row() -> None:
    text = with_runs(EMPTY, run())

    assert rows(text) == [
        ("2.4.2", "1.5.2", "1.36.3", "two", "6.12.74", "whole", "46 of 46", "24"),
    ]
    assert text.startswith("before\n")
    assert text.endswith("after\n")


def test_what_failed_is_not_hidden() -> None:
    assert rows(with_runs(EMPTY, run(passed=44, failed=2)))[0][6] == "44 of 46"


def test_a_later_run_of_the_same_replaces_it_and_no_other() -> None:
    before = with_runs(EMPTY, run(), run(suite="short", passed=7), run(machine="eight"))

    after = with_runs(before, run(passed=47, linux="6.12.80"))

    assert len(rows(after)) == 3
    assert [one[4] for one in rows(after) if one[3] == "two" and one[5] == "whole"] == ["6.12.80"]


def test_newer_versions_come_first_and_ten_is_more_than_nine() -> None:
    text = with_runs(EMPTY, run(containerd="1.7.24"), run(containerd="2.10.0"), run())

    assert [one[0] for one in rows(text)] == ["2.10.0", "2.4.2", "1.7.24"]


def test_without_new_runs_nothing_changes() -> None:
    text = with_runs(EMPTY, run(), run(machine="one"))

    assert with_runs(text) == text


def test_the_document_is_as_it_is_written() -> None:
    text = (ROOT / "docs" / "runtimes.md").read_text()

    assert with_runs(text) == text
