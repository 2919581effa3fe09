"""Why a node, a pod or a container is not served: a reason from one table, and a sentence.

The same value goes to the log, to readiness, to the metrics and to the node's object.
"""

from dataclasses import dataclass
from enum import StrEnum

from numalocal_deviceplugin.errors import CpusHeld


class Reason(StrEnum):
    """The one table of reasons; docs/operations.md says what to do about each."""

    # Of the node: nothing is given out, and nobody is adjusted.
    POLICY_UNKNOWN = "KubeletPolicyUnknown"
    POLICY_STATIC = "KubeletPinsCpus"
    CGROUP_V1 = "CgroupV1"
    SECOND_AGENT = "AnotherAgent"
    # Of the node: nothing is given out.
    POOL_UNMET = "PoolUnmet"
    RUNTIME_AWAY = "RuntimeUnreachable"
    NOT_REGISTERED = "NotRegistered"
    # Of the node: what was goes on.
    POOLS_INVALID = "PoolsInvalid"
    MACHINE_UNREADABLE = "MachineUnreadable"
    NOT_PUBLISHED = "NotPublished"
    NOT_ENFORCED = "NotEnforced"
    # Of one CPU set.
    SET_OFFLINE = "SetOffline"
    SET_CONTESTED = "SetHeldByOther"
    # Of one container.
    NOT_BOUND = "NotBound"
    CPUS_HELD = "CpusHeld"
    STARTED_UNBOUND = "StartedUnbound"
    DRIFT = "Drift"


NOBODY_IS_ADJUSTED = frozenset(
    {Reason.POLICY_UNKNOWN, Reason.POLICY_STATIC, Reason.CGROUP_V1, Reason.SECOND_AGENT}
)
"""Where another pinner works, or may, the agent touches nobody: two must not fight."""

NOTHING_IS_GIVEN = NOBODY_IS_ADJUSTED | {
    Reason.POOL_UNMET,
    Reason.RUNTIME_AWAY,
    Reason.NOT_REGISTERED,
}


def reason_of(error: Exception) -> Reason:
    """Give the reason for which one container is refused."""
    return Reason.CPUS_HELD if isinstance(error, CpusHeld) else Reason.NOT_BOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """`subject` is empty for the node, or a pool, a device id, or `namespace/pod/container`."""

    reason: Reason
    message: str
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"
