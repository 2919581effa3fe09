"""How long to wait before the next try."""

from collections.abc import Iterator


def delays(first_s: float, ceiling_s: float) -> Iterator[float]:
    """Yield waits in seconds for ever: each twice the one before, up to the ceiling."""
    delay_s = first_s
    while True:
        yield min(delay_s, ceiling_s)
        delay_s = min(delay_s * 2, ceiling_s)
