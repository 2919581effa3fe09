"""Requests to end, noted instead of raised: they may come at any instruction."""

import signal
from types import FrameType
from typing import Final, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Notes SIGINT, SIGTERM and SIGHUP while it is entered, oldest first in `came`.

    What was ignored stays so: `nohup` does that, and a shell for what it runs in the background.
    """

    def __init__(self) -> None:
        self.came: list[signal.Signals] = []

    def __enter__(self) -> Self:
        self._before = {
            number: signal.signal(number, self._note)
            for number in _SIGNALS
            if signal.getsignal(number) is not signal.SIG_IGN
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.came.append(signal.Signals(number))
