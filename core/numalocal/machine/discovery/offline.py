"""Where offline CPUs belong, of which the kernel shows no topology.

A set that is named by its CPUs must keep its name while one of them is offline, also when the
reader starts just then.  The kernel removes cpuN/topology of an offline CPU and takes it off its
siblings' lists, so its core is told by the numbering of the others.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from numalocal.idset import IdSet
from numalocal.machine.discovery.findings import Findings
from numalocal.machine.sysfs import CPU, NODE, Sysfs

_SMT_OFF: Final = ("off", "forceoff")
_NOT_TOLD: Final = "notimplemented"


def complete(
    sysfs: Sysfs, siblings: Sequence[IdSet], online: IdSet, offline: IdSet, findings: Findings
) -> tuple[IdSet, ...]:
    """Add the offline CPUs to their cores, and the cores that are offline as a whole.

    Siblings that are offline as SMT is switched off or reduced are left out for good.  So is, and
    noted, a CPU that could belong to several cores, as on a hybrid machine.
    """
    if not offline or _smt_is_reduced(sysfs, online, offline, findings):
        return tuple(siblings)
    offsets = _offsets(siblings)
    if len(offsets) == 1:
        return _in_order([*siblings, *(IdSet.of([cpu]) for cpu in offline)])
    core_of = {cpu: core for core in siblings for cpu in core}
    completed = {core: core for core in siblings}
    whole: set[IdSet] = set()
    for cpu in offline:
        candidates = _candidates(cpu, offsets, core_of, offline)
        if len(candidates) != 1 or _mixed(siblings, len(offsets), offline):
            findings.add(f"{CPU}/cpu{cpu}/online", f"CPU {cpu} is offline and its core not known")
            continue
        (core,) = candidates
        partner = next((core_of[one] for one in core if one in core_of), None)
        if partner is None:
            whole.add(core)
        else:
            completed[partner] = core
    return _in_order([*completed.values(), *whole])


def nodes_of_offline(sysfs: Sysfs, offline: IdSet) -> Mapping[int, IdSet]:
    """Tell the node of offline CPUs by the links nodeN/cpuM, which stay; 0 without NUMA."""
    if not offline:
        return {}
    nodes = sysfs.numbered(NODE, "node")
    if not nodes:
        return dict.fromkeys(offline, IdSet.of([0]))
    return {
        cpu: IdSet.of([node])
        for node in nodes
        for cpu in sysfs.numbered(f"{NODE}/node{node}", "cpu") & offline
    }


def _smt_is_reduced(sysfs: Sysfs, online: IdSet, offline: IdSet, findings: Findings) -> bool:
    """Tell whether siblings are offline as SMT is off, or in a lower mode as POWER has them.

    From cpu/smt/control: `off`, or a number of threads (since Linux 6.6).  Where it does not tell,
    as on older POWER, half a machine offline does.
    """
    control = findings.read(sysfs.read, f"{CPU}/smt/control") or _NOT_TOLD
    if control == _NOT_TOLD:
        return len(offline) >= len(online)
    return control in _SMT_OFF or control.isdigit()


def _offsets(siblings: Sequence[IdSet]) -> tuple[int, ...]:
    """Give how far the siblings of a full core are from its first: (0, 1), or (0, 64)."""
    shapes = Counter(tuple(cpu - core.first for cpu in core) for core in siblings)
    return max(shapes, key=lambda shape: (len(shape), shapes[shape]))


def _candidates(
    cpu: int, offsets: Sequence[int], core_of: Mapping[int, IdSet], offline: IdSet
) -> list[IdSet]:
    """List the cores that the CPU could complete: all members offline, or of one online core."""
    found = []
    for offset in offsets:
        core = IdSet.of(cpu - offset + other for other in offsets)
        partners = {core_of[one] for one in core if one in core_of}
        known = all(one in core_of or one in offline for one in core)
        if known and len(partners) <= 1 and all(one <= core for one in partners):
            found.append(core)
    return found


def _mixed(siblings: Sequence[IdSet], threads: int, offline: IdSet) -> bool:
    """Tell whether more cores are small than offline CPUs can explain."""
    return sum(len(core) < threads for core in siblings) > len(offline)


def _in_order(cores: Sequence[IdSet]) -> tuple[IdSet, ...]:
    return tuple(sorted(cores, key=lambda core: core.first))
