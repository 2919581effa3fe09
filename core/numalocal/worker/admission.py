"""Any pod that asks by annotation: the pod as somebody made it in, what it becomes out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numalocal import names
from numalocal.errors import SpecInvalid
from numalocal.fields import Fields
from numalocal.problems import Problem
from numalocal.worker.ask import Ask, ask_of, unknown
from numalocal.worker.inject import CheckImage, Manifest, PoolNumbers, check_container, inject
from numalocal.worker.podtemplate import Template, parse_pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What a pod becomes, and what its maker may not expect, a sentence each."""

    pod: Mapping[str, Any]
    warnings: tuple[str, ...]


def asks(pod: Mapping[str, Any]) -> bool:
    """Tell whether a pod asks for CPU sets."""
    annotations = Fields(pod.get("metadata"), "metadata", []).below("annotations")
    return annotations.raw(names.ANNOTATION_CPUSETS) is not None


def admit(
    pod: Mapping[str, Any], pools: Mapping[str, PoolNumbers] | None, image: CheckImage
) -> Admitted:
    """Give a pod that asks what it asks for; one that has it already stays as it is.

    `pools` are those that the cluster's nodes offer, None = not known.

    Raises:
        SpecInvalid: with every problem and its field path.
    """
    problems: list[Problem] = []
    metadata = Fields(pod.get("metadata"), "metadata", problems)
    ask = ask_of(metadata)
    numbers = _numbers(ask, pools, metadata.below("annotations"))
    checks = _checks(pod)
    template = parse_pod(
        Fields(_without_ours(pod) if checks else pod, "", problems), ask, numbers.cpus_per_set
    )
    if problems or template is None:
        raise SpecInvalid(problems)
    warnings = unknown(metadata.below("annotations").names())
    if checks:
        return Admitted(pod=_again(pod, template, ask, image), warnings=warnings)
    injected = inject(template, ask, numbers, image)
    return Admitted(
        pod={
            **pod,
            "metadata": {
                **metadata.whole,
                "labels": {**metadata.below("labels").whole, names.LABEL_INJECTED: "true"},
                "annotations": {**metadata.below("annotations").whole, **injected.annotations},
            },
            "spec": injected.spec,
        },
        warnings=(*warnings, *injected.notes),
    )


def _numbers(ask: Ask, pools: Mapping[str, PoolNumbers] | None, annotations: Fields) -> PoolNumbers:
    """Find what nodes say of the pool, noting a pool that none offers."""
    if pools is None:
        return PoolNumbers()
    if ask.pool not in pools:
        given = annotations.raw(names.ANNOTATION_POOL)
        asking = names.ANNOTATION_CPUSETS if given is None else names.ANNOTATION_POOL
        offered = f"offered: {', '.join(sorted(pools))}" if pools else "no node offers any"
        message = f"asks for pool {ask.pool}, which no node offers ({offered})"
        annotations.problem(asking, annotations.raw(asking), message)
    return pools.get(ask.pool, PoolNumbers())


def _checks(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give the pod's containers with the name of our check: none in a pod that comes first."""
    spec = Fields(pod.get("spec"), "spec", [])
    found = (one.whole for one in spec.each("initContainers"))
    return [one for one in found if one.get("name") == names.CHECK_CONTAINER]


def _without_ours(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take out what an injected pod has of ours, which nobody else may have."""
    spec = dict(pod["spec"])
    for kind, ours in (("initContainers", names.CHECK_CONTAINER), ("volumes", names.SHM_VOLUME)):
        if isinstance(listed := spec.get(kind), list):
            kept = [
                one for one in listed if not isinstance(one, Mapping) or one.get("name") != ours
            ]
            spec[kind] = kept
    return {**pod, "spec": spec}


def _again(
    pod: Mapping[str, Any], template: Template, ask: Ask, image: CheckImage
) -> Mapping[str, Any]:
    """Take a pod that has been injected, which the API server shows again after other webhooks.

    The engine's cpu and memory may have been changed by them: the check follows.

    Raises:
        SpecInvalid: where the check, or the request for CPU sets, is not what we would make.
    """
    spec: Manifest = dict(pod["spec"])
    (engine,) = (one for one in spec["containers"] if one["name"] == template.engine.name)
    restarts = spec.get("restartPolicy") != "Never"
    requested = (engine.get("resources") or {}).get("limits") or {}
    if names.resource(ask.pool) not in requested:
        message = f"must request {names.resource(ask.pool)}, as the pod has a check of numalocal's"
        path = f"{template.engine.path}.resources.limits"
        raise SpecInvalid([Problem(path, dict(requested), message)])
    ours = check_container(engine, ask, image, restarts=restarts)
    made = [_followed(one, ours) for one in spec["initContainers"]]
    if made != spec["initContainers"]:
        spec["initContainers"] = made
        return {**pod, "spec": spec}
    return pod


def _followed(given: Mapping[str, Any], ours: Manifest) -> Mapping[str, Any]:
    """Give an init container as it is, and the check with the engine's resources.

    The API server fills in defaults, and others may have added variables and mounts to all
    containers; nothing of ours may be changed.
    """
    if given["name"] != names.CHECK_CONTAINER:
        return given
    for field in ("image", "args", "securityContext"):
        if given.get(field) != ours[field]:
            message = f"differs from the check that numalocal makes of this pod: {ours[field]!r}"
            path = f"spec.initContainers[{names.CHECK_CONTAINER}].{field}"
            raise SpecInvalid([Problem(path, given.get(field), f"{message}; leave it out")])
    missing = [one for one in ours["env"] if one not in (given.get("env") or ())]
    if missing or "command" in given:
        message = "differs from the check that numalocal makes of this pod; leave it out"
        path = f"spec.initContainers[{names.CHECK_CONTAINER}]"
        raise SpecInvalid([Problem(path, dict(given), message)])
    return {**given, "resources": ours["resources"]}
