"""Give a pod what a worker's pod has: its CPU sets, the check before its engine, what it is told.

One function makes it, for the pods of workers and for any pod that asks by annotation.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from numalocal import engines, names
from numalocal.fields import Fields
from numalocal.problems import printable
from numalocal.quantity import parse_quantity
from numalocal.sets.memoryask import Enforcement
from numalocal.worker import jobs
from numalocal.worker.ask import Ask, memory_notes
from numalocal.worker.podannotations import annotations
from numalocal.worker.podtemplate import Template

Manifest = dict[str, Any]

_WAIT_S: Final = 60
"""How long a pod that may not be started again waits for the agent of its node."""
_USER: Final = 65532
"""Of the binder's image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolNumbers:
    """What the nodes that a pod can come to say of its pool, None while none offers it.

    `cpus_per_set` is the number of CPUs of its smallest set, `set_bytes` the least memory of one,
    `node_bytes` the MemTotal of the largest NUMA node that one has memory of.
    """

    cpus_per_set: int | None = None
    set_bytes: int | None = None
    node_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckImage:
    """The image of the binder, and when a node pulls it: a pod's imagePullPolicy."""

    image: str
    pull_policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """A pod's spec and the annotations to add; `notes` say what the engine is not told, and why."""

    spec: Manifest
    annotations: Mapping[str, str]
    notes: tuple[str, ...]


def inject(template: Template, ask: Ask, numbers: PoolNumbers, image: CheckImage) -> Injected:
    """Add to a pod's spec; the template stays as it is.

    While no node offers the pool the CPU request is left to the template.
    """
    spec = deepcopy(dict(template.raw["spec"]))
    engine = next(one for one in spec["containers"] if one["name"] == template.engine.name)
    sized = _sized(spec, template, ask, numbers)
    limit_bytes = jobs.memory_limit_bytes(sized, template.engine)
    _size(engine, ask, numbers, limit_bytes)
    told = engines.tell(
        jobs.job(
            sized,
            template.engine,
            limit_bytes=limit_bytes,
            node_bytes=numbers.node_bytes,
            sealed=_sealed(spec, engine),
        )
    )
    if told.arguments:
        engine["args"] = [*(engine.get("args") or ()), *told.arguments]
    engine["env"] += [{"name": name, "value": value} for name, value in told.variables.items()]
    if shm_bytes := jobs.shm_bytes(ask, template.engine):
        _share_memory(spec, engine, shm_bytes)
    spec["initContainers"] = [
        check_container(spec, engine, ask, image),
        *(spec.get("initContainers") or ()),
    ]
    written, unread = annotations(template, ask)
    notes = (*template.notes, *told.notes, *_sizing_notes(engine, ask, numbers))
    notes = (*notes, *memory_notes(ask), *unread)
    if notes:
        written[names.ANNOTATION_NOTES] = "\n".join(notes)
    return Injected(spec=spec, annotations=written, notes=notes)


def _sized(spec: Manifest, template: Template, ask: Ask, numbers: PoolNumbers) -> Ask:
    """Give the ranks their sets' memory, but in a pod whose own sizes its containers must keep."""
    whole = spec.get("resources") or {}
    if any("memory" in _given(whole.get(kind)) for kind in ("limits", "requests")):
        return ask
    return jobs.sized(ask, template.engine, numbers.set_bytes)


def _sealed(spec: Manifest, engine: Manifest) -> bool:
    """Tell whether seccomp lets a container set no memory policy: RuntimeDefault needs SYS_NICE."""
    pods, own = (Fields(one, "", []).below("securityContext") for one in (spec, engine))
    profile = own.below("seccompProfile").text("type") or pods.below("seccompProfile").text("type")
    added = {one.upper().removeprefix("CAP_") for one in own.below("capabilities").texts("add")}
    free = own.flag("privileged") or bool(added & {"ALL", "SYS_NICE"})
    return profile == "RuntimeDefault" and not free


def _sizing_notes(engine: Manifest, ask: Ask, numbers: PoolNumbers) -> Iterator[str]:
    """Say what of a pod's own numbers does not go with its sets."""
    reserved, each = ask.engine.reserved_cores or 0, numbers.cpus_per_set
    limit = engine["resources"]["limits"].get("cpu")
    if each is None:
        if limit is not None:
            yield (
                f"container {engine['name']} has a CPU limit of {printable(str(limit))}, and how "
                "many CPUs its sets have is not known yet: with more it throttles their threads"
            )
        return
    cpus = ask.ranks * each
    if reserved > cpus - ask.ranks:  # whatever their threads
        yield (
            f"{reserved} cores are reserved, and the sets of a replica have {cpus} CPUs: each rank "
            "computes on a core all the same"
        )
    requested = str(engine["resources"]["requests"]["cpu"])
    if parse_quantity(requested.strip()) < cpus:
        yield (
            f"container {engine['name']} requests {printable(requested)} CPUs, and its CPU sets "
            f"have {cpus}: the scheduler sells the rest twice"
        )


def check_container(spec: Manifest, engine: Manifest, ask: Ask, image: CheckImage) -> Manifest:
    """Make the init container that verifies the binding before anything else starts.

    It has the engine's cpu and memory, which cost nothing (the scheduler counts the larger of init
    and app containers): its cgroup then has the limit that it is to check.  It never has a device,
    ours or another's: a kubelet restart would then fail the running pod (kubernetes#138446).
    """
    restarts = spec.get("restartPolicy") != "Never"
    asked = engine.get("resources") or {}
    resources = {
        kind: {name: one for name, one in _given(asked[kind]).items() if name in ("cpu", "memory")}
        for kind in ("limits", "requests")
        if kind in asked
    }
    return {
        "name": names.CHECK_CONTAINER,
        "image": image.image,
        "imagePullPolicy": image.pull_policy,
        "args": ["check"] if restarts else ["check", "--wait", f"{_WAIT_S}"],
        "env": [
            *_memory_variable(ask),
            *(() if restarts else _ranks_variable(ask)),
            *_enforcement_variable(ask),
        ],
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            **_user(spec),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _user(spec: Manifest) -> Manifest:
    """Name a user for the check only where the pod's own would be root.

    The image has a user, and a cluster may have its own to give (OpenShift's ranges), which refuses
    any other.
    """
    theirs = Fields(spec, "", []).below("securityContext").raw("runAsUser")
    return {"runAsUser": _USER} if theirs == 0 else {}


def _size(engine: Manifest, ask: Ask, numbers: PoolNumbers, limit_bytes: int | None) -> None:
    """Add the CPU sets, and mirror their CPUs and the ranks' memory for the scheduler.

    Without these requests the pod would be BestEffort: first to be evicted, and its node's CPUs
    would be sold twice.
    """
    resources = engine["resources"] = dict(engine.get("resources") or {})
    limits = resources["limits"] = _given(resources.get("limits"))
    requests = resources["requests"] = _given(resources.get("requests"))
    resource = names.resource(ask.pool)
    limits[resource] = requests[resource] = str(ask.ranks)
    if "cpu" not in requests and "cpu" in limits:
        requests["cpu"] = limits["cpu"]  # as the API server would: Guaranteed, where all is equal
    elif "cpu" not in requests and numbers.cpus_per_set is not None:
        requests["cpu"] = str(ask.ranks * numbers.cpus_per_set)
    if "memory" not in limits and limit_bytes is not None:
        limits["memory"] = str(limit_bytes)
    if "memory" in limits:
        requests.setdefault("memory", limits["memory"])
    engine["env"] = [*(engine.get("env") or ()), *_memory_variable(ask)]


def _given(amounts: Mapping[str, Any] | None) -> Manifest:
    """Leave out what is null: as an amount the API server would read it as none at all."""
    return {name: amount for name, amount in (amounts or {}).items() if amount is not None}


def _share_memory(spec: Manifest, engine: Manifest, shm_bytes: int) -> None:
    """Give the ranks a /dev/shm of their size: without it a pod has 64 MiB."""
    volume = {"medium": "Memory", "sizeLimit": str(shm_bytes)}
    spec["volumes"] = [*(spec.get("volumes") or ()), {"name": names.SHM_VOLUME, "emptyDir": volume}]
    mount = {"name": names.SHM_VOLUME, "mountPath": "/dev/shm"}
    engine["volumeMounts"] = [*(engine.get("volumeMounts") or ()), mount]


def _memory_variable(ask: Ask) -> list[Manifest]:
    if ask.memory_per_rank_bytes is None:
        return []
    value = str(ask.memory_per_rank_bytes)
    return [{"name": names.ENV_MEMORY_PER_RANK_BYTES, "value": value}]


def _ranks_variable(ask: Ask) -> list[Manifest]:
    """Say how many ranks there are to a check that may have to do without the agent's plan."""
    return [{"name": names.ENV_RANKS, "value": str(ask.ranks)}]


def _enforcement_variable(ask: Ask) -> list[Manifest]:
    if ask.enforcement is Enforcement.REQUIRED:
        return []
    return [{"name": names.ENV_ENFORCEMENT, "value": str(ask.enforcement)}]
