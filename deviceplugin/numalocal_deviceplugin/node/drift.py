"""What is not bound as the ledger says, and how often that was tried to be mended: values alone.

Somebody may write a cgroup's files, and a cgroup above may leave too little.  The first is mended
by asking the container runtime again; the second stays wrong, which is said then.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from numalocal.idset import IdSet
from numalocal.problems import shown
from numalocal_deviceplugin.binding import Binding
from numalocal_deviceplugin.correcting import Correction
from numalocal_deviceplugin.pods import subject, where
from numalocal_deviceplugin.refusals import Reason, Refusal

SETTLE_S: Final = 2.0
"""How long what the runtime was told may take until the kernel shows it."""
ENOUGH: Final = 3
"""Tries after which it is said that a container stays wrong."""
_LONGEST_S: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """`times` is how often `binding` was asked for, the next time at `next_s`.

    `error` is what the runtime said last, empty where it agreed.
    """

    binding: Binding
    next_s: float
    times: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Tries:
    """The containers that are wrong, by id."""

    of: Mapping[str, Try] = field(default_factory=dict)

    def seen(self, wrong: Iterable[Correction], now_s: float) -> "Tries":
        """Take what is wrong now; what is right by now, or is to be otherwise, starts again.

        What the runtime was told already gets a moment until it is taken for wrong.
        """
        tries = {}
        for one in wrong:
            known = self.of.get(one.container.id)
            if known is None or known.binding != one.binding:
                wait_s = SETTLE_S if is_told(one) else 0.0
                known = Try(binding=one.binding, next_s=now_s + wait_s)
            tries[one.container.id] = known
        return Tries(tries)

    def is_due(self, one: Correction, now_s: float) -> bool:
        """Tell whether to ask the runtime for it now."""
        return self.of[one.container.id].next_s <= now_s

    def tried(self, one: Correction, now_s: float, error: str = "") -> "Tries":
        """Take that the runtime was asked: the next time is later, and later each time.

        A container that was seen right, or ended, meanwhile is not remembered.
        """
        known = self.of.get(one.container.id)
        if known is None:
            return self
        wait_s = min(SETTLE_S * 2**known.times, _LONGEST_S)
        known = replace(known, times=known.times + 1, next_s=now_s + wait_s, error=error)
        return Tries({**self.of, one.container.id: known})

    def stays(self, one: Correction) -> bool:
        """Tell whether it was asked for often enough to be said."""
        known = self.of.get(one.container.id)
        return known is not None and known.times >= ENOUGH

    def next_s(self, latest_s: float) -> float:
        """When to look next, at the latest then."""
        return min([latest_s, *(one.next_s for one in self.of.values())])


def harms(one: Correction) -> bool:
    """Tell whether a container is wrong for anybody: others may have less than they could.

    A cgroup above may leave them a few of the shared CPUs, as some fleets do for their own pods.
    """
    return bool(one.binding.mems) or not (is_told(one) and one.now.cpus <= one.binding.cpus)


def refusal(one: Correction, tries: Tries, above: tuple[Path, str] | None, folder: Path) -> Refusal:
    """Say that a container stays wrong, and why: `above` is a file, and the little it leaves."""
    error = tries.of[one.container.id].error
    if above is not None:
        path, left = above
        why = f"{path} leaves only {left} to all below; give it all again"
    elif error:
        why = f"the container runtime does not change it: {shown(error)}"
    else:
        why = f"the container runtime was asked {ENOUGH} times; is something else writing {folder}?"
    return Refusal(
        reason=Reason.DRIFT,
        message=f"{where(one.pod, one.container)}: it may use {_named(one.now.cpus, one.now.mems)}"
        f" and should use {_named(one.binding.cpus, one.binding.mems)}: {why}",
        subject=subject(one.pod, one.container),
    )


def _named(cpus: IdSet, mems: IdSet) -> str:
    return f"CPU {cpus or 'none'}" + (f" and memory of NUMA node {mems}" if mems else "")


def is_told(one: Correction) -> bool:
    """Tell whether the runtime was told already what is to be."""
    told = one.container
    return told.cpus == one.binding.cpus and one.binding.mems in (IdSet(), told.mems)
