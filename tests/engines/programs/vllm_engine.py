"""Decode with vLLM on the CPU: `vllm_engine FOLDER`, a model of random weights made there.

vLLM starts its scheduler beside this process, and a worker that computes for each rank.
"""

import json
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, Final

from vllm import LLM, SamplingParams  # type: ignore[import-not-found]

from .telling import compute, options

LAYERS: Final = 4
WIDTH: Final = 1024
INNER: Final = 2816
WORDS: Final = 4096
CONTEXT: Final = 256
BYTES_PER_WEIGHT: Final = 2
CONFIG: Final = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": WIDTH // 64,
    "num_key_value_heads": WIDTH // 64,
    "vocab_size": WORDS,
    "max_position_embeddings": CONTEXT,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
BYTES_PER_TOKEN: Final = BYTES_PER_WEIGHT * (
    LAYERS * (4 * WIDTH * WIDTH + 3 * WIDTH * INNER) + WIDTH * WORDS
)
"""All weights but the embeddings are read for each token."""


def load(folder: Path, *, kv_cache_bytes: int, ranks: int) -> LLM:
    """Start vLLM with what its command line says."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    return LLM(
        str(folder),
        load_format="dummy",
        skip_tokenizer_init=True,
        dtype="bfloat16",
        max_model_len=CONTEXT,
        max_num_seqs=1,
        kv_cache_memory_bytes=kv_cache_bytes,
        tensor_parallel_size=ranks,
        enable_prefix_caching=False,
        enforce_eager=True,
        disable_log_stats=True,
    )


class Decoder:
    """One request after the other, a token at each step."""

    def __init__(self, llm: LLM) -> None:
        self._engine = llm.llm_engine
        self._requests = 0

    def step(self) -> None:
        """Take one token; begin anew where the context is full."""
        while not any(output.outputs for output in self._outputs()):
            pass

    def _outputs(self) -> Any:
        if not self._engine.has_unfinished_requests():
            self._requests += 1
            sampling = SamplingParams(
                temperature=0, max_tokens=CONTEXT - 8, ignore_eos=True, detokenize=False
            )
            prompt = {"prompt_token_ids": [1, 2, 3, 4]}
            self._engine.add_request(str(self._requests), prompt, sampling)
        return self._engine.step()


def end(_signal: int, _frame: FrameType | None) -> None:
    """Leave as by an exception, so that vLLM ends its processes."""
    sys.exit(0)


def main() -> None:
    """Decode one token after another."""
    parser = options("decode with vLLM")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kv-cache-memory-bytes", type=int, default=1 << 28)
    parser.add_argument("--tensor-parallel-size", type=int, default=1)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, end)
    kv_cache_bytes, ranks = given.kv_cache_memory_bytes, given.tensor_parallel_size
    llm = load(given.folder, kv_cache_bytes=kv_cache_bytes, ranks=ranks)
    step = Decoder(llm).step
    compute("vllm", step, bytes_per_step=BYTES_PER_TOKEN, seconds=given.seconds)


if __name__ == "__main__":
    main()
