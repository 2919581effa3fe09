import io
import os
import threading
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


def test_the_worker_is_found_in_a_list_as_kubectl_writes_one(tmp_path: Path) -> None:
    for kind in ("List", "CpuInferenceWorkerList"):
        text = f"kind: {kind}\nitems:\n- kind: CpuInferenceWorker\n- kind: Pod\n"
        assert load_worker(written(tmp_path, text)) == {"kind": "CpuInferenceWorker"}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("kind: Namespace\n", "0 (found: 'Namespace')"),
        ("kind: Deployment\n", "0 (found: 'Deployment'; see numalocal annotate)"),
        ("kind: CpuInferenceworker\n---\nspec: {}", "0 (found: 'CpuInferenceworker', one without"),
        (f"{WORKER}---\n{WORKER}", "2"),
        ("", "0"),
        ("- 1", "0 (found: one without a kind)"),
        ("kind: List\nitems: 1", "0"),
        ("kind: List", "0"),
        ("kind: [List]", "0 (found: ['List'])"),
        ("kind:", "0 (found: null)"),
        (
            "---\n".join(f"kind: K{n}\n" for n in range(9)),
            "0 (found: 'K0', 'K1', 'K2', 'K3', 'K4', ..",
        ),
    ],
)
def test_none_or_several_workers_are_refused(tmp_path: Path, text: str, holds: str) -> None:
    with pytest.raises(SpecInvalid) as caught:
        load_worker(written(tmp_path, text))

    assert f"with kind: CpuInferenceWorker, holds {holds}" in str(caught.value)


def test_a_stream_is_read_as_a_file_is() -> None:
    assert load_worker(io.BytesIO(WORKER.encode()))["kind"] == "CpuInferenceWorker"
    with pytest.raises(SpecInvalid, match="'standard input' must hold one document"):
        load_one(io.BytesIO())


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    """What a shell makes of `-f <(...)`."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(WORKER,))
    writer.start()

    assert load_worker(pipe)["kind"] == "CpuInferenceWorker"
    writer.join()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_the_text(encoding: str) -> None:
    assert load_one(io.BytesIO("größe: 1".encode(encoding))) == {"größe": 1}


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"a: 1\nb: \xff", "is no utf-8 text: invalid start byte, line 2"),
        (b"\xff\xfea", "is no utf-16 text: truncated data, line 1"),
        (b"x" * (10 << 20) + b"yy", "is larger than 10 MiB"),
        (b"\x7fELF\x00", "is not YAML: unacceptable character"),
        (b"a: 1\na: 2", "has 'a' twice in one mapping, line 2: leave one out"),
    ],
    ids=["latin", "half", "large", "binary", "twice"],
)
def test_what_is_no_document_is_one_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(SpecInvalid) as caught:
        load_one(io.BytesIO(data))

    assert f"file: 'standard input' {sentence}" in str(caught.value)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/", "file: '/' cannot be read: Is a directory"),
        ("/dev/zero", "file: '/dev/zero' is larger than 10 MiB"),
        ("/dev/null", "file: '/dev/null' must hold one document, holds 0"),
        ("/nosuch\x1b[31m", r"file: '/nosuch\x1b[31m' cannot be read: No such file or directory"),
    ],
)
def test_what_is_no_file_is_one_sentence(path: str, sentence: str) -> None:
    with pytest.raises(SpecInvalid) as caught:
        load_one(Path(path))

    assert str(caught.value) == sentence


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
