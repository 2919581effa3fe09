"""What the agent is run with: what the node's owner chose, and what the kernel can."""

from dataclasses import dataclass
from enum import StrEnum

from numalocal.sets.memoryask import Enforcement
from numalocal_deviceplugin.abilities import Kernel


class Idle(StrEnum):
    """What becomes of CPU sets that nobody has."""

    SHARED = "shared"
    EXCLUSIVE = "exclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What does not change while the agent runs; times are in seconds.

    `grace_s` is how long sets stay available without the runtime, whose restart takes less.
    `rest_s` is how long CPUs that a pod gave up rest before they are lent: a worker that is made
    anew is back by then.  `enforcement` BEST_EFFORT gives sets out without the runtime as well.
    """

    idle: Idle = Idle.SHARED
    left_alone: frozenset[str] = frozenset()
    grace_s: float = 30.0
    rest_s: float = 10.0
    enforcement: Enforcement = Enforcement.REQUIRED
    kernel: Kernel = Kernel()  # noqa: RUF009 - frozen
