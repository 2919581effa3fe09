from pathlib import Path

import pytest

from numalocal.errors import SpecInvalid
from numalocal.worker.documents import load_one, load_pools, load_worker

from ..conftest import EXAMPLES

WORKER = "apiVersion: numalocal.io/v1alpha1\nkind: CpuInferenceWorker\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "file.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_worker_is_found_beside_other_kinds(tmp_path: Path) -> None:
    path = written(tmp_path, f"kind: Namespace\n---\n{WORKER}---\n")

    assert load_worker(path)["kind"] == "CpuInferenceWorker"


@pytest.mark.parametrize(
    ("text", "holds"), [("kind: Pod\n", 0), (f"{WORKER}---\n{WORKER}", 2), ("", 0), ("- 1", 0)]
)
def test_none_or_several_workers_are_refused(tmp_path: Path, text: str, holds: int) -> None:
    with pytest.raises(SpecInvalid, match=f"CpuInferenceWorker, holds {holds}"):
        load_worker(written(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecInvalid, match=r"nosuch.yaml' cannot be read: No such file"):
        load_one(tmp_path / "nosuch.yaml")


def test_a_file_that_is_not_yaml_is_refused_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(SpecInvalid, match=r"is not YAML: .*line 3, column"):
        load_one(written(tmp_path, "a: 1\nb: [\n"))


def test_a_pool_file_is_one_document(tmp_path: Path) -> None:
    assert load_one(written(tmp_path, "pools: []\n")) == {"pools": []}
    with pytest.raises(SpecInvalid, match="must hold one document, holds 2"):
        load_one(written(tmp_path, "a: 1\n---\nb: 1\n"))


def test_the_example_pools_are_pools() -> None:
    (pool,) = load_pools(EXAMPLES / "pools" / "four-cores.yaml")

    assert (pool.name, pool.size, pool.reserve) == ("cpuset", 4, 1)
