"""Start the node agent."""

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Final

from numalocal import log as logs
from numalocal.errors import NumalocalError
from numalocal.machine.discovery import discover
from numalocal.machine.sysfs import Sysfs
from numalocal.sets.partition import partition
from numalocal.sets.pools import default_pools
from numalocal_deviceplugin import config, supervisor
from numalocal_deviceplugin.binding import Idle
from numalocal_deviceplugin.node import poolfile
from numalocal_deviceplugin.snapshot import Settings
from numalocal_deviceplugin.state import State

log = logging.getLogger("numalocal_deviceplugin")

_GIVE_WAY_S: Final = 0.0005


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; 1 where the pools or the machine allow no start."""
    logs.configure()
    try:
        settings = config.parse(sys.argv[1:] if arguments is None else arguments, os.environ)
        logs.configure(settings.log_level)
        state = _state(settings)
    except NumalocalError as error:
        log.error("the agent cannot start", extra={"err": str(error)})  # noqa: TRY400
        return 1
    _favour_answers()
    stop = threading.Event()
    _stop_on_signals(stop)
    supervisor.run(settings, state, stop, supervisor.Timing())
    log.info("stopped")
    return 0


def _state(settings: config.Config) -> State:
    """Cut the whole machine: what confines the agent's own pod is no limit of the node's."""
    pools = () if settings.pools_file is None else poolfile.read(settings.pools_file)
    machine = discover(Sysfs(settings.root)).unconfined()
    parts = partition(machine, pools or default_pools(machine))
    for finding in machine.findings:
        log.warning("the kernel's files are inconsistent", extra={"finding": str(finding)})
    for note in parts.notes:
        log.warning("a pool does not suit this machine", extra={"note": note})
    log.info(
        "node is cut into CPU sets",
        extra={
            "online": str(machine.online),
            "shared": str(parts.shared),
            "sets": {one.id: str(one.cpus) for one in parts.sets},
        },
    )
    return State(machine, parts, Settings(idle=Idle(settings.idle), left_alone=settings.left_alone))


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


if __name__ == "__main__":
    sys.exit(main())
