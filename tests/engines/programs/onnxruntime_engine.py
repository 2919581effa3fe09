"""Multiply matrices with ONNX Runtime, told its threads by the environment.

ONNX Runtime reads no variables: a program gives them to its SessionOptions, as this one does.
"""

import os
from collections.abc import Mapping
from typing import Final

import numpy as np  # type: ignore[import-not-found]
import onnxruntime  # type: ignore[import-not-found]
from onnx import TensorProto, helper, numpy_helper  # type: ignore[import-not-found]

from .telling import compute, options

LAYERS: Final = 16
ROWS: Final = 8
WIDTH: Final = 1024


def model() -> bytes:
    """Make a model of matrices one after the other."""
    random = np.random.default_rng(1)
    weights = [
        numpy_helper.from_array(
            random.standard_normal((WIDTH, WIDTH), dtype=np.float32) / np.float32(WIDTH),
            f"w{layer}",
        )
        for layer in range(LAYERS)
    ]
    nodes = [
        helper.make_node("MatMul", [f"x{layer}", f"w{layer}"], [f"x{layer + 1}"])
        for layer in range(LAYERS)
    ]
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [ROWS, WIDTH])]
        for name in ("x0", f"x{LAYERS}")
    ]
    graph = helper.make_graph(nodes, "matrices", *ends, initializer=weights)
    # The oldest versions that have all of this: any ONNX Runtime takes them.
    made = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    return bytes(made.SerializeToString())


def session_options(environ: Mapping[str, str]) -> onnxruntime.SessionOptions:
    """Give a session the threads and the affinities that numalocal has told."""
    told = onnxruntime.SessionOptions()
    told.intra_op_num_threads = int(environ["NUMALOCAL_INTRA_OP_NUM_THREADS"])
    told.inter_op_num_threads = 1
    if affinities := environ.get("NUMALOCAL_INTRA_OP_THREAD_AFFINITIES"):
        told.add_session_config_entry("session.intra_op_thread_affinities", affinities)
    return told


def main() -> None:
    """Run the model again and again."""
    given = options("multiply matrices with ONNX Runtime").parse_args()
    session = onnxruntime.InferenceSession(
        model(), session_options(os.environ), providers=["CPUExecutionProvider"]
    )
    rows = {"x0": np.ones((ROWS, WIDTH), np.float32)}
    size = LAYERS * WIDTH * WIDTH * 4
    compute(
        "onnxruntime",
        lambda: session.run(None, rows),
        bytes_per_step=size,
        seconds=given.seconds,
    )


if __name__ == "__main__":
    main()
