"""vLLM's own parser: what it takes for an option is read here as the same, with the same value."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import pytest

from numalocal.engines import adapter, arguments

from .planning import PROGRAMS, VERSIONS, cache

pytestmark = pytest.mark.engines

PARSER: Final = adapter("vllm").abbreviated
OPTIONS: Final = {
    "--tensor-parallel-size": "-tp",
    "--data-parallel-size": "-dp",
    "--data-parallel-size-local": "-dpl",
    "--prefill-context-parallel-size": "-pcp",
    "--kv-cache-memory-bytes": "",
    "--gpu-memory-utilization": "",
    "--nnodes": "-n",
}
"""Some of those that are looked for, with their short names."""


def spellings() -> Iterator[list[str]]:
    """Write each option by every beginning of its names, with the value in every place."""
    for name in (*OPTIONS, *filter(None, OPTIONS.values())):
        for end in range(2, len(name) + 1):
            word = name[:end]
            yield from ([word, "3"], [f"{word}=3"], [f"{word}3"])
            yield [word[:2] + word[2:].replace("-", "_"), "3"]


def read(words: list[str]) -> dict[str, str | None]:
    """Give what is found of the options here, by their long names."""
    found = {}
    for name, short in OPTIONS.items():
        for one in filter(None, (name, short)):
            if arguments.given(words, one, PARSER):
                found[name] = arguments.value(words, one, PARSER)
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_what_vllm_takes_for_an_option_is_the_option(version: str) -> None:
    folder = cache() / "vllm-planning" / version
    if not (folder / "vllm" / "engine" / "arg_utils.py").is_file():
        pytest.skip("run `make test-engines`")
    asked = list(spellings())

    done = subprocess.run(
        [sys.executable, "-m", "programs.vllm_options", str(folder)],
        input=json.dumps(asked),
        env={"PYTHONPATH": str(PROGRAMS)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    taken = [
        (words, told) for words, told in zip(asked, json.loads(done.stdout), strict=True) if told
    ]
    assert len(taken) > len(asked) // 4
    for words, told in taken:
        assert read(words) == {name: told[name] for name in told if name in OPTIONS}, words
