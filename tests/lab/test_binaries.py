"""Where helm is looked for before it is built."""

from pathlib import Path

import pytest

from lab import binaries
from lab.artifacts import key


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "helm").touch(mode=0o755)
    return folder


@pytest.fixture
def built(cache: Path) -> Path:
    folder = cache / f"helm-{key(binaries.HELM)}"
    folder.mkdir(parents=True)
    (folder / "helm").touch(mode=0o755)
    return folder / "helm"


def test_a_named_helm_comes_before_one_on_the_path(programs: Path, built: Path) -> None:
    environ = {"PATH": str(programs), "NUMALOCAL_HELM": "/opt/helm"}

    assert binaries.found_helm(environ) == Path("/opt/helm")


def test_one_on_the_path_comes_before_one_that_was_built(programs: Path, built: Path) -> None:
    assert binaries.found_helm({"PATH": str(programs)}) == programs / "helm"


def test_one_that_was_built_is_found(tmp_path: Path, built: Path) -> None:
    assert binaries.found_helm({"PATH": str(tmp_path)}) == built


def test_one_of_another_version_is_not_taken(tmp_path: Path, cache: Path) -> None:
    (cache / "helm-0123456789abcdef").mkdir(parents=True)
    (cache / "helm-0123456789abcdef" / "helm").touch(mode=0o755)

    assert binaries.found_helm({"PATH": str(tmp_path)}) is None
