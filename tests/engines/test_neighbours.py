"""Two real engines on one machine, each under a `numalocal run` of its own."""

from pathlib import Path

import pytest

from .conftest import Bound

pytestmark = pytest.mark.engines


@pytest.mark.parametrize("engine", ["llama.cpp", "onnxruntime", "openvino"])
def test_neighbours_compute_on_different_cpus(bound: Bound, model: Path, engine: str) -> None:
    programs: dict[str, list[str | Path]] = {
        "llama.cpp": ["programs.llama_engine", model],
        "onnxruntime": ["programs.onnxruntime_engine"],
        "openvino": ["programs.openvino_engine"],
    }
    first, second = (bound(engine, *programs[engine], cores=1) for _ in range(2))

    assert first.planned().isdisjoint(second.planned())
    for one in (first, second):
        one.computes_as_planned(1)
        one.ends_verified()
