"""What the facts become at an event that touches more than one of them: facts in, facts out.

Whenever CPUs were given up or more is known of who has them, the live containers claim anew.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import ceil

from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.sets.partition import partition
from numalocal_deviceplugin import rebuilding
from numalocal_deviceplugin.facts import Facts, node_of
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.pods import Container, Pod
from numalocal_deviceplugin.settings import Settings
from numalocal_deviceplugin.settling import Listing, contested, settled


def recut(facts: Facts, machine: Machine) -> Facts:
    """Cut the machine as it is now by the same pools.

    Raises:
        PoolUnmet: where a pool gets nothing any more.
    """
    return replace(facts, machine=machine, partition=partition(machine, facts.partition.pools))


def uncut(facts: Facts, machine: Machine) -> Facts:
    """Take of the machine as it is now which CPUs are online, where any are that were there."""
    left = facts.machine.with_online(machine.online)
    return replace(facts, machine=left) if left.online else facts


def listed(
    facts: Facts, settings: Settings, listing: Listing, before: Ledger, now_s: float
) -> Facts:
    """Take what the kubelet lists; `before` is the ledger from before it was asked.

    A pod is gone where nothing of it lives and two looks do not list it: the kubelet may just
    begin.
    """
    if facts.listing is not None:
        known = {*listing, *facts.listing}
        gone = facts.ledger.unknown_to(known) & before.unknown_to(known)
        facts = released(facts, settings, facts.ledger.without(gone), now_s)
    facts = _claimed(replace(facts, listing=listing), settings)
    found = contested(node_of(facts, settings), listing, before)
    return replace(facts, contested=found)


def rebuilt(
    facts: Facts,
    settings: Settings,
    pods: Iterable[Pod],
    containers: Iterable[tuple[Pod, Container]],
) -> Facts:
    """Take the runtime's full list in place of all that is known of pods and containers.

    But for what those that live on have claimed.
    """
    ledger = rebuilding.rebuilt(pods, containers, facts.ledger)
    return _claimed(replace(facts, ledger=ledger, contested={}), settings)


def released(facts: Facts, settings: Settings, ledger: Ledger, now_s: float) -> Facts:
    """Take a ledger in which somebody holds less; who waited for that claims it now.

    CPUs that were given up rest before they are lent.
    """
    freed = facts.ledger.held - ledger.held
    if not freed:
        return replace(facts, ledger=ledger)
    # In whole seconds: what a hundred pods give up at a time is one entry.
    until_s, resting = ceil(now_s + settings.rest_s), facts.resting
    given_up = replace(
        facts,
        ledger=ledger,
        resting={**resting, until_s: resting.get(until_s, IdSet()) | freed},
        contested=_still_held(facts, ledger),
    )
    return _claimed(given_up, settings)


def rested(facts: Facts, now_s: float) -> Facts:
    """Lend again what has rested long enough."""
    resting = {until_s: cpus for until_s, cpus in facts.resting.items() if until_s > now_s}
    return replace(facts, resting=resting)


def _claimed(facts: Facts, settings: Settings) -> Facts:
    """Let the live containers claim what they can claim by now."""
    found = settled(node_of(facts, settings), facts.listing)
    return replace(facts, ledger=found.ledger, refused=found.refused, undecided=found.undecided)


def _still_held(facts: Facts, ledger: Ledger) -> Mapping[str, str]:
    """Leave out contested sets that are free by now, and those that are cut no more."""
    return {
        one.id: facts.contested[one.id]
        for one in facts.partition.sets
        if one.id in facts.contested and not one.present.isdisjoint(ledger.held)
    }
