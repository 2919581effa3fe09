"""Names that the processes, the pods and the cluster share; each says who writes it."""

import re
from typing import Final, TypeGuard

VERSION = "0.1.0"
"""Of all parts, which are released together."""

DOMAIN = "numalocal.io"
API_VERSION = f"{DOMAIN}/v1alpha1"
KIND = "CpuInferenceWorker"
TOPOLOGY_KIND = "NodeCpuTopology"
TOPOLOGIES = "nodecputopologies"
"""The objects of the nodes, each written by the agent of the node whose name it has."""

# Environment of a bound container. The first seven are written by the device plugin's Allocate, so
# that they expand in command and args; the first five again by the agent at container creation, for
# containers that do not request the resource.
ENV_PREFIX = "NUMALOCAL_"
ENV_CPUS = "NUMALOCAL_CPUS"
"""All CPUs of the assignment, list format."""
ENV_MEMS = "NUMALOCAL_MEMS"
"""All NUMA nodes of the assignment, list format."""
ENV_RANKS = "NUMALOCAL_RANKS"
"""Number of ranks; also written by the webhook for a check that waits for the agent."""
ENV_RANK_CPUS = "NUMALOCAL_RANK_CPUS"
"""The CPU list of each rank, joined by `|`."""
ENV_RANK_MEMS = "NUMALOCAL_RANK_MEMS"
"""The NUMA nodes of each rank, joined by `|`."""
ENV_THREADS = "NUMALOCAL_THREADS"
"""Number of compute threads of all ranks where no core is reserved."""
ENV_THREADS_MASK = "NUMALOCAL_THREADS_MASK"
"""Their CPUs as a hexadecimal mask."""
ENV_RANK_COMPUTE_CPUS = "NUMALOCAL_RANK_COMPUTE_CPUS"
"""The CPUs for compute threads of each rank, joined by `|`; depends on the engine."""
ENV_MEMORY_PER_RANK_BYTES = "NUMALOCAL_MEMORY_PER_RANK_BYTES"
"""Memory that each rank asks for; written by the operator and by `numalocal run`."""
ENV_MEMORY_POLICY = "NUMALOCAL_MEMORY_POLICY"
"""How pages are taken from several nodes, in the binder's words; only where the runtime is to set a
policy.  This and the next two are written at container creation and by `numalocal run`."""
ENV_MEMORY_POLICY_NODES = "NUMALOCAL_MEMORY_POLICY_NODES"
"""The nodes that the policy names, list format."""
ENV_MEMORY_POLICY_UNSET = "NUMALOCAL_MEMORY_POLICY_UNSET"
"""1 where the container runtime could not set it and the pod may run without."""
ENV_MEMORY_OVERFLOW = "NUMALOCAL_MEMORY_OVERFLOW"
"""1 where further nodes were added, as the ranks' own do not hold what they ask for."""
ENV_ENFORCEMENT = "NUMALOCAL_ENFORCEMENT"
"""BestEffort for a check that is to tell what is not bound, and pass; written with the check."""

# Container annotation: seen by the container runtime and NRI plugins only, never in the pod.
ASSIGNMENT_PREFIX = f"assignment.{DOMAIN}/"
"""Then the pool: its CPU sets as JSON; written by Allocate, one annotation for each pool."""

# Pod annotations by which a user asks for CPU sets; for a worker's pod the operator writes them.
ANNOTATION_CPUSETS = f"{DOMAIN}/cpusets"
"""How many CPU sets, one for each rank; it is what asks, and the others say how."""
ANNOTATION_POOL = f"{DOMAIN}/pool"
ANNOTATION_MEMORY = f"{DOMAIN}/memory"
"""Memory of each rank."""
ANNOTATION_KV_CACHE = f"{DOMAIN}/kv-cache"
"""KV cache of each rank."""
ANNOTATION_MEMORY_POLICY = f"{DOMAIN}/memory-policy"
ANNOTATION_MEMORY_NODES = f"{DOMAIN}/memory-nodes"
"""The NUMA nodes that each rank takes memory from, by their place: Local, Near and so on."""
ANNOTATION_ON_OVERFLOW = f"{DOMAIN}/on-overflow"
"""What happens where these do not hold a rank's memory."""
ANNOTATION_ENFORCEMENT = f"{DOMAIN}/enforcement"
ANNOTATION_ENGINE = f"{DOMAIN}/engine"
ANNOTATION_OPENMP = f"{DOMAIN}/openmp"
ANNOTATION_RESERVED_CORES = f"{DOMAIN}/reserved-cores"
ANNOTATION_CONTAINER = f"{DOMAIN}/container"
"""Name of the engine's container."""
ANNOTATION_BOUND_CONTAINERS = f"{DOMAIN}/bound-containers"
"""Containers, joined by commas, that are bound to the pod's CPU sets without requesting any."""
ANNOTATION_ATTEMPT = f"{DOMAIN}/attempt"
"""How often this replica was replaced without becoming ready; written by the operator."""

ANNOTATION_NOTES = f"{DOMAIN}/notes"
"""What the engine is not told, and why, a sentence a line; written by the operator."""

PLUGIN = "numalocal"
"""Name of the agent among the plugins of a node's container runtime (NRI)."""
ANNOTATION_NUMBERS = f"{DOMAIN}/numbers"
"""By which CPUs and bytes of a CPU set a worker's pod was made; written by the operator."""
ANNOTATION_KEPT_OFF = f"{DOMAIN}/kept-off"
"""Nodes, joined by commas, that a pod's affinity keeps it off, as they could not bind it as it
asks; written by the operator and the webhook."""
ANNOTATION_REQUIRED_PLUGINS = "required-plugins.noderesource.dev"
"""YAML list of the NRI plugins without which the runtime creates no container of the pod, where it
is told to look (NRI's default validator); the operator and the webhook add ours to it."""

# Pod labels, written by the operator.
LABEL_WORKER = f"{DOMAIN}/worker"
LABEL_REPLICA = f"{DOMAIN}/replica"
LABEL_REVISION = f"{DOMAIN}/revision"

LABEL_INJECTED = f"{DOMAIN}/injected"
"""On every pod that got its CPU sets by annotation; written by the webhook."""
LABEL_BOUND = f"{DOMAIN}/bound"
"""On every pod that got CPU sets, of workers and by annotation; the operator watches no other."""

WRITTEN_ANNOTATIONS = (
    ANNOTATION_BOUND_CONTAINERS,
    ANNOTATION_ATTEMPT,
    ANNOTATION_NOTES,
    ANNOTATION_NUMBERS,
    ANNOTATION_KEPT_OFF,
)
"""Annotations of a pod that nobody but the operator and the webhook may write."""

POD_ANNOTATIONS = frozenset(
    {
        ANNOTATION_CPUSETS,
        ANNOTATION_POOL,
        ANNOTATION_MEMORY,
        ANNOTATION_KV_CACHE,
        ANNOTATION_MEMORY_POLICY,
        ANNOTATION_MEMORY_NODES,
        ANNOTATION_ON_OVERFLOW,
        ANNOTATION_ENFORCEMENT,
        ANNOTATION_ENGINE,
        ANNOTATION_OPENMP,
        ANNOTATION_RESERVED_CORES,
        ANNOTATION_CONTAINER,
        *WRITTEN_ANNOTATIONS,
    }
)
"""All annotations of ours that a pod may have."""

CHECK_CONTAINER = "numalocal-check"
"""Name of the init container that runs the binder's check."""
SHM_VOLUME = "numalocal-shm"
"""Name of the volume that the ranks of a replica share as /dev/shm."""


def assignment(pool: str) -> str:
    """Name the container annotation that carries the assignment of a pool's CPU sets."""
    return f"{ASSIGNMENT_PREFIX}{pool}"


def resource(pool: str) -> str:
    """Name the extended resource that counts a pool's CPU sets."""
    return f"{DOMAIN}/{pool}"


LABEL_RULE: Final = (
    "must be at most 63 lower case letters, digits and '-', with a letter or digit at both ends"
)
SUBDOMAIN_RULE: Final = (
    "must be at most 63 lower case letters, digits, '-' and '.', "
    "with a letter or digit at both ends and on both sides of every '.'"
)
_MAX: Final = 63
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def is_label(name: object) -> TypeGuard[str]:
    """Tell whether something is a label of RFC 1123, as namespaces and containers are named."""
    return isinstance(name, str) and len(name) <= _MAX and _LABEL.fullmatch(name) is not None


def is_subdomain(name: object) -> TypeGuard[str]:
    """Tell whether something is labels joined by dots, of a length that a label's value may have.

    Kubernetes allows objects 253 characters, and 63 to the labels that tell whose a pod is.
    """
    return (
        isinstance(name, str)
        and len(name) <= _MAX
        and all(is_label(one) for one in name.split("."))
    )
