"""How long command and environment become with their references expanded.

A few variables, each of the one before it twice, stand for any number of bytes: sizes are added up
before anything is expanded.  What is longer than the bounds no Linux starts.
"""

from collections.abc import Iterable
from typing import Final

from numalocal import expansion
from numalocal.fields import Fields

MAX_WORD_BYTES: Final = 131_071
"""MAX_ARG_STRLEN where pages have 4 KiB, less the NUL at the end."""
MAX_TOTAL_BYTES: Final = 6 << 20
"""Arguments and environment together, whatever the limit of the stack (execve(2))."""


def check(
    container: Fields, words: Iterable[tuple[str, str]], env: Iterable[tuple[str, str | None]]
) -> None:
    """Note what is too long; `words` are the field of each argument and its text."""
    sizes: dict[str, int] = {}
    total = 0
    for index, (name, value) in enumerate(env):
        size = expansion.size_bytes(value or "", sizes)
        _check_word(container, f"env[{index}]", value, size)
        sizes[name] = min(size, MAX_WORD_BYTES)
        total += size
    for field, word in words:
        size = expansion.size_bytes(word, sizes)
        _check_word(container, field, word, size)
        total += size
    if total > MAX_TOTAL_BYTES:
        message = f"has arguments and variables of {total} bytes, and Linux takes {MAX_TOTAL_BYTES}"
        container.problem("name", container.raw("name"), message)


def _check_word(container: Fields, field: str, value: object, size: int) -> None:
    if size > MAX_WORD_BYTES:
        message = f"is {size} bytes long when expanded, and Linux takes {MAX_WORD_BYTES} in one"
        container.problem(field, value, message)
