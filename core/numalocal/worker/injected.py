"""A pod that has been injected: the API server shows it again after other webhooks.

Whoever makes a pod can write by hand what makes it look so: nothing of it is believed.
"""

import posixpath
from collections.abc import Mapping
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
    problems: list[Problem] = []
    (engine,) = (one for one in spec["containers"] if one["name"] == template.engine.name)
    requested = (engine.get("resources") or {}).get("limits") or {}
    ours = check_container(spec, engine, ask, image)
    for one in checks(pod):
        path = f"spec.initContainers[{names.CHECK_CONTAINER}]"
        _compare(Fields(one, path, problems), ours)
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


def _compare(given: Fields, ours: Manifest) -> None:
    """Note what of a check is neither ours nor what others add to every container."""
    for field in dict.fromkeys((*ours, *given.names())):
        value, expected = (
            _userless(given.raw(field)),
            _userless(ours.get(field, _DEFAULTS.get(field))),
        )
        may_be_absent = field in _DEFAULTS and value is None
        if field not in _MAY_FOLLOW and not may_be_absent and value != expected:
            message = "differs from the check that numalocal makes of this pod; leave the check out"
            given.problem(field, value, message)
    mounts = [one.text("mountPath") or "" for one in given.each("volumeMounts")]
    if hidden := [one for one in mounts if _hides(one)]:
        given.problem("volumeMounts", hidden, "hides what the check is, or reads: mount none there")
    variables = [one.whole for one in given.each("env")]
    # The check takes its plan from variables: nobody else may speak in our name.
    own = [one for one in variables if str(one.get("name")).startswith(names.ENV_PREFIX)]
    if not all(one in own for one in ours["env"]) or len(own) > len(ours["env"]):
        message = "must have what numalocal tells the check, and nothing else in its name"
        given.problem("env", variables, message)


def _userless(value: Any) -> Any:
    """Leave the user out, which a cluster may give to every container: the check is never root."""
    if not isinstance(value, Mapping):
        return value
    return {name: one for name, one in value.items() if name != "runAsUser"}


def _hides(path: str) -> bool:
    mounted = posixpath.normpath(f"/{path.lstrip('/')}")
    return any(mounted in ("/", one) or mounted.startswith(f"{one}/") for one in _READ)
