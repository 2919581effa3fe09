"""`python -m numalocal_operator.trial`: what `helm test` asks of a release.

Whether a node offers CPU sets, and whether the API server reaches the webhook: it is given a pod
that asks for a set, as a dry run.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from kubernetes import config as kubernetes_config
from kubernetes.client.exceptions import ApiException

from numalocal import names
from numalocal_operator.api.answers import TROUBLE, sentence
from numalocal_operator.api.cluster import Cluster
from numalocal_operator.config import Config, from_environ

Raw = Mapping[str, Any]

_PATIENCE_S: Final = 90
"""Agents and the webhook's certificate take their time after an install that did not wait."""
_AGAIN_S: Final = 3
_ELSEWHERE: Final = ("default", "kube-public")
"""Namespaces of every cluster: pods of the release's own never meet the webhook."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, as a sentence; `well` tells whether it is as it should be."""

    sentence: str
    well: bool = False


def tried(
    nodes: Callable[[], Iterator[Raw]], create: Callable[[Raw], Raw], config: Config
) -> list[Finding]:
    """Look once.  `create` makes a pod as a dry run, and gives what it has become."""
    try:
        told = list(nodes())
    except TROUBLE as error:
        return [Finding(f"the nodes cannot be listed: {_said(error)}")]
    if not told:
        return [Finding("no node has told of its CPU sets: see whether an agent runs")]
    findings = [_node(one) for one in told]
    # In a mixed fleet some nodes offer none, and say why.
    serve = any(one.well for one in findings)
    findings = [replace(one, well=serve) for one in findings]
    namespace, pools = _namespace(config), _pools(told)
    # The webhook refuses a pod for a pool that no node offers.
    if namespace and pools:
        findings.append(_webhook(create, namespace, pools[0]))
    return findings


def _node(node: Raw) -> Finding:
    name, status = node["metadata"]["name"], node.get("status") or {}
    counts, refusals = status.get("counts") or {}, status.get("refusals") or ()
    sets, free = counts.get("sets", 0), counts.get("free", 0)
    ready = [one["status"] for one in status.get("conditions") or () if one["type"] == "Ready"]
    if ready == ["True"] and sets:
        return Finding(f"node {name} offers {sets} CPU sets, {free} are free", well=True)
    why = "".join(f"{one['reason']}: {one['message']}" for one in refusals[:1])
    return Finding(f"node {name} offers no CPU sets: {why or 'it has told nothing yet'}")


def _namespace(config: Config) -> str:
    """Choose where pods meet the webhook; empty where there is none."""
    if config.webhook is None:
        return ""
    served = [config.namespace] if config.namespace else _ELSEWHERE
    return next((one for one in served if one != config.webhook.namespace), "")


def _pools(nodes: Sequence[Raw]) -> list[str]:
    told = [(node.get("status") or {}).get("pools") or () for node in nodes]
    return [one["name"] for pools in told for one in pools if one.get("sets")]


def _webhook(create: Callable[[Raw], Raw], namespace: str, pool: str) -> Finding:
    asking = f"a pod in {namespace} that asks for CPU sets"
    try:
        made = create(_pod(namespace, pool))
    except TROUBLE as error:
        return Finding(f"{asking} is refused: {_said(error)}")
    if names.LABEL_INJECTED in (made["metadata"].get("labels") or {}):
        return Finding(f"{asking} is given them by the webhook", well=True)
    return Finding(f"{asking} never met the webhook")


def _pod(namespace: str, pool: str) -> Raw:
    """Make a pod that the strictest standard of pod security takes."""
    contained = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    nobody = {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    asked = {
        names.ANNOTATION_CPUSETS: "1",
        names.ANNOTATION_POOL: pool,
        names.ANNOTATION_ENGINE: "none",
    }
    container = {"name": "engine", "image": "engine", "securityContext": contained}
    return {
        "metadata": {
            "generateName": "numalocal-trial-",
            "namespace": namespace,
            "annotations": asked,
        },
        "spec": {"containers": [container], "securityContext": nobody},
    }


def _said(error: Exception) -> str:
    return sentence(error) if isinstance(error, ApiException) else str(error)


def main() -> int:
    """Look until all is well, 90 s at most; print what was found last."""
    kubernetes_config.load_incluster_config()  # type: ignore[no-untyped-call] # has no types
    config, cluster = from_environ(os.environ), Cluster()
    until = time.monotonic() + _PATIENCE_S
    while True:
        findings = tried(cluster.topologies, cluster.try_pod, config)
        well = all(one.well for one in findings)
        if well or time.monotonic() > until:
            break
        time.sleep(_AGAIN_S)
    sys.stdout.writelines(f"{one.sentence}\n" for one in findings)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
