"""Parse a CpuInferenceWorker: the raw document in, a frozen Worker or all its problems out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from numalocal import engines, names, pools
from numalocal.engines import ENGINES, OPENMP_RUNTIMES, EngineSettings
from numalocal.errors import SpecInvalid
from numalocal.fields import Fields
from numalocal.problems import Problem

MAX_RANKS: Final = 64
MAX_NAME: Final = 63
"""Pods carry the worker's name in a label, whose values end there."""
ENGINE_CONTAINER: Final = "engine"
"""The container with this name is the engine's; where none has it, the first is."""

_SPEC_FIELDS: Final = (
    "replicas",
    "ranks",
    "pool",
    "placement",
    "engine",
    "memory",
    "enforcement",
    "template",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What a worker asks for; mirrors the CRD's spec, with defaults filled in.

    `ranks` is the number of CPU sets per replica.  `template` is the raw PodTemplateSpec, with at
    least one container; `engine_container` is the name of the one that gets the sets.
    """

    name: str
    namespace: str
    uid: str
    generation: int
    replicas: int
    ranks: int
    pool: str
    engine: EngineSettings
    memory_per_rank_bytes: int | None
    template: Mapping[str, Any]
    engine_container: str

    @property
    def memory_bytes(self) -> int | None:
        """Memory of a whole replica, or None where no amount is asked for."""
        if self.memory_per_rank_bytes is None:
            return None
        return self.memory_per_rank_bytes * self.ranks


def parse_worker(raw: Mapping[str, Any]) -> Worker:
    """Read a CpuInferenceWorker document.

    Raises:
        SpecInvalid: with every problem, its field path and what would be right.
    """
    problems: list[Problem] = []
    metadata = Fields(raw.get("metadata"), "metadata", problems)
    spec = Fields(raw.get("spec"), "spec", problems)
    spec.only(_SPEC_FIELDS)
    _check_placement(spec)
    spec.choice("enforcement", ("Required",), "Required")
    template = spec.below("template")
    pod = template.below("spec")
    worker = Worker(
        name=_name(metadata),
        namespace=str(metadata.raw("namespace") or "default"),
        uid=str(metadata.raw("uid") or ""),
        generation=metadata.integer("generation", 0, least=0),
        replicas=spec.integer("replicas", 1, least=0),
        ranks=spec.integer("ranks", 1, least=1, most=MAX_RANKS),
        pool=_pool(spec),
        engine=_engine(spec.below("engine")),
        memory_per_rank_bytes=_memory(spec.below("memory")),
        template=spec.raw("template") if isinstance(spec.raw("template"), Mapping) else {},
        engine_container=_engine_container(pod),
    )
    worker = replace(worker, engine=_kv_cache(spec.below("memory"), worker))
    _check_metadata(template.below("metadata"))
    _check_template(pod, worker)
    if problems:
        raise SpecInvalid(problems)
    return worker


def _name(metadata: Fields) -> str:
    name = metadata.raw("name")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
        message = f"must be the worker's name, of at most {MAX_NAME} characters"
        metadata.problem("name", name, message)
    return str(name)


def _check_placement(spec: Fields) -> None:
    if spec.raw("placement") == "Pack":
        message = (
            "is the pool's to say, as pools[].placement: the kubelet asks for sets of a pool "
            "without naming the worker"
        )
        spec.problem("placement", "Pack", message)
    else:
        spec.choice("placement", ("Spread",), "Spread")


def _pool(spec: Fields) -> str:
    pool = spec.raw("pool")
    if pool is None:
        return "cpuset"
    if not pools.is_name(pool):
        spec.problem("pool", pool, pools.NAME_RULE)
    return str(pool)


def _engine(fields: Fields) -> EngineSettings:
    fields.only(("name", "openMP", "reservedCores"))
    reserved = fields.raw("reservedCores")
    return EngineSettings(
        name=fields.choice("name", ENGINES, "none"),
        openmp=fields.choice("openMP", OPENMP_RUNTIMES, "auto"),
        reserved_cores=None if reserved is None else fields.integer("reservedCores", 0, least=0),
    )


def _memory(fields: Fields) -> int | None:
    fields.only(("perRank", "policy", "kvCache", "onOverflow"))
    fields.choice("policy", ("Bind",), "Bind")
    fields.choice("onOverflow", ("Refuse",), "Refuse")
    return fields.size_bytes("perRank")


def _kv_cache(fields: Fields, worker: Worker) -> EngineSettings:
    """Read the KV cache of each rank, which few engines can be told."""
    given, engine, per_rank = fields.raw("kvCache"), worker.engine, worker.memory_per_rank_bytes
    if given in (None, "auto"):
        return engine
    size = fields.size_bytes("kvCache")
    if not engines.adapter(engine.name).kv_cache:
        able = ", ".join(name for name in ENGINES if engines.adapter(name).kv_cache)
        message = f"cannot be told to engine {engine.name}; leave it out (engines that can: {able})"
        fields.problem("kvCache", given, message)
    elif size and per_rank and size >= per_rank:
        message = "must be less than spec.memory.perRank, which holds the weights as well"
        fields.problem("kvCache", given, message)
    return replace(engine, kv_cache_bytes=size)


def _engine_container(spec: Fields) -> str:
    found = [str(one.raw("name")) for one in spec.each("containers")]
    if not spec.raw("containers"):
        spec.problem("containers", spec.raw("containers"), "must list at least one container")
    if not found:
        return ENGINE_CONTAINER
    return ENGINE_CONTAINER if ENGINE_CONTAINER in found else found[0]


def _check_metadata(metadata: Fields) -> None:
    """Refuse our own labels and annotations: the spec's fields say what they would say."""
    for kind in ("labels", "annotations"):
        given = metadata.below(kind)
        for name in given.names():
            if name.startswith(f"{names.DOMAIN}/"):
                message = "must be left out: numalocal writes it from the spec"
                given.problem(name, given.raw(name), message)


def _check_template(spec: Fields, worker: Worker) -> None:
    policy = spec.raw("restartPolicy")
    if policy not in (None, "Always"):
        spec.problem("restartPolicy", policy, "must be Always: a worker serves until it is deleted")
    containers = spec.each("containers")
    for container in (*spec.each("initContainers"), *containers):
        _check_container(container)
    engines = [one for one in containers if one.raw("name") == worker.engine_container]
    # Limits of the whole pod bind the engine as well.
    for limited in (spec, *engines):
        _check_engine_limits(limited.below("resources").below("limits"), worker)


def _check_container(container: Fields) -> None:
    name = container.raw("name")
    if not isinstance(name, str) or not name:
        container.problem("name", name, "must be the container's name")
    if name == names.CHECK_CONTAINER:
        container.problem("name", name, "is the container that numalocal adds; choose another name")
    for kind in ("requests", "limits"):
        amounts = container.below("resources").below(kind)
        for resource in amounts.names():
            if resource.startswith(f"{names.DOMAIN}/"):
                message = "must not be requested here: spec.ranks and spec.pool say it"
                amounts.problem(resource, amounts.raw(resource), message)


def _check_engine_limits(limits: Fields, worker: Worker) -> None:
    """Refuse what would work against the binding: a CPU quota, or less memory than the ranks'."""
    if (cpu := limits.raw("cpu")) is not None:
        message = "must be left out: a CPU quota throttles threads that own their cores"
        limits.problem("cpu", cpu, message)
    limit_bytes = limits.size_bytes("memory")
    if limit_bytes and worker.memory_bytes and limit_bytes < worker.memory_bytes:
        message = (
            f"is less than {worker.ranks} x spec.memory.perRank = {worker.memory_bytes} bytes; "
            "raise it, or leave it out"
        )
        limits.problem("memory", limits.raw("memory"), message)
