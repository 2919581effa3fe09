"""Carry out one step of a worker: create and delete its pods, and say what was refused."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from numalocal.worker.inject import Manifest
from numalocal.worker.spec import Worker
from numalocal_operator.api.cluster import TROUBLE, Cluster, PodRefused, sentence
from numalocal_operator.observing.observed import ObservedPod, started_unbound
from numalocal_operator.planning.plan import Creation, Plan
from numalocal_operator.planning.pod import owner
from numalocal_operator.planning.troubles import API_ERROR, POD_REFUSED, Trouble

REFUSED_RETRY_S: Final = 60.0
"""How often to try a pod that the API server refuses: a quota may be raised without an event."""
TAKEN_RETRY_S: Final = 5.0
"""When to look again after a conflict: that of two writes of a quota has no event of ours."""

# Reasons of Events; those of a degraded worker are its condition's.
POD_CREATED: Final = "PodCreated"
POD_REPLACED: Final = "PodReplaced"
POD_DELETED: Final = "PodDeleted"
POD_ADOPTED: Final = "PodAdopted"
POD_RELEASED: Final = "PodReleased"

Make = Callable[[Creation], Manifest]
Tell = Callable[[str, str], None]
"""Is given the reason and the sentence of an Event."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a step.

    `trouble` is what the API server refused, `retry_s` when to try again what was not created, and
    `error` what is to be raised once it has been told: the worker then comes again by a back-off.
    """

    trouble: Trouble | None = None
    retry_s: float | None = None
    error: Exception | None = None


def carry_out(cluster: Cluster, worker: Worker, step: Plan, make: Make, tell: Tell) -> Done:
    """Do what a step says, up to the first refusal: what the next pod would meet is the same."""
    retry_s: float | None = None
    what = ""
    try:
        for pod in (*step.adopt, *step.release):
            what = f"pod {pod.name} cannot be adopted or released"
            _own(cluster, worker, pod, tell)
        for pod in step.delete:
            what = f"pod {pod.name} cannot be deleted"
            cluster.delete_pod(worker.namespace, pod.name, pod.uid)
            why = f": {started_unbound(pod)}" if pod.started is False else ""
            tell(POD_DELETED, f"deleted pod {pod.name}{why}")
        for left, creation in zip(range(len(step.create))[::-1], step.create, strict=True):
            pod_manifest = make(creation)
            what = f"pod {pod_manifest['metadata']['name']}{_more(left)}"
            if not _create(cluster, creation, pod_manifest, tell):
                retry_s = TAKEN_RETRY_S
    except PodRefused as error:
        refused = Trouble(POD_REFUSED, f"{what}: {error}")
        return Done(trouble=refused, retry_s=retry_s or REFUSED_RETRY_S)
    except TROUBLE as error:
        return Done(trouble=Trouble(API_ERROR, f"{what}: {sentence(error)}"), error=error)
    return Done(retry_s=retry_s)


def _own(cluster: Cluster, worker: Worker, pod: ObservedPod, tell: Tell) -> None:
    """Make a pod the worker's own, or no longer where it is released."""
    if pod.released:
        reference: Manifest = {"$patch": "delete", "uid": worker.uid}
    else:
        reference = owner(worker)
    cluster.own_pod(worker.namespace, pod.name, pod.uid, reference)
    if pod.released:
        tell(POD_RELEASED, f"released pod {pod.name}, which has lost the worker's label")
    else:
        tell(POD_ADOPTED, f"adopted pod {pod.name}")


def _more(left: int) -> str:
    return f" (and {left} more)" if left else ""


def _create(cluster: Cluster, creation: Creation, pod: Manifest, tell: Tell) -> bool:
    """Create a replica's pod; False where the API server speaks of a conflict."""
    old, metadata = creation.replaces, pod["metadata"]
    if old is not None:
        cluster.delete_pod(metadata["namespace"], old.name, old.uid, terminal=True)
    if not cluster.create_pod(pod):
        _log.info("pod name taken", extra={"pod": metadata["name"]})
        return False
    if old is None:
        tell(POD_CREATED, f"created pod {metadata['name']}")
    else:
        attempt = creation.attempt
        tell(POD_REPLACED, f"replaced pod {old.name}, attempt {attempt}: {old.failure}")
    return True
