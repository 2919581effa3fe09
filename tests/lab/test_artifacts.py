"""The cache: what names an artifact, and that only whole ones are ever seen."""

import threading
from pathlib import Path

import pytest

from lab.artifacts import artifact, exclusive, key
from lab.artifacts import cache as cache_folder
from lab.commands import wait_for

WAITS = "another process works on thing"


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


class Builder:
    """Builds an artifact of one file, and counts how often."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.calls = 0

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        (folder / "file").write_text(self.text)


def test_a_key_is_the_same_wherever_the_sources_lie(tmp_path: Path) -> None:
    files = {"main.go": "package main", "deep/one.go": "x"}
    here, there = write(tmp_path / "a" / "src", files), write(tmp_path / "b" / "src", files)

    assert key("v1", here) == key("v1", there)


@pytest.mark.parametrize(
    "files",
    [
        {"main.go": "package changed", "deep/one.go": "x"},
        {"main.go": "package main"},
        {"main.go": "package main", "deep/two.go": "x"},
        {"main.go": "package main", "deep/one.go": "x", "new": ""},
        {"main.go": "x", "deep/one.go": "package main"},
    ],
    ids=["content", "removed", "renamed", "added", "swapped"],
)
def test_a_key_changes_with_every_change_of_a_source(tmp_path: Path, files: dict[str, str]) -> None:
    before = write(tmp_path / "a" / "src", {"main.go": "package main", "deep/one.go": "x"})
    after = write(tmp_path / "b" / "src", files)

    assert key("v1", before) != key("v1", after)


def test_a_key_tells_texts_apart_by_order_and_border() -> None:
    keys = {key("a", "b"), key("b", "a"), key("ab"), key("ab", ""), key("", "ab"), key()}

    assert len(keys) == 6
    assert all(len(one) == 16 for one in keys)


def test_a_key_leaves_out_what_python_compiled(tmp_path: Path) -> None:
    source = write(tmp_path / "src", {"one.py": "x"})
    before = key(source)
    write(source, {"__pycache__/one.cpython-311.pyc": "compiled"})

    assert key(source) == before


def test_an_artifact_is_built_once(cache: Path) -> None:
    builder = Builder("made")

    first, second = (artifact("thing", key("1"), builder) for _ in range(2))

    assert first == second == cache / f"thing-{key('1')}"
    assert (first / "file").read_text() == "made"
    assert builder.calls == 1


def test_a_new_digest_takes_the_place_of_the_old_one_alone(cache: Path) -> None:
    old = artifact("thing", key("1"), Builder("old"))
    neighbours = [
        artifact("things", key("1"), Builder("a")),
        artifact("thing-two", key("1"), Builder("b")),
    ]

    new = artifact("thing", key("2"), Builder("new"))

    assert (new / "file").read_text() == "new"
    assert not old.exists()
    assert all(one.is_dir() for one in neighbours)


def test_a_failed_build_leaves_nothing_and_keeps_the_old_one(cache: Path) -> None:
    old = artifact("thing", key("1"), Builder("old"))

    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise ValueError("no compiler")

    with pytest.raises(ValueError, match="no compiler"):
        artifact("thing", key("2"), fail)

    assert [one.name for one in cache.iterdir() if one.is_dir()] == [old.name]


def test_what_a_killed_build_has_left_is_removed_by_the_next(cache: Path) -> None:
    left = write(cache / ".thing.new", {"half": ""})
    others = write(cache / ".things.new", {"half": ""})

    artifact("thing", key("1"), Builder("new"))

    assert not left.exists()
    assert others.exists()


def test_builds_of_one_artifact_wait_for_each_other(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    builder = Builder("made")

    with exclusive("thing"):
        waiting = threading.Thread(target=artifact, args=("thing", key("1"), builder))
        waiting.start()
        wait_for("it to wait", lambda: WAITS in capsys.readouterr().err, timeout_s=60)
        calls_while_held = builder.calls
    waiting.join(60)

    assert (calls_while_held, builder.calls) == (0, 1)


def test_the_cache_is_where_the_environment_says(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_folder() == cache

    monkeypatch.delenv("NUMALOCAL_CACHE")
    monkeypatch.setenv("HOME", "/home/somebody")

    assert cache_folder() == Path("/home/somebody/.cache/numalocal")
