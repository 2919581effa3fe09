"""The binder's report: what its check saw, as JSON in a file or a termination message."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from numalocal.errors import ReportInvalid
from numalocal.problems import shown

_MOST_BYTES: Final = (1 << 63) - 1
_MOST_NODES: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class RankReport:
    """One rank as the check saw it; `memory_bytes` is None where none was asked for.

    `numa_node` is the node of its CPUs, and `memory_nodes` are where its memory is, list format.
    """

    cpus: str
    numa_node: int
    memory_nodes: str
    memory_bytes: int | None
    available_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OverflowCost:
    """What a check read of memory that lies on all nodes in turn, and of the near node's.

    None where it could not be measured.
    """

    interleaved_bytes_per_s: int | None
    near_bytes_per_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """A whole report; `message` is the sentence for people, `ranks` are in rank order.

    `memory_policy` is what the kernel says (default, local, bind, preferred, interleave or
    weighted-interleave; None where it does not), and `unbound` what of the binding does not hold
    though the check let it pass, as enforcement is BestEffort.
    """

    verified: bool
    cpus: str
    mems: str
    ranks: tuple[RankReport, ...]
    limit_bytes: int | None
    message: str
    memory_policy: str | None = None
    memory_policy_nodes: str = ""
    unbound: tuple[str, ...] = ()
    overflow: OverflowCost | None = None

    @classmethod
    def parse(cls, text: str) -> "CheckReport":
        """Read what `numalocal-bind check` wrote, from a text that any container may have left.

        Raises:
            ReportInvalid: where the text is anything else, such as a message of the kubelet.
        """
        try:
            raw = json.loads(text)
            policy = raw.get("memoryPolicy") or {}
            return cls(
                verified=raw["verified"] is True,
                cpus=_text(raw["cpus"]),
                mems=_text(raw["mems"]),
                ranks=tuple(map(_rank, _list(raw["ranks"]))),
                limit_bytes=_optional(raw, "limitBytes"),
                message=_text(raw["message"]),
                memory_policy=None if not policy else _text(policy["mode"]),
                memory_policy_nodes=_text(policy.get("nodes", "")),
                unbound=tuple(map(_text, _list(raw.get("unbound", [])))),
                overflow=_overflow(raw.get("overflow")),
            )
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise ReportInvalid(f"{shown(text)} is not a report of numalocal-bind check") from error


def _overflow(raw: Mapping[str, Any] | None) -> OverflowCost | None:
    if raw is None:
        return None
    return OverflowCost(
        interleaved_bytes_per_s=_optional(raw, "interleavedBytesPerSecond"),
        near_bytes_per_s=_optional(raw, "nearBytesPerSecond"),
    )


def _rank(entry: Mapping[str, Any]) -> RankReport:
    node = _whole(entry["numaNode"], _MOST_NODES)
    return RankReport(
        cpus=_text(entry["cpus"]),
        numa_node=node,
        memory_nodes=_text(entry.get("memoryNodes", str(node))),  # older checks tell of one node
        memory_bytes=_optional(entry, "memoryBytes"),
        available_bytes=_optional(entry, "availableBytes"),
    )


def _optional(raw: Mapping[str, Any], key: str) -> int | None:
    value = raw.get(key)
    return None if value is None else _whole(value, _MOST_BYTES)


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{shown(value)} is no list")
    return value


def _text(value: object) -> str:
    """Take what the binder may have written: it shows all that is not printable as its bytes."""
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{shown(value)} is no printable text")
    return value


def _whole(value: object, most: int) -> int:
    """Take a number that a status can hold: for any other the API server refuses the whole."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"{shown(value)} is no whole number from 0 to {most}")
    return value
