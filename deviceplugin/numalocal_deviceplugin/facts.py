"""What is known of the node, and what the node is by that for who binds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum

from numalocal.idset import IdSet, union
from numalocal.machine.model import Machine
from numalocal.sets.partition import Partition
from numalocal_deviceplugin.abilities import Told, abilities
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.refusals import Refusal
from numalocal_deviceplugin.settings import Idle, Settings
from numalocal_deviceplugin.settling import Listing
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.thisnode import Node


class Phase(Enum):
    """Where the container runtime stands."""

    NEVER_SEEN = "never seen"
    SYNCHRONIZED = "synchronized"
    LOST = "lost"


class RequiredPlugins(StrEnum):
    """Whether the container runtime refuses a container whose pod requires a plugin that is away.

    It is seen at the first creation of a container, and only of a runtime with NRI 0.12.
    """

    UNKNOWN = "Unknown"
    ENFORCED = "Enforced"
    NOT_ENFORCED = "NotEnforced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The container runtime; `told` is what it says of itself."""

    phase: Phase = Phase.NEVER_SEEN
    lost_at_s: float = 0.0
    told: Told = Told()  # noqa: RUF009 - frozen
    required_plugins: RequiredPlugins = RequiredPlugins.UNKNOWN

    def lost(self, now_s: float) -> "Runtime":
        """Give it as it is from now on: away, and with another configuration when it comes back."""
        lost = replace(self, required_plugins=RequiredPlugins.UNKNOWN)
        if lost.phase is Phase.SYNCHRONIZED:
            return replace(lost, phase=Phase.LOST, lost_at_s=now_s)
        return lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of the node.

    `contested` are ids of sets that a pod holds for which the kubelet does not list them, with why.
    `refused` are live containers that have not what they should have, by id, and `undecided` the
    ids of those that wait for the kubelet's word.  `told` are the refusals of each part of the
    agent, and `resting` CPUs that were given up, by the time until when they rest.
    """

    machine: Machine
    partition: Partition
    ledger: Ledger = field(default_factory=Ledger)
    policy: Policy = Policy.UNKNOWN
    listing: Listing | None = None
    contested: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    undecided: frozenset[str] = frozenset()
    runtime: Runtime = Runtime()
    told: Mapping[str, tuple[Refusal, ...]] = field(default_factory=dict)
    resting: Mapping[int, IdSet] = field(default_factory=dict)


def node_of(facts: Facts, settings: Settings, barred: Refusal | None = None) -> Node:
    """Say what the node is for who binds, if nothing bars it."""
    lent = IdSet()
    if settings.idle is Idle.SHARED:
        taken = union([facts.partition.shared, facts.ledger.held, *facts.resting.values()])
        lent = facts.machine.online - taken
    return Node(
        machine=facts.machine,
        partition=facts.partition,
        ledger=facts.ledger,
        lent=lent,
        left_alone=settings.left_alone,
        abilities=abilities(facts.runtime.told, settings.kernel, facts.machine),
        barred=barred,
    )


def binds(runtime: Runtime, settings: Settings, now_s: float) -> bool:
    """Tell whether a new container would be bound."""
    if runtime.phase is Phase.LOST:
        return now_s - runtime.lost_at_s < settings.grace_s
    return runtime.phase is Phase.SYNCHRONIZED
