"""Parse a CpuInferenceWorker: the raw document in, a frozen Worker or all its problems out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from numalocal import names
from numalocal.engines import ENGINES, OPENMP_RUNTIMES, EngineSettings
from numalocal.errors import SpecInvalid
from numalocal.fields import MAX_DEPTH, Fields, is_deeper
from numalocal.problems import Problem
from numalocal.sets import poolfile
from numalocal.sets.memoryask import Enforcement, MemoryAsk, MemoryPolicy, Overflow
from numalocal.sets.near import MemoryNodes
from numalocal.worker import companions, podtemplate
from numalocal.worker.ask import DEFAULT_POOL, MAX_RANKS, MAX_RESERVED_CORES, Ask, kv_cache_problem
from numalocal.worker.companions import Companions
from numalocal.worker.podtemplate import Template
from numalocal.worker.shares import count_or_share, of_replicas

MAX_REPLICAS: Final = 10_000
DEADLINE_S: Final = 600
"""Of progress, as Deployments have it by default."""
_LONGEST_DEADLINE_S: Final = (1 << 31) - 1
_FIELDS: Final = ("apiVersion", "kind", "metadata", "spec", "status")
_SPEC_FIELDS: Final = (
    "replicas",
    "maxUnavailable",
    "paused",
    "progressDeadlineSeconds",
    "ranks",
    "pool",
    "placement",
    "engine",
    "memory",
    "enforcement",
    "service",
    "disruptionBudget",
    "template",
)
_ENGINE_FIELDS: Final = ("name", "openMP", "reservedCores")
_MEMORY_FIELDS: Final = ("perRank", "policy", "nodes", "kvCache", "onOverflow")
_BELOW_SPEC: Final = {
    "engine": _ENGINE_FIELDS,
    "memory": _MEMORY_FIELDS,
    "template": ("spec",),
    "template.spec": (
        "containers",
        "initContainers",
        "volumes",
        "nodeSelector",
        "affinity",
        "tolerations",
        "imagePullSecrets",
        "serviceAccountName",
        "securityContext",
        "terminationGracePeriodSeconds",
    ),
}
"""What is often written a level too far out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What a worker asks for; mirrors the CRD's spec, with defaults filled in.

    `ranks` is the number of CPU sets per replica.  A rollout may leave up to `max_unavailable`
    replicas missing, and is not begun while `paused`.  `companions` are what it has beside
    its pods.
    """

    name: str
    namespace: str
    uid: str
    generation: int
    replicas: int
    max_unavailable: int
    paused: bool
    progress_deadline_s: int
    ranks: int
    pool: str
    engine: EngineSettings
    memory_per_rank_bytes: int | None
    memory: MemoryAsk
    enforcement: Enforcement
    companions: Companions
    template: Template

    @property
    def ask(self) -> Ask:
        """What each of its pods asks for."""
        return Ask(
            ranks=self.ranks,
            pool=self.pool,
            engine=self.engine,
            memory_per_rank_bytes=self.memory_per_rank_bytes,
            memory=self.memory,
            enforcement=self.enforcement,
        )


def parse_worker(raw: Mapping[str, Any]) -> Worker:
    """Read a CpuInferenceWorker document; apiVersion and kind may be left out.

    Raises:
        SpecInvalid: with every problem, its field path and what would be right.
    """
    problems: list[Problem] = []
    document = Fields(raw, "", problems)
    document.only(_FIELDS, {"spec": _SPEC_FIELDS})
    document.choice("apiVersion", (names.API_VERSION,), None)
    document.choice("kind", (names.KIND,), None)
    metadata, spec = document.below("metadata"), document.below("spec")
    spec.only(_SPEC_FIELDS, _BELOW_SPEC)
    if is_deeper(spec.whole, MAX_DEPTH):
        spec.problem(None, spec.whole, f"must not be nested more than {MAX_DEPTH} levels deep")
    _check_placement(spec)
    name, namespace = _name(metadata), _namespace(metadata)
    uid = metadata.text("uid") or ""
    generation = metadata.integer("generation", 0, least=0)
    replicas = spec.integer("replicas", 1, least=0, most=MAX_REPLICAS)
    max_unavailable = count_or_share(spec, "maxUnavailable", least=1, most=MAX_REPLICAS) or 1
    paused = spec.flag("paused")
    deadline_s = spec.integer(
        "progressDeadlineSeconds", DEADLINE_S, least=1, most=_LONGEST_DEADLINE_S
    )
    ranks = spec.integer("ranks", 1, least=1, most=MAX_RANKS)
    pool = _pool(spec)
    engine = _engine(spec.below("engine", "name"))
    in_memory = spec.below("memory", "perRank")
    per_rank_bytes, memory = _memory(in_memory)
    enforcement = spec.choice("enforcement", tuple(Enforcement), Enforcement.REQUIRED)
    engine = _kv_cache(in_memory, engine, per_rank_bytes)
    memory_bytes = None if per_rank_bytes is None else per_rank_bytes * ranks
    beside = companions.parse(spec, name)
    template = podtemplate.parse(spec.below("template"), ranks, memory_bytes)
    if problems or template is None:
        raise SpecInvalid(problems)
    return Worker(
        name=name,
        namespace=namespace,
        uid=uid,
        generation=generation,
        replicas=replicas,
        max_unavailable=of_replicas(max_unavailable, replicas),
        paused=paused,
        progress_deadline_s=deadline_s,
        ranks=ranks,
        pool=pool,
        engine=engine,
        memory_per_rank_bytes=per_rank_bytes,
        memory=memory,
        enforcement=enforcement,
        companions=beside,
        template=template,
    )


def _name(metadata: Fields) -> str:
    name = metadata.raw("name")
    if not names.is_subdomain(name):
        metadata.problem("name", name, f"is no worker's name, which {names.SUBDOMAIN_RULE}")
    return str(name)


def _namespace(metadata: Fields) -> str:
    namespace = metadata.raw("namespace") or "default"
    if not names.is_label(namespace):
        message = f"is no namespace's name, which {names.LABEL_RULE}"
        metadata.problem("namespace", namespace, message)
    return str(namespace)


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
        return DEFAULT_POOL
    if not poolfile.is_name(pool):
        spec.problem("pool", pool, poolfile.NAME_RULE)
    return str(pool)


def _engine(fields: Fields) -> EngineSettings:
    fields.only(_ENGINE_FIELDS)
    return EngineSettings(
        name=fields.choice("name", ENGINES, "none"),
        openmp=fields.choice("openMP", OPENMP_RUNTIMES, "auto"),
        reserved_cores=fields.integer("reservedCores", None, least=0, most=MAX_RESERVED_CORES),
    )


def _memory(fields: Fields) -> tuple[int | None, MemoryAsk]:
    """Read how much memory each rank asks for, and what is asked of it."""
    fields.only(_MEMORY_FIELDS)
    return fields.size_bytes("perRank"), MemoryAsk(
        policy=fields.choice("policy", tuple(MemoryPolicy), MemoryPolicy.BIND),
        nodes=fields.choice("nodes", tuple(MemoryNodes), MemoryNodes.LOCAL),
        on_overflow=fields.choice("onOverflow", tuple(Overflow), Overflow.REFUSE),
    )


def _kv_cache(fields: Fields, engine: EngineSettings, per_rank_bytes: int | None) -> EngineSettings:
    """Read the KV cache of each rank, which few engines can be told."""
    given = fields.raw("kvCache")
    if given in (None, "auto"):
        return engine
    size = fields.size_bytes("kvCache")
    if size is not None:
        memory = "spec.memory.perRank"
        if message := kv_cache_problem(engine.name, size, per_rank_bytes, memory):
            fields.problem("kvCache", given, message)
    return replace(engine, kv_cache_bytes=size)
