"""Parse a CpuInferenceWorker: the raw document in, a frozen Worker or all its problems out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from numalocal import engines
from numalocal.engines import ENGINES, OPENMP_RUNTIMES, EngineSettings
from numalocal.errors import SpecInvalid
from numalocal.fields import Fields
from numalocal.problems import Problem
from numalocal.sets import pools
from numalocal.worker import podtemplate

MAX_RANKS: Final = 64
MAX_NAME: Final = 63
"""Pods carry the worker's name in a label, whose values end there."""
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
        engine_container=podtemplate.engine_container(template),
    )
    worker = replace(worker, engine=_kv_cache(spec.below("memory"), worker))
    podtemplate.check(template, worker.engine_container, worker.ranks, worker.memory_bytes)
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
