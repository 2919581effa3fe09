"""Start the node agent."""

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final

from numalocal import log as logs
from numalocal.errors import NumalocalError
from numalocal_deviceplugin import aside, config, supervisor

log = logging.getLogger("numalocal_deviceplugin")

_GIVE_WAY_S: Final = 0.0005


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; 1 where a part of the agent ended before that."""
    settings = config.parse(sys.argv[1:] if arguments is None else arguments, os.environ)
    logs.configure(settings.log_level)
    aside.write_aside()
    threading.excepthook = _log_exception
    _favour_answers()
    stop = threading.Event()
    _stop_on_signals(stop)
    try:
        well = supervisor.run(settings, stop, supervisor.Timing())
    except NumalocalError as error:
        log.error("the agent cannot start", extra={"err": str(error)})  # noqa: TRY400
        return 1
    log.info("stopped")
    return 0 if well else 1


def _favour_answers() -> None:
    """Keep short what kubelet and runtime wait for, beside threads that look at the whole node.

    A thread gives way after half a millisecond, not after five; and what lives from the start is
    walked by no garbage collection any more, each of which would take ten.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(_GIVE_WAY_S)


def _stop_on_signals(stop: threading.Event) -> None:
    def stop_now(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, stop_now)
    signal.signal(signal.SIGINT, stop_now)


def _log_exception(caught: threading.ExceptHookArgs) -> None:
    """Log what ends a thread in the form of all other logs."""
    name = caught.thread.name if caught.thread else ""
    error = (caught.exc_type, caught.exc_value or caught.exc_type(), caught.exc_traceback)
    log.error("a thread failed", extra={"part": name}, exc_info=error)


def start(run: Callable[[], int] = main) -> None:
    """Run, and end the process even where a thread hangs, for which sys.exit would wait.

    And where what raises is no part of the agent: those live on, and nobody would look after them.
    """
    try:
        code = run()
    except Exception:
        log.exception("the agent failed")
        code = 1
    for one in logging.getLogger().handlers:  # and no flush, which may wait for a reader for ever
        one.close()
    os._exit(code)


if __name__ == "__main__":
    start()
