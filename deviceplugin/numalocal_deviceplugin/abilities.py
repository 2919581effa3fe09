"""Which memory policies a node can give its containers, and why not the others: facts -> words.

A policy is set by the low-level runtime before the container's first instruction, where the
container runtime's NRI hands it on.  One whose NRI is older drops it and says nothing, so what it
can is known by what it says of itself.  Whether runc does (from 1.4 on) only the check can see.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from numalocal.machine.model import Machine
from numalocal.problems import shown
from numalocal.sets.memoryask import MemoryPolicy
from numalocal.sets.reach import Reach

Version = tuple[int, int]

_VERSION: Final = re.compile(r"[vV]?(\d{1,6})\.(\d{1,6})(?![0-9])", re.ASCII)
_NRI: Final[Version] = (0, 12)
"""The first NRI that has memory policies, and the first that says its version."""
_FIRST: Final[Mapping[str, Version | None]] = {"containerd": (2, 3), "cri-o": None}
"""The first version of each runtime with that NRI; None = no version is known to have it unsaid."""
_NAMES: Final[Mapping[str, str]] = {"containerd": "containerd", "cri-o": "CRI-O"}
_PREFERRED_MANY: Final[Version] = (5, 15)
"""The first Linux that can prefer several nodes."""


class Told(NamedTuple):
    """What a container runtime says of itself; a runtime older than NRI 0.12 says no `nri`."""

    name: str = ""
    version: str = ""
    nri: str = ""


class Kernel(NamedTuple):
    """What is known of the node's kernel; `release` as `uname -r` has it.

    `weights` tells that /sys/kernel/mm/mempolicy/weighted_interleave is there, and `demotes` that
    /sys/kernel/mm/numa/demotion_enabled is, which came with MPOL_PREFERRED_MANY and is in
    distributions' older kernels that have both.
    """

    release: str = ""
    weights: bool = False
    demotes: bool = False


@dataclass(frozen=True)
class Abilities:
    """`missing` are the policies that this node cannot set, each with why.

    `runtime` says why the container runtime can set none at all, empty where it can; BIND is then
    by the cpuset alone.
    """

    missing: Mapping[MemoryPolicy, str] = field(default_factory=dict)
    runtime: str = ""

    @property
    def policies(self) -> tuple[MemoryPolicy, ...]:
        """The policies that this node can set; Bind is one of them on every node."""
        return tuple(one for one in MemoryPolicy if one not in self.missing)

    def lacks(self, reach: Reach) -> str:
        """Say why the policy of a reach cannot be set here; empty where it can, or is none."""
        if not reach.policy_nodes:
            return ""
        return self.runtime or self.missing.get(reach.policy, "")

    @property
    def message(self) -> str:
        """Say why not the others; empty where there are none."""
        reasons = dict.fromkeys(self.missing.values())
        return "; ".join(f"{', '.join(self._for(one))}: {one}" for one in reasons)

    def _for(self, reason: str) -> tuple[str, ...]:
        return tuple(str(policy) for policy, why in self.missing.items() if why == reason)


def abilities(told: Told, kernel: Kernel, machine: Machine) -> Abilities:
    """Say what a node can; where but one NUMA node lends memory no policy is ever to be set."""
    if sum(node.lends_memory for node in machine.nodes) < 2:  # noqa: PLR2004 - a choice
        return Abilities()
    policies = [one for one in MemoryPolicy if one is not MemoryPolicy.BIND]
    if why := _runtime_lacks(told):
        return Abilities(dict.fromkeys(policies, why), why)
    found = ((one, _kernel_lacks(one, kernel)) for one in policies)
    return Abilities({one: why for one, why in found if why})


def carries_policy(told: Told) -> bool | None:
    """Tell whether a runtime hands memory policies on; None = it is none that is known."""
    version = _version(told.nri)
    if told.nri:
        return version is None or version >= _NRI
    name = _known(told.name)
    if name is None:
        return None
    first, version = _FIRST[name], _version(told.version)
    if version is None:
        return None if told.version else False
    return first is not None and version >= first


def _runtime_lacks(told: Told) -> str:
    """Say why a runtime cannot; of one that nobody knows only the check sees what it does."""
    if not any(told):
        return "the container runtime has not said yet what it is"
    if carries_policy(told) is not False:
        return ""
    name = _known(told.name) or ""
    first = _FIRST.get(name)
    least = "one with NRI 0.12" if first is None else f"{first[0]}.{first[1]} or later"
    return (
        f"the container runtime is {_NAMES.get(name, 'unknown')} {shown(told.version)}, whose NRI "
        f"cannot set a memory policy; update it to {least}, and runc to 1.4 or later"
    )


def _kernel_lacks(policy: MemoryPolicy, kernel: Kernel) -> str:
    """Say why the kernel does not have a policy; one of which nothing is known may have it."""
    release = _version(kernel.release)
    if policy is MemoryPolicy.WEIGHTED_INTERLEAVE and not kernel.weights:
        return (
            f"the kernel {shown(kernel.release)} has no "
            "/sys/kernel/mm/mempolicy/weighted_interleave; update it to Linux 6.9 or later"
        )
    is_old = release is not None and release < _PREFERRED_MANY and not kernel.demotes
    if policy is MemoryPolicy.PREFERRED and is_old:
        return (
            f"the kernel {shown(kernel.release)} cannot prefer several NUMA nodes; update it to "
            "Linux 5.15 or later"
        )
    return ""


def _known(name: str) -> str | None:
    """Give the name of a runtime of which something is known, however it is written."""
    lowered = name.strip().casefold()
    return {"crio": "cri-o"}.get(lowered, lowered) if lowered in {*_FIRST, "crio"} else None


def _version(text: str) -> Version | None:
    """Read the first two numbers of a version such as v2.1.5-k3s1 or 2.0.0~rc1."""
    found = _VERSION.match(text.strip())
    return None if found is None else (int(found[1]), int(found[2]))
