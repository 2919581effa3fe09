"""A pod that has been injected: the API server shows it again after other webhooks.

Whoever makes a pod can write by hand what makes it look so: nothing of it is believed.
"""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, Final

from numalocal import names
from numalocal.errors import SpecInvalid
from numalocal.fields import Fields
from numalocal.problems import Problem
from numalocal.worker.ask import Ask
from numalocal.worker.inject import CheckImage, Manifest, check_container
from numalocal.worker.podtemplate import Template

_MAY_FOLLOW: Final = frozenset({"env", "imagePullPolicy", "resources", "volumeMounts"})
"""Fields of the check that others may add to, or set for all containers."""
_DEFAULTS: Final = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
"""What the API server writes into every container."""
_BINDER: Final = "/numalocal-bind"
_READ: Final = (_BINDER, "/proc", "/sys", "/dev")
"""What the check is, and reads and writes: nothing may be mounted over it."""


def checks(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give the pod's init containers with the name of our check: none in a pod that comes first."""
    spec = Fields(pod.get("spec"), "spec", [])
    found = (one.whole for one in spec.each("initContainers"))
    return [one for one in found if one.get("name") == names.CHECK_CONTAINER]


def without_ours(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take out what an injected pod has of ours, which nobody else may have."""
    spec = dict(pod["spec"])
    for kind, ours in (("initContainers", names.CHECK_CONTAINER), ("volumes", names.SHM_VOLUME)):
        if isinstance(listed := spec.get(kind), list):
            spec[kind] = [
                one for one in listed if not isinstance(one, Mapping) or one.get("name") != ours
            ]
    return {**pod, "spec": spec}


def again(pod: Mapping[str, Any], template: Template, ask: Ask, image: CheckImage) -> Manifest:
    """Give the spec of a pod whose check is ours, made for the engine as it is now.

    The engine's cpu and memory may have been changed by others: the check follows.

    Raises:
        SpecInvalid: where the check, or the request for CPU sets, is not what we would make.
    """
    spec: Manifest = dict(pod["spec"])
    (engine,) = (one for one in spec["containers"] if one["name"] == template.engine.name)
    requested = (engine.get("resources") or {}).get("limits") or {}
    ours = check_container(engine, ask, image, restarts=spec.get("restartPolicy") != "Never")
    problems = [problem for one in checks(pod) for problem in _differences(one, ours)]
    if len(checks(pod)) > 1:
        message = "is there twice; leave it out"
        problems.append(Problem("spec.initContainers", names.CHECK_CONTAINER, message))
    if names.resource(ask.pool) not in requested:
        message = f"must request {names.resource(ask.pool)}, as the pod has a check of numalocal's"
        path = f"{template.engine.path}.resources.limits"
        problems.append(Problem(path, dict(requested), message))
    if problems:
        raise SpecInvalid(problems)
    spec["initContainers"] = [
        {**one, "resources": ours["resources"]} if one["name"] == names.CHECK_CONTAINER else one
        for one in spec["initContainers"]
    ]
    return spec


def _differences(given: Mapping[str, Any], ours: Manifest) -> Iterator[Problem]:
    """Say what of a check is neither ours nor what others add to every container."""
    path = f"spec.initContainers[{names.CHECK_CONTAINER}]"
    for field in dict.fromkeys((*ours, *given)):
        expected = ours.get(field, _DEFAULTS.get(field))
        may_be_absent = field in _DEFAULTS and given.get(field) is None
        if field in _MAY_FOLLOW or may_be_absent or given.get(field) == expected:
            continue
        message = "differs from the check that numalocal makes of this pod; leave the check out"
        yield Problem(f"{path}.{field}", given.get(field), message)
    if hidden := sorted(one for one in _mounted(given) if _hides(one)):
        message = "hides what the check is, or reads: mount nothing there"
        yield Problem(f"{path}.volumeMounts", hidden, message)
    variables = given.get("env") or []
    if not all(one in variables for one in ours["env"]) or _forged(variables, ours["env"]):
        message = "must have what numalocal tells the check, and nothing else in its name"
        yield Problem(f"{path}.env", variables, message)


def _mounted(container: Mapping[str, Any]) -> Iterator[str]:
    for one in container.get("volumeMounts") or ():
        yield posixpath.normpath(f"/{one.get('mountPath') or ''}").replace("//", "/")


def _hides(mounted: str) -> bool:
    return any(mounted in ("/", path) or mounted.startswith(f"{path}/") for path in _READ)


def _forged(variables: list[Mapping[str, Any]], ours: list[Manifest]) -> bool:
    """Tell whether others speak in our name: the check takes its plan from variables."""
    own = [one for one in variables if str(one.get("name")).startswith(names.ENV_PREFIX)]
    return len(own) > len(ours)
