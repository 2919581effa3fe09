"""The cache: named by what it was made from, whole or not there."""

from pathlib import Path

import pytest

from lab.artifacts import artifact, key


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NUMALOCAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def build(folder: Path) -> None:
    (folder / "made").write_text("whole")


def test_a_key_changes_with_text_name_and_content(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("1")
    before = key("v1", source)

    assert key("v1", source) == before
    assert key("v2", source) != before
    (source / "a").write_text("2")
    assert key("v1", source) != before
    (source / "a").write_text("1")
    (source / "a").rename(source / "b")
    assert key("v1", source) != before


def test_parts_of_a_key_do_not_run_into_each_other() -> None:
    assert key("ab", "c") != key("a", "bc")


def test_an_artifact_is_built_once() -> None:
    first = artifact("thing", "0" * 16, build)

    def never(_: Path) -> None:
        raise AssertionError

    assert artifact("thing", "0" * 16, never) == first
    assert (first / "made").read_text() == "whole"


def test_a_build_that_fails_leaves_nothing(cache: Path) -> None:
    def fail(folder: Path) -> None:
        build(folder)
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        artifact("thing", "1" * 16, fail)

    assert list(cache.iterdir()) == []


def test_a_new_artifact_removes_the_older_of_its_name_alone() -> None:
    old = artifact("thing", "2" * 16, build)
    other = artifact("thing-else", "2" * 16, build)

    new = artifact("thing", "3" * 16, build)

    assert (old.exists(), other.exists(), new.exists()) == (False, True, True)
