"""ONNX Runtime, told its threads and their CPUs through SessionOptions."""

import pytest

from numalocal.idset import IdSet

from .conftest import Bound

pytestmark = pytest.mark.engines

ENGINE = "programs.onnxruntime_engine"


@pytest.mark.parametrize("cores", [1, 2])
def test_one_thread_of_onnxruntime_computes_on_each_core_of_its_set(
    bound: Bound, cores: int
) -> None:
    engine = bound("onnxruntime", ENGINE, cores=cores)

    assert engine.told()["NUMALOCAL_INTRA_OP_NUM_THREADS"] == str(cores)
    engine.computes_as_planned(cores)
    engine.ends_verified()


def test_each_thread_of_onnxruntimes_pool_holds_the_processor_that_it_was_told(
    bound: Bound,
) -> None:
    engine = bound("onnxruntime", ENGINE, cores=2)

    pool = [one.cpus for thread, one in engine.team(2).items() if thread != engine.pid]

    groups = engine.told()["NUMALOCAL_INTRA_OP_THREAD_AFFINITIES"].split(";")
    # Its processors are counted from 1, and the thread that calls it is none of the pool.
    assert pool == [IdSet({int(processor) - 1}) for processor in groups]
    assert "pthread_setaffinity_np failed" not in engine.output()
