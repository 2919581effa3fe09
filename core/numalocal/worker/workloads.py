"""Where the pod templates of a workload are: of a Deployment, a Job, a LeaderWorkerSet."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

Object = Mapping[str, Any]

_TEMPLATES: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    **dict.fromkeys(
        (
            "DaemonSet",
            "Deployment",
            "Job",
            "ReplicaSet",
            "ReplicationController",
            "StatefulSet",
        ),
        (("spec", "template"),),
    ),
    "CronJob": (("spec", "jobTemplate", "spec", "template"),),
    "LeaderWorkerSet": (
        ("spec", "leaderWorkerTemplate", "leaderTemplate"),
        ("spec", "leaderWorkerTemplate", "workerTemplate"),
    ),
    "Pod": ((),),
}
"""By kind the fields under which there is a pod template: metadata and spec."""
PREDICTOR: Final = "InferenceService"
"""KServe's: the predictor holds a pod's spec and its own fields side by side, and the pod gets the
annotations of the whole object."""
_PREDICTORS_OWN: Final = frozenset(
    {"model", "minReplicas", "maxReplicas", "scaleTarget", "scaleMetric", "containerConcurrency"}
    | {"timeout", "canaryTrafficPercent", "logger", "batcher", "labels", "annotations"}
    | {"deploymentStrategy", "autoScaling", "workerSpec"}
)
KINDS: Final = (*sorted(_TEMPLATES), PREDICTOR)


@dataclass(frozen=True, slots=True)
class Found:
    """A pod template in a workload: its field path, and the pod that would be made of it."""

    path: str
    pod: Object


def annotated(workload: Object, annotations: Mapping[str, str]) -> Object:
    """Put annotations into all pod templates of a workload; what has them already keeps its own.

    What is no mapping where there must be one stays, for whoever reads the pod to refuse.
    """
    made = deepcopy(dict(workload))
    for path in _paths(made):
        template = _at(made, path)
        metadata = template.get("metadata")
        if not isinstance(metadata, Mapping | None):
            continue
        metadata = template["metadata"] = dict(metadata or {})
        if isinstance(own := metadata.get("annotations"), Mapping | None):
            metadata["annotations"] = {**annotations, **(own or {})}
    return made


def pods(workload: Object) -> Iterator[Found]:
    """Give the pods that would be made of a workload; none of a kind that is not known."""
    for path in _paths(workload):
        template = _at(workload, path)
        spec, where = template.get("spec"), ".".join(path)
        if workload.get("kind") == PREDICTOR:
            predictor = _at(workload, ("spec", "predictor"))
            if not isinstance(predictor, Mapping) or not predictor.get("containers"):
                continue  # KServe makes its container of a runtime that only the cluster knows
            spec = {name: one for name, one in predictor.items() if name not in _PREDICTORS_OWN}
            where = "spec.predictor"
        metadata = template.get("metadata")
        if isinstance(metadata, Mapping):
            both = ("labels", "annotations")
            metadata = {name: metadata[name] for name in both if name in metadata}
        yield Found(where, {"metadata": metadata, "spec": spec})


def _paths(workload: Object) -> list[tuple[str, ...]]:
    kind = workload.get("kind")
    paths = ((),) if kind == PREDICTOR else _TEMPLATES.get(str(kind), ())
    return [path for path in paths if isinstance(_at(workload, path), Mapping)]


def _at(workload: Any, path: tuple[str, ...]) -> Any:
    for field in path:
        workload = workload.get(field) if isinstance(workload, Mapping) else None
    return workload
