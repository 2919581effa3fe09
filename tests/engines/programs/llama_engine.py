"""Decode with llama.cpp: `llama_engine MODEL`.

Reads the variables of llama-server (common/arg.cpp), which llama-cpp-python itself does not.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from llama_cpp import Llama  # type: ignore[import-not-found]

from .telling import compute, options

CONTEXT: Final = 256
NUMA: Final = {"": 0, "distribute": 1, "isolate": 2, "numactl": 3}
"""`enum ggml_numa_strategy` of ggml-cpu.h."""


def load(path: Path, environ: Mapping[str, str]) -> Llama:
    """Load a model as llama-server would with these variables."""
    threads = int(environ["LLAMA_ARG_THREADS"])
    return Llama(
        str(path),
        n_ctx=CONTEXT,
        n_threads=threads,
        n_threads_batch=int(environ.get("LLAMA_ARG_THREADS_BATCH", threads)),
        numa=NUMA[environ.get("LLAMA_ARG_NUMA", "")],
        use_mmap=False,  # pages of a file lie where its first reader was
        verbose=False,
    )


def main() -> None:
    """Decode one token after another, and begin anew where the context is full."""
    parser = options("decode with llama.cpp")
    parser.add_argument("model", type=Path)
    given = parser.parse_args()
    llama = load(given.model, os.environ)

    def decode() -> None:
        if llama.n_tokens >= CONTEXT:
            llama.reset()
        llama.eval([llama.token_bos()])

    size = given.model.stat().st_size
    compute("llama", decode, bytes_per_step=size, seconds=given.seconds)


if __name__ == "__main__":
    main()
