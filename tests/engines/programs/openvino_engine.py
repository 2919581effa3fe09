"""Multiply matrices with OpenVINO, told its properties by the environment.

OpenVINO reads no variables: a program gives them to compile_model, as this one does.
"""

import json
import os
from typing import Final

import numpy as np  # type: ignore[import-not-found]
import openvino  # type: ignore[import-not-found]
from openvino import opset8 as ops

from .telling import compute, options

LAYERS: Final = 8
ROWS: Final = 512
WIDTH: Final = 1024


def model() -> openvino.Model:
    """Make a model of matrices one after the other."""
    random = np.random.default_rng(1)
    rows = ops.parameter([ROWS, WIDTH], np.float32)
    product = rows
    for _ in range(LAYERS):
        weights = random.standard_normal((WIDTH, WIDTH), dtype=np.float32) / np.float32(WIDTH)
        product = ops.matmul(product, ops.constant(weights), transpose_a=False, transpose_b=False)
    return openvino.Model([product], [rows])


def main() -> None:
    """Run the model again and again."""
    given = options("multiply matrices with OpenVINO").parse_args()
    told = json.loads(os.environ["NUMALOCAL_OPENVINO_CONFIG"])
    compiled = openvino.compile_model(model(), "CPU", {**told, "INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    rows = {0: np.ones((ROWS, WIDTH), np.float32)}
    size = LAYERS * WIDTH * WIDTH * 4
    compute("openvino", lambda: request.infer(rows), bytes_per_step=size, seconds=given.seconds)


if __name__ == "__main__":
    main()
