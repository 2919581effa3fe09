"""OpenVINO, told its properties through compile_model."""

import json

import pytest

from .conftest import Bound

pytestmark = pytest.mark.engines

ENGINE = "programs.openvino_engine"


@pytest.mark.parametrize("cores", [1, 2])
def test_one_thread_of_openvino_computes_on_each_core_of_its_set(bound: Bound, cores: int) -> None:
    engine = bound("openvino", ENGINE, cores=cores)

    told = json.loads(engine.told()["NUMALOCAL_OPENVINO_CONFIG"])
    assert told == {"INFERENCE_NUM_THREADS": cores, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": True}
    engine.computes_as_planned(cores)
    engine.ends_verified()
