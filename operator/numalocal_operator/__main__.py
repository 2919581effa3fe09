"""`python -m numalocal_operator`: wire everything together and run kopf."""

import asyncio
import logging
import os
import sys
import time
from dataclasses import asdict
from typing import Final

import kopf
from kubernetes import config as kubernetes_config

from numalocal import log
from numalocal_operator.annotated import injected as annotated
from numalocal_operator.annotated.injected import Injected
from numalocal_operator.api.cluster import Cluster
from numalocal_operator.config import from_environ
from numalocal_operator.controller import Controller
from numalocal_operator.handlers import Ears, register
from numalocal_operator.observing.store import Store
from numalocal_operator.observing.topologies import Topologies
from numalocal_operator.reconcile import Rounds
from numalocal_operator.sweeping import Sweep
from numalocal_operator.webhook.keeper import Keeper
from numalocal_operator.webhook.server import Server

RECURSION_LIMIT: Final = 100_000
"""For Python's JSON each level of an object is a call, and the API server takes 10,000 levels: one
object such as that would end every list and watch."""
_LIVENESS = "http://0.0.0.0:8080/healthz"


def main() -> int:
    """Run until told to stop."""
    sys.setrecursionlimit(RECURSION_LIMIT)
    config = from_environ(os.environ)
    log.configure(config.log_level)
    try:
        _log_in()
    except kubernetes_config.ConfigException as error:
        print(f"numalocal-operator: no cluster to work for: {error}", file=sys.stderr)  # noqa: T201
        return 1
    # kopf tells of every call of a handler, with all its settings; what we do, we tell ourselves.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)  # every liveness probe
    logging.getLogger("numalocal_operator").info("starting", extra=asdict(config))
    registry = kopf.OperatorRegistry()
    cluster = Cluster()
    topologies = Topologies()
    injected = Injected(cluster, topologies)
    store = Store(time.monotonic)
    sweep = Sweep(cluster, config.namespace, store, topologies)
    controller = Controller(Rounds(cluster, config, topologies, store), sweep)
    register(registry, sweep, Ears(store, topologies, controller, [injected.told]))
    if config.webhook is not None:
        server = Server(topologies.pools, config.check)
        keeper = Keeper(config.webhook, server.serve_with)
        annotated.register(registry, injected, server, keeper)
    asyncio.run(
        kopf.operator(
            registry=registry,
            # Without peers nobody reads it; kopf would ask for a user's name, which an image lacks.
            identity="numalocal-operator",  # type: ignore[arg-type] # kopf's own name for str
            clusterwide=not config.namespace,
            namespaces=[config.namespace] if config.namespace else [],
            liveness_endpoint=_LIVENESS,
        )
    )
    return 0


def _log_in() -> None:
    """Use the pod's service account, or the user's own configuration outside a cluster."""
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        kubernetes_config.load_incluster_config()  # type: ignore[no-untyped-call] # has no types
    else:
        kubernetes_config.load_kube_config()  # type: ignore[no-untyped-call] # has no types


if __name__ == "__main__":
    sys.exit(main())
