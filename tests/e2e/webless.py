"""The operator as it runs, but for its ports: no webhook, no probe.  `KUBECONFIG` says for whom."""

import asyncio
import logging
import os
import time

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


class _NoServer(Server):
    """Opens no port."""

    def __init__(self) -> None:
        """Serve nothing."""

    async def start(self) -> None:
        """Listen nowhere."""

    async def stop(self) -> None:
        """End nothing."""


class _NoKeeper(Keeper):
    """Keeps no certificate."""

    def __init__(self) -> None:
        """Keep nothing."""

    async def run(self) -> None:
        """Wait to be cancelled."""
        await asyncio.Event().wait()


def main() -> None:
    """Run until told to stop."""
    log.configure("info")
    logging.getLogger("kopf").setLevel(logging.WARNING)
    kubernetes_config.load_kube_config()  # type: ignore[no-untyped-call] # has no types
    cluster, topologies = Cluster(), Topologies()
    injected = Injected(cluster, topologies)
    registry = kopf.OperatorRegistry()
    config = from_environ(os.environ)
    store = Store(time.monotonic)
    sweep = Sweep(cluster, config.namespace, store, topologies)
    controller = Controller(Rounds(cluster, config, topologies, store), sweep)
    register(registry, sweep, Ears(store, topologies, controller, [injected.told]))
    annotated.register(registry, injected, _NoServer(), _NoKeeper())
    served = [config.namespace] if config.namespace else []
    asyncio.run(kopf.operator(registry=registry, clusterwide=not served, namespaces=served))


if __name__ == "__main__":
    main()
