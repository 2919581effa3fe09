"""Read a pod as the API server gives it: raw pod in, ObservedPod out."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

from numalocal import names
from numalocal.quantity import parse_quantity
from numalocal.sets.memoryask import Enforcement
from numalocal.worker.podtemplate import LIMIT_RANGER
from numalocal_operator.observing import endings, sizes
from numalocal_operator.observing.observed import ObservedPod

RawPod = Mapping[str, Any]
Started = Callable[[str, str, str], bool | None]
"""Tells of node, pod uid and container id whether the container was created with its binding."""

_REPLICA: Final = re.compile(r"(0|[1-9][0-9]{0,8})(-[0-9a-f]{8})?")
"""What follows the worker's name: the number, and what tells a pod that took another's place."""
_LIMIT_RANGER_SAYS: Final = "LimitRanger plugin set: "
"""How it begins to tell what it has set (plugin/pkg/admission/limitranger)."""
_DIGITS: Final = 9
"""Of a number in an annotation, which anybody may have written."""


def observe(raw: RawPod, started: Started) -> ObservedPod:
    """Read a pod as the API server gives it, and what its node tells of its engine's start."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    attempt = annotations.get(names.ANNOTATION_ATTEMPT, "")
    terminal = status.get("phase") in ("Failed", "Succeeded")
    deleting = "deletionTimestamp" in metadata
    owner = _controller(metadata)
    label = str(labels.get(names.LABEL_WORKER) or "")
    former = owner if owner.get("kind") == names.KIND and label != owner.get("name") else {}
    if former:
        owner = {}
    check_passed, check_message = _check(status)
    uid, node = metadata.get("uid", ""), (raw.get("spec") or {}).get("nodeName", "")
    engine = annotations.get(names.ANNOTATION_CONTAINER, "")
    engine_id = _running(status, engine)
    engine_ended = endings.for_good(raw, engine)
    container_id = engine_id or engine_ended
    readiness = _condition(status, "Ready")
    ready = not (terminal or deleting) and readiness.get("status") == "True"
    return ObservedPod(
        name=metadata["name"],
        uid=uid,
        owner_uid=str(owner.get("uid", "")),
        owner_kind=str(owner.get("kind", "")),
        released=bool(former) or (not (owner or label) and _was_workers(labels, annotations)),
        released_from=str(former.get("uid", "")),
        label=label,
        replica=_replica(metadata["name"], str(owner.get("name") or label)),
        revision=labels.get(names.LABEL_REVISION, ""),
        attempt=int(attempt) if attempt.isdecimal() and len(attempt) <= _DIGITS else 0,
        created_at_s=_seconds(metadata.get("creationTimestamp")),
        ended_at_s=_ended_at(metadata, status),
        deleted_at_s=_seconds(metadata.get("deletionTimestamp")),
        was_ready=_was_ready(readiness, _container(status, engine)),
        terminal=terminal,
        deleting=deleting,
        ready=ready,
        node=node,
        check_passed=check_passed,
        check_message=check_message,
        engine=engine,
        engine_id=engine_id,
        engine_ended=engine_ended,
        started=started(node, uid, container_id) if container_id else None,
        unschedulable=_unschedulable(status),
        failure=endings.failure(status) if terminal else endings.stuck(status),
        restarted="" if terminal else endings.restarted(status),
        restarts=endings.restarts(_container(status, engine)),
        ready_at_s=_seconds(readiness.get("lastTransitionTime")) if ready else 0.0,
        notes=tuple(annotations.get(names.ANNOTATION_NOTES, "").splitlines()),
        sized_by=sizes.read(annotations.get(names.ANNOTATION_NUMBERS, "")),
        kept_off=frozenset(filter(None, annotations.get(names.ANNOTATION_KEPT_OFF, "").split(","))),
        best_effort=_is_best_effort(annotations),
        cpu_limit=_cpu_limit(raw.get("spec") or {}, engine),
        limited_by_range=_limited_by_range(annotations.get(LIMIT_RANGER, ""), engine),
        admitted=None if node else _admitted(raw.get("spec") or {}),
    )


def _is_best_effort(annotations: Mapping[str, str]) -> bool:
    """Read as admission does: blanks around a value are no part of it."""
    return annotations.get(names.ANNOTATION_ENFORCEMENT, "").strip() == Enforcement.BEST_EFFORT


def _admitted(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: spec[name] for name in ("nodeSelector", "tolerations") if name in spec}


def _cpu_limit(spec: Mapping[str, Any], engine: str) -> Fraction | None:
    """Read the lower of the engine's own CPU limit and that of the whole pod."""
    found = (one for one in spec.get("containers") or () if one.get("name") == engine)
    limits = ((one.get("resources") or {}).get("limits") or {} for one in (spec, *found))
    told = (one["cpu"] for one in limits if "cpu" in one)
    return min((parse_quantity(str(one)) for one in told), default=None)


def _limited_by_range(said: str, engine: str) -> bool:
    """Tell whether the API server says that a LimitRange has set the engine's CPU limit."""
    end = f" limit for container {engine}"
    parts = said.removeprefix(_LIMIT_RANGER_SAYS).split("; ")
    set_ = (one.removesuffix(end).split(", ") for one in parts if one.endswith(end))
    return any("cpu" in one for one in set_)


def _controller(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    owners = metadata.get("ownerReferences") or ()
    return next((one for one in owners if one.get("controller")), {})


def _was_workers(labels: Mapping[str, str], annotations: Mapping[str, str]) -> bool:
    """Tell by what only we write whether a pod without owner and label was a worker's."""
    return names.ANNOTATION_BOUND_CONTAINERS in annotations and names.LABEL_INJECTED not in labels


def _replica(pod: str, worker: str) -> int | None:
    """Tell a pod's replica by its name, which nobody can edit as labels can be."""
    found = _REPLICA.fullmatch(pod.removeprefix(f"{worker}-")) if worker else None
    return int(found[1]) if found else None


def _was_ready(readiness: Mapping[str, Any], engine: Mapping[str, Any]) -> bool:
    """Tell whether a pod has been ready since its engine started last.

    A pod that never was has the condition since before its engine started.
    """
    states = (engine.get("state") or {}).values()
    starts = [_seconds(one.get("startedAt")) for one in states if isinstance(one, Mapping)]
    return bool(starts) and _seconds(readiness.get("lastTransitionTime")) > max(starts) > 0


def _check(status: Mapping[str, Any]) -> tuple[bool | None, str]:
    """Find how the check ended last; while it backs off, that is its last state."""
    for container in status.get("initContainerStatuses") or ():
        if container.get("name") != names.CHECK_CONTAINER:
            continue
        for state in ("state", "lastState"):
            ended = (container.get(state) or {}).get("terminated")
            if ended:
                return ended.get("exitCode") == 0, str(ended.get("message") or "")
    return None, ""


def _container(status: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = status.get("containerStatuses") or ()
    return next((one for one in found if one.get("name") == name), {})


def _running(status: Mapping[str, Any], name: str) -> str:
    """Find the id of a container that runs, without the scheme of its runtime; empty where none."""
    container = _container(status, name)
    running = (container.get("state") or {}).get("running") is not None
    return str(container.get("containerID") or "").rpartition("://")[2] if running else ""


def _unschedulable(status: Mapping[str, Any]) -> str:
    scheduled = _condition(status, "PodScheduled")
    return str(scheduled.get("message") or "") if scheduled.get("status") == "False" else ""


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    conditions = status.get("conditions") or ()
    return next((one for one in conditions if one.get("type") == kind), {})


def _ended_at(metadata: Mapping[str, Any], status: Mapping[str, Any]) -> float:
    """Give when the last container ended; a pod that never ran ended when it was created."""
    ends = [
        _seconds(((one.get("state") or {}).get("terminated") or {}).get("finishedAt"))
        for one in status.get("containerStatuses") or ()
    ]
    return max([_seconds(metadata.get("creationTimestamp")), *ends])


def _seconds(timestamp: str | None) -> float:
    return datetime.fromisoformat(timestamp).timestamp() if timestamp else 0.0
