"""Write the node's annotation that tells the operator how large this node's CPU sets are.

One PATCH needs no client library: the full Kubernetes client would triple the agent's memory, so
this is the standard library's HTTP with the service account that every pod has.
"""

import json
import logging
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Final
from urllib.parse import quote

from numalocal import names
from numalocal.machine.model import Machine
from numalocal.sets.partition import Partition
from numalocal_deviceplugin import backoff
from numalocal_deviceplugin.errors import PublishFailed

log = logging.getLogger(__name__)

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")

_TIMEOUT_S = 5.0
_OK = 200

Connect = Callable[[], HTTPConnection]
"""Open a connection to the API server; OSError where that fails."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """Annotates one node; `token_file` is read at every try, as tokens expire."""

    connect: Connect
    token_file: Path
    node: str

    def publish(self, annotation: str) -> None:
        """Merge the annotation into the node object.

        Raises:
            PublishFailed: for whatever reason it did not get there.
        """
        body = {"metadata": {"annotations": {names.ANNOTATION_POOLS: annotation}}}
        path = f"/api/v1/nodes/{quote(self.node)}"
        try:
            headers = {
                "Authorization": f"Bearer {self.token_file.read_text(encoding='utf-8').strip()}",
                "Content-Type": "application/merge-patch+json",
                "Accept": "application/json",
            }
            connection = self.connect()
            try:
                connection.request("PATCH", path, json.dumps(body), headers)
                response = connection.getresponse()
                text = response.read().decode(errors="replace")
            finally:
                connection.close()
        except (OSError, HTTPException) as error:
            raise PublishFailed(f"PATCH {path}: {error}") from error
        if response.status != _OK:
            raise PublishFailed(f"PATCH {path}: status {response.status}: {_message(text)}")


def in_cluster(
    node: str, environment: Mapping[str, str], account: Path = SERVICE_ACCOUNT
) -> Publisher | None:
    """Make the publisher of a pod's service account; None where the process is no pod's."""
    host = environment.get("KUBERNETES_SERVICE_HOST")
    token_file = account / "token"
    if not node or not host or not token_file.exists():
        return None
    port = int(environment.get("KUBERNETES_SERVICE_PORT", "443"))

    def connect() -> HTTPConnection:
        context = ssl.create_default_context(cafile=str(account / "ca.crt"))
        # Python 3.13 refuses authorities without the extensions of RFC 5280; clusters that made
        # theirs by hand have such ones, and every other client of theirs works.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=context)

    return Publisher(connect, token_file, node)


def pools_annotation(partition: Partition, machine: Machine) -> str:
    """Describe the pools of a node: its sets, the largest, and the largest node of their memory."""
    memory_bytes = {node.id: node.memory_bytes or 0 for node in machine.nodes}
    pools: dict[str, dict[str, int]] = {}
    for one in partition.sets:
        pool = pools.setdefault(one.pool, {"sets": 0, "cpusPerSet": 0, "nodeMemoryBytes": 0})
        pool["sets"] += 1
        pool["cpusPerSet"] = max(pool["cpusPerSet"], len(one.cpus))
        largest = max((memory_bytes[node] for node in one.memory_nodes), default=0)
        pool["nodeMemoryBytes"] = max(pool["nodeMemoryBytes"], largest)
    return json.dumps(pools, separators=(",", ":"))


def run(
    publisher: Publisher,
    annotation: str,
    wanted: threading.Event,
    stop: threading.Event,
    *,
    retry_first_s: float = 1.0,
    retry_ceiling_s: float = 60.0,
) -> None:
    """Publish whenever it is wanted, until it got there; `wanted` is also set to end the wait."""
    while not stop.is_set():
        wanted.wait()
        wanted.clear()
        for delay_s in backoff.delays(retry_first_s, retry_ceiling_s):
            if stop.is_set() or _published(publisher, annotation):
                break
            stop.wait(delay_s)


def _published(publisher: Publisher, annotation: str) -> bool:
    try:
        publisher.publish(annotation)
    except PublishFailed as error:
        log.warning("node not annotated", extra={"node": publisher.node, "err": str(error)})
        return False
    log.info("node annotated", extra={"node": publisher.node, "pools": annotation})
    return True


def _message(text: str) -> str:
    """Take the sentence out of the API server's Status object, or the text's beginning."""
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:200]
