"""`python -m numalocal_operator`: read what we are told, log in, and run."""

import asyncio
import logging
import os
import sys
from dataclasses import asdict
from typing import Final

from kubernetes import config as kubernetes_config

from numalocal import log
from numalocal_operator.config import ConfigInvalid, from_environ
from numalocal_operator.running import Replica

RECURSION_LIMIT: Final = 100_000
"""For Python's JSON each level of an object is a call, and the API server takes 10,000 levels: one
object such as that would end every list and watch."""
_ARGUMENTS: Final = (
    "takes no arguments: the chart's values become its environment, NUMALOCAL_LOG_LEVEL and others"
)


def main() -> int:
    """Run until told to stop."""
    if sys.argv[1:]:
        print(f"numalocal-operator: {_ARGUMENTS}", file=sys.stderr)  # noqa: T201
        return 2
    sys.setrecursionlimit(RECURSION_LIMIT)
    try:
        config = from_environ(os.environ)
    except ConfigInvalid as error:
        print(f"numalocal-operator: {error}", file=sys.stderr)  # noqa: T201
        return 2
    log.configure(config.log_level)
    try:
        _log_in()
    except kubernetes_config.ConfigException as error:
        print(f"numalocal-operator: no cluster to work for: {error}", file=sys.stderr)  # noqa: T201
        return 1
    # kopf tells of every call of a handler, with all its settings; what we do, we tell ourselves.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    # It warns that signals are not its own: they are ours.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)  # every liveness probe
    logging.getLogger("numalocal_operator").info("starting", extra=asdict(config))
    return asyncio.run(Replica(config).run())


def _log_in() -> None:
    """Use the pod's service account, or the user's own configuration outside a cluster."""
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        kubernetes_config.load_incluster_config()  # type: ignore[no-untyped-call] # has no types
    else:
        kubernetes_config.load_kube_config()  # type: ignore[no-untyped-call] # has no types


if __name__ == "__main__":
    sys.exit(main())
