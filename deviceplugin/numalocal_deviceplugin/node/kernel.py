"""What the node's kernel can do with memory, by the files that it has."""

from typing import Final

from numalocal.machine.sysfs import Sysfs
from numalocal_deviceplugin.abilities import Kernel

_WEIGHTS: Final = "sys/kernel/mm/mempolicy/weighted_interleave"
_DEMOTION: Final = "sys/kernel/mm/numa/demotion_enabled"


def kernel(sysfs: Sysfs, release: str) -> Kernel:
    """Look once: neither changes while a kernel runs."""
    return Kernel(release, weights=sysfs.exists(_WEIGHTS), demotes=sysfs.exists(_DEMOTION))
