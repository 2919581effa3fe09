"""One frozen view of the node: what is known -> what follows from it."""

from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from numalocal_deviceplugin import standing
from numalocal_deviceplugin.facts import Facts, RequiredPlugins, node_of
from numalocal_deviceplugin.refusals import NOBODY_IS_ADJUSTED, Reason, Refusal
from numalocal_deviceplugin.settings import Settings
from numalocal_deviceplugin.thisnode import Node


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
