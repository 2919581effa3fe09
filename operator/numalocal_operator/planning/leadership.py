"""Who may take a Lease, and when: the Lease as it is read and our own clock in, a wait out.

No time that stands in a Lease is believed: clocks of two nodes differ.  A Lease belongs to its
holder until it has not changed for as long as it says, by the clock of who looks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

DURATION_S: Final = 10.0
"""How long others leave a Lease to its holder after the last change that they saw."""
RENEW_S: Final = 2.0
"""How often the holder renews, and how often others look."""
GIVEN_UP_S: Final = 6.0
"""When a holder writes no more: counted from before the call that renewed last."""
_LONGEST_S: Final = 60.0
"""The most that is believed of a duration: a wrong one must not keep a Lease for ever."""
_MOST_TRANSITIONS: Final = 2**31 - 1
_LEFT_S: Final = 1
"""The duration of a Lease that its holder has left: nobody clears a holder's name with it."""

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """A Lease as it was read last, None where there was none; `since_s` when that was new to us.

    `is_left` tells that nobody has it, by the word of who had it.
    """

    raw: Raw | None
    since_s: float
    is_left: bool = False

    @classmethod
    def first(cls, raw: Raw | None, now_s: float) -> "Seen":
        """Take a Lease that was never read before: what is marked as left is believed."""
        return cls(raw, now_s, is_left=_is_released(raw))

    @property
    def holder(self) -> str:
        """Give who holds it; empty for nobody."""
        return str(_spec(self.raw).get("holderIdentity") or "")

    @property
    def spec(self) -> Raw:
        """Give what stands in it, whatever that is."""
        return _spec(self.raw)

    def again(self, raw: Raw | None, now_s: float) -> "Seen":
        """Take a Lease as it is read now: its time begins anew where it has changed.

        Any change counts, a label too: what reads as before can have been another's in between, who
        leads now, and only the version tells.  That it was left is believed where we have seen it
        with who says so: the mark of one who led before may be somebody's old copy.
        """
        if _version(raw) == _version(self.raw):
            return replace(self, raw=raw)
        same = bool(self.holder) and _tenure(raw) == _tenure(self.raw)
        return Seen(raw, now_s, is_left=same and _is_released(raw))


def wait_s(seen: Seen, now_s: float, *, ours: bool) -> float:
    """Say in how many seconds the Lease may be taken or renewed; at most 0 means now.

    `ours` tells that it is ours until then.  Only who has left it leaves it to others at once: an
    empty holder, a Lease that is gone or new, and even our own name in it, may be somebody's doing
    while another replica leads.
    """
    if ours or seen.is_left:
        return 0.0
    return seen.since_s + _duration_s(seen.raw) - now_s


def taken(seen: Seen, me: str, now: str) -> dict[str, Any]:
    """Give the spec of a Lease that we take, or renew; `now` is for people who read it."""
    before = _spec(seen.raw)
    if seen.holder == me:
        since, transitions = before.get("acquireTime") or now, _transitions(before)
    else:
        since, transitions = now, (_transitions(before) + 1) % _MOST_TRANSITIONS
    return {
        "holderIdentity": me,
        "leaseDurationSeconds": int(DURATION_S),
        "acquireTime": since,
        "renewTime": now,
        "leaseTransitions": transitions,
    }


def released(seen: Seen, now: str) -> dict[str, Any]:
    """Give the spec of a Lease that its holder leaves to whoever comes next."""
    before = _spec(seen.raw)
    return {
        "holderIdentity": "",
        "leaseDurationSeconds": _LEFT_S,
        "acquireTime": before.get("acquireTime") or now,
        "renewTime": now,
        "leaseTransitions": _transitions(before),
    }


def _spec(raw: Raw | None) -> Raw:
    spec = (raw or {}).get("spec")
    return spec if isinstance(spec, Mapping) else {}


def _is_released(raw: Raw | None) -> bool:
    spec = _spec(raw)
    return not spec.get("holderIdentity") and spec.get("leaseDurationSeconds") == _LEFT_S


def _tenure(raw: Raw | None) -> object:
    """Tell the time for which somebody has a Lease from all others; its mark at the end has it."""
    return _spec(raw).get("acquireTime"), _transitions(_spec(raw))


def _version(raw: Raw | None) -> object:
    """Tell one state of a Lease from all others, those before it was deleted and made included."""
    metadata = (raw or {}).get("metadata") or {}
    return None if raw is None else (metadata.get("uid"), metadata.get("resourceVersion"))


def _duration_s(raw: Raw | None) -> float:
    """Read how long a Lease is its holder's: another version's may be longer, none is shorter."""
    told = _spec(raw).get("leaseDurationSeconds")
    return min(max(DURATION_S, float(told)), _LONGEST_S) if type(told) is int else DURATION_S


def _transitions(spec: Raw) -> int:
    told = spec.get("leaseTransitions")
    return told if type(told) is int and 0 <= told <= _MOST_TRANSITIONS else 0
