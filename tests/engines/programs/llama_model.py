"""Write a model of llama's architecture with random weights: `llama_model PATH`.

Its tokens are the 256 bytes.  It is large enough to be read from memory, not from a cache.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import gguf  # type: ignore[import-not-found]
import numpy as np  # type: ignore[import-not-found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes of a model; `hidden` is the width of its feed-forward layers."""

    layers: int
    width: int
    hidden: int
    heads: int = 8
    context: int = 512
    tokens: int = 3 + 256


def write(path: Path, shape: Shape) -> None:
    """Write the model's file."""
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, shape)
    _add_tokens(writer)
    random = np.random.default_rng(1)

    def add(name: str, *size: int) -> None:
        weights = random.standard_normal(size, dtype=np.float32) / np.float32(shape.width)
        writer.add_tensor(f"{name}.weight", weights.astype(np.float16))

    def add_norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(shape.width, np.float32))

    add("token_embd", shape.tokens, shape.width)
    add("output", shape.tokens, shape.width)
    add_norm("output_norm")
    for block in (f"blk.{number}." for number in range(shape.layers)):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(block + name, shape.width, shape.width)
        add(block + "ffn_gate", shape.hidden, shape.width)
        add(block + "ffn_up", shape.hidden, shape.width)
        add(block + "ffn_down", shape.width, shape.hidden)
        add_norm(block + "attn_norm")
        add_norm(block + "ffn_norm")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(shape.tokens)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def _add_tokens(writer: gguf.GGUFWriter) -> None:
    kinds = gguf.TokenType
    special = [("<unk>", kinds.UNKNOWN), ("<s>", kinds.CONTROL), ("</s>", kinds.CONTROL)]
    tokens = [*special, *((f"<0x{byte:02X}>", kinds.BYTE) for byte in range(256))]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _ in tokens])
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([kind for _, kind in tokens])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--width", type=int, default=512)
    given = parser.parse_args()
    write(given.path, Shape(layers=given.layers, width=given.width, hidden=given.width * 11 // 4))
