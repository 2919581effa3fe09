"""One frozen view of the node: what is known -> what follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import cached_property
from itertools import chain

from numalocal.idset import IdSet, union
from numalocal.machine.model import Machine
from numalocal.sets.partition import Partition
from numalocal_deviceplugin import standing
from numalocal_deviceplugin.abilities import Told, abilities
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.refusals import NOBODY_IS_ADJUSTED, Reason, Refusal
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


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The node at one moment, as all parts of the agent see it.

    `of_node` are the refusals of the node and of its pools.  `version` is another one after every
    change.
    """

    facts: Facts
    node: Node
    settings: Settings
    of_node: tuple[Refusal, ...]
    version: int

    @cached_property
    def of_sets(self) -> tuple[Refusal, ...]:
        """The refusals of CPU sets, which are asked for more often than those of containers."""
        return tuple(standing.of_sets(self.node, self.facts.contested))

    @cached_property
    def refusals(self) -> tuple[Refusal, ...]:
        """All that there are: of the node first, then of sets, then of containers."""
        of_containers = standing.of_containers(self.node, self.facts.refused)
        return (*self.of_node, *self.of_sets, *of_containers)

    @cached_property
    def handed_out(self) -> frozenset[str]:
        """The sets that the kubelet has given out while no runtime tells who has them."""
        if not any(one.reason is Reason.NOT_ENFORCED for one in self.of_node):
            return frozenset()
        return frozenset(chain.from_iterable((self.facts.listing or {}).values()))

    @property
    def required_plugins(self) -> RequiredPlugins:
        """What is known by the runtime's own list of plugins, or by what it has created."""
        known = self.facts.runtime.required_plugins
        if known is RequiredPlugins.UNKNOWN and standing.required_in_vain(self.node.ledger):
            return RequiredPlugins.NOT_ENFORCED
        return known


def snapshot(facts: Facts, settings: Settings, version: int, *, binds: bool) -> Snapshot:
    """Put together what follows from the facts."""
    told = tuple(chain.from_iterable(facts.told.values()))
    reasons = {one.reason for one in told}
    own = standing.of_node(facts.policy, settings.enforcement, binds=binds)
    of_node = (*(one for one in own if one.reason not in reasons), *told)
    barred = next((one for one in of_node if one.reason in NOBODY_IS_ADJUSTED), None)
    return Snapshot(
        facts=facts,
        node=node_of(facts, settings, barred),
        settings=settings,
        of_node=of_node,
        version=version,
    )


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
