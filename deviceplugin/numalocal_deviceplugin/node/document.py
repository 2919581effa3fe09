"""The node as others see it: a snapshot -> the status of its NodeCpuTopology.

Whatever the node is, the status keeps within the bounds of the CRD: what is too much is cut.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from numalocal.sets.cpusets import CpuSet
from numalocal_deviceplugin.node import holders, memory
from numalocal_deviceplugin.node.holders import MOST_NAME
from numalocal_deviceplugin.node.memory import MOST_NODES, MOST_SENTENCE
from numalocal_deviceplugin.refusals import NOTHING_IS_GIVEN, Reason, Refusal
from numalocal_deviceplugin.snapshot import Snapshot

Document = dict[str, Any]

FREE: Final = "Free"
HELD: Final = "Held"
UNAVAILABLE: Final = "Unavailable"

READY: Final = "Ready"
SERVING: Final = "Serving"

_AS_BEFORE: Final = frozenset({Reason.POOLS_INVALID, Reason.MACHINE_UNREADABLE})
"""What was given out before goes on; an agent that starts so has nothing to give."""

MOST_POOLS: Final = 64
MOST_SETS: Final = 2048
MOST_REFUSALS: Final = 64
MOST_SUBJECT: Final = 512
MOST_OF_MACHINE: Final = 32768
MOST_OF_SET: Final = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Versions that no snapshot has."""

    agent: str
    kernel: str


def document(now: Snapshot, about: About) -> Document:
    """Give the status, without the transition time of its condition: see `stamped`."""
    sets = list(_sets(now))[:MOST_SETS]
    states = [one["state"] for one in sets]
    # That nothing is published cannot be told there: what is would have to be taken back at once.
    refusals = [one for one in now.refusals if one.reason is not Reason.NOT_PUBLISHED]
    runtime = now.facts.runtime.told
    return {
        "machine": _machine(now),
        "idle": str(now.settings.idle),
        "enforcement": str(now.settings.enforcement),
        "requiredPlugins": str(now.required_plugins),
        "memory": memory.of_node(now.node),
        "pools": list(_pools(now, sets))[:MOST_POOLS],
        "sets": sets,
        "refusals": [_refusal(one) for one in refusals[:MOST_REFUSALS]],
        "versions": {
            "agent": about.agent[:MOST_NAME],
            "kernel": about.kernel[:MOST_NAME],
            "runtime": runtime.name[:MOST_NAME],
            "runtimeVersion": runtime.version[:MOST_NAME],
        },
        "counts": {
            "sets": len(states),
            "held": states.count(HELD),
            "free": states.count(FREE),
            "unavailable": states.count(UNAVAILABLE),
            "refusals": len(refusals),
        },
        "conditions": [_ready(now)],
    }


def stamped(new: Document, old: Document | None, timestamp: str) -> Document:
    """Give each condition the time since when it has its status; `old` is what was written last."""
    before = {one["type"]: one for one in (old or {}).get("conditions", ())}
    return {**new, "conditions": [_since(one, before, timestamp) for one in new["conditions"]]}


def _since(condition: Document, before: Mapping[str, Document], timestamp: str) -> Document:
    was = before.get(condition["type"], {})
    same = was.get("status") == condition["status"]
    return {**condition, "lastTransitionTime": was["lastTransitionTime"] if same else timestamp}


def _machine(now: Snapshot) -> Document:
    machine = now.node.machine
    return {
        "architecture": machine.architecture[:64],
        "packages": len(machine.packages),
        "numaNodes": len(machine.nodes),
        "cores": sum(not core.cpus.isdisjoint(machine.online) for core in machine.cores),
        "cpus": len(machine.online),
        "online": str(machine.online)[:MOST_OF_MACHINE],
        "shared": str(now.node.partition.shared)[:MOST_OF_MACHINE],
        "lent": str(now.node.lent)[:MOST_OF_MACHINE],
        "memoryBytes": sum(node.memory_bytes or 0 for node in machine.nodes),
    }


def _pools(now: Snapshot, sets: Sequence[Document]) -> Iterator[Document]:
    memory_bytes = {node.id: node.memory_bytes or 0 for node in now.node.machine.nodes}
    for pool in now.node.partition.pools:
        ours = now.node.partition.of_pool(pool.name)
        nodes = {node for one in ours for node in one.memory_nodes}
        free = sum(one["pool"] == pool.name and one["state"] == FREE for one in sets)
        yield {
            "name": pool.name,
            "sets": len(ours),
            "cpusPerSet": max((len(one.cpus) for one in ours), default=0),
            "nodeMemoryBytes": max((memory_bytes.get(node, 0) for node in nodes), default=0),
            "reachBytes": memory.reach_bytes(ours, now.node),
            "free": free,
        }


def states(now: Snapshot) -> Iterator[tuple[CpuSet, str, Refusal | None]]:
    """Say of every set whether it is FREE, HELD or UNAVAILABLE, and what is refused of it."""
    held = now.node.ledger.held
    of_subject = {one.subject: one for one in reversed(now.refusals)}
    barred = [one for one in now.refusals if one.reason in NOTHING_IS_GIVEN]
    for one in now.node.partition.sets:
        # By CPU: a set was cut anew where the pools have changed since it was given out.
        if not one.present.isdisjoint(held) or one.id in now.handed_out:
            yield one, HELD, of_subject.get(one.id)
            continue
        of_all = (each for each in barred if each.subject in ("", one.pool))
        refusal = of_subject.get(one.id) or next(of_all, None)
        yield one, UNAVAILABLE if refusal else FREE, refusal


def _sets(now: Snapshot) -> Iterator[Document]:
    by_cpu = holders.by_cpu(now.node.ledger.tenants.values())
    for one, state, refusal in states(now):
        holder = next((by_cpu[cpu] for cpu in one.present if cpu in by_cpu), None)
        yield {
            "id": one.id,
            "pool": one.pool,
            "cpus": str(one.cpus)[:MOST_OF_SET],
            "numaNode": one.numa_node,
            "memoryNodes": str(one.memory_nodes)[:MOST_NODES],
            "memoryBytes": one.memory_bytes,
            "state": state,
            **({"message": refusal.message[:MOST_SENTENCE]} if refusal else {}),
            **({"owner": holders.told(holder, one, now.node)} if holder else {}),
        }


def _refusal(one: Refusal) -> Document:
    return {
        "reason": str(one.reason),
        "message": one.message[:MOST_SENTENCE],
        "subject": one.subject[:MOST_SUBJECT],
    }


def _ready(now: Snapshot) -> Document:
    """Say whether containers are bound here, and why not."""
    barring = NOTHING_IS_GIVEN if now.node.partition.sets else NOTHING_IS_GIVEN | _AS_BEFORE
    why = next((one for one in now.refusals if one.reason in barring), None)
    loose = next((one for one in now.of_node if one.reason is Reason.NOT_ENFORCED), None)
    if why is not None:
        said = {"status": "False", "reason": str(why.reason), "message": why.message}
    elif loose is not None:
        said = {"status": "True", "reason": str(loose.reason), "message": loose.message}
    else:
        said = {"status": "True", "reason": SERVING, "message": "containers are bound on this node"}
    return {"type": READY, **said, "message": said["message"][:MOST_SENTENCE]}
