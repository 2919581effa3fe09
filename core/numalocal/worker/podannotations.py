"""What a pod with CPU sets tells the agent of its node, and the container runtime."""

from collections.abc import Mapping

from numalocal import names
from numalocal.sets.memoryask import BOUND_LOCALLY, Enforcement
from numalocal.worker.ask import Ask
from numalocal.worker.podtemplate import Template
from numalocal.worker.required import required_plugins


def annotations(template: Template, ask: Ask) -> tuple[dict[str, str], tuple[str, ...]]:
    """Tell the agent of the node what this pod's containers are, and the runtime to wait for it.

    Give the annotations, and a sentence for each of the pod's own that nobody can read.  Init
    containers that end have the engine's cores before it; those that stay are others.
    """
    inits = template.init_containers
    bound = (names.CHECK_CONTAINER, *(one.name for one in inits if not one.sidecar))
    told = {
        names.ANNOTATION_ENGINE: ask.engine.name,
        names.ANNOTATION_OPENMP: ask.engine.openmp,
        names.ANNOTATION_CONTAINER: template.engine.name,
        names.ANNOTATION_BOUND_CONTAINERS: ",".join(bound),
    }
    if ask.engine.reserved_cores is not None:
        told[names.ANNOTATION_RESERVED_CORES] = str(ask.engine.reserved_cores)
    told |= _memory_annotations(ask)
    if ask.enforcement is Enforcement.BEST_EFFORT:  # the runtime is not to wait for anybody
        return told, ()
    theirs = (template.raw.get("metadata") or {}).get("annotations") or {}
    required, unread = required_plugins(theirs)
    return told | required, unread


def _memory_annotations(ask: Ask) -> Mapping[str, str]:
    """Tell the agent what is asked of memory, where that is not what everybody gets."""
    told: dict[str, str] = {}
    if ask.enforcement is not Enforcement.REQUIRED:
        told[names.ANNOTATION_ENFORCEMENT] = str(ask.enforcement)
    if ask.memory == BOUND_LOCALLY:
        return told
    told[names.ANNOTATION_MEMORY_POLICY] = str(ask.memory.policy)
    told[names.ANNOTATION_MEMORY_NODES] = str(ask.memory.nodes)
    told[names.ANNOTATION_ON_OVERFLOW] = str(ask.memory.on_overflow)
    if ask.memory_per_rank_bytes is not None:  # which decides what overflows
        told[names.ANNOTATION_MEMORY] = str(ask.memory_per_rank_bytes)
    return told
