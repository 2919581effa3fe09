"""Where offline CPUs belong, of which the kernel shows no topology.

A set that is named by its CPUs must keep its name while one of them is offline, also when the
reader starts just then.  The kernel removes cpuN/topology of an offline CPU and takes it off its
siblings' lists, so its core is told by the numbering of the others.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from numalocal.idset import IdSet, union
from numalocal.machine.discovery.findings import Findings
from numalocal.machine.discovery.numbering import Numbering, numbering_of, pairs
from numalocal.machine.model import CoreKind
from numalocal.machine.sysfs import CPU, NODE, Sysfs

_SMT_OFF: Final = ("off", "forceoff")
_SMT_ON: Final = "on"
_NOT_TOLD: Final = "notimplemented"


class _Known(NamedTuple):
    """What the online cores tell: each CPU's kind, as a number, its core, and how kinds count."""

    kind_of: Mapping[int, int]
    core_of: Mapping[int, IdSet]
    numberings: Mapping[int, Numbering]
    offline: IdSet


def complete(
    sysfs: Sysfs,
    siblings: Sequence[IdSet],
    kinds: Sequence[CoreKind],
    offline: IdSet,
    findings: Findings,
) -> tuple[IdSet, ...]:
    """Add the offline CPUs to their cores, and the cores that are offline as a whole.

    Siblings that are offline as SMT is switched off or reduced are left out for good.  So is, and
    noted, a CPU that could belong to several cores.
    """
    if not offline:
        return tuple(siblings)
    control = findings.read(sysfs.read, f"{CPU}/smt/control") or _NOT_TOLD
    online = union(siblings)
    if _smt_is_reduced(control, online, offline):
        return tuple(siblings)
    if all(len(core) == 1 for core in siblings):
        return _of_single(siblings, kinds, control, offline)
    known = _known(siblings, kinds, offline)
    completed = {core: core for core in siblings}
    whole: set[IdSet] = set()
    lost = []
    for cpu in offline:
        core = _core_with(cpu, known)
        partner = next((known.core_of[one] for one in core or () if one in known.core_of), None)
        if core is None:
            lost.append(cpu)
        elif partner is None:
            whole.add(core)
        else:
            completed[partner] = core
    if lost:
        message = f"CPUs {IdSet.of(lost)} are offline and their cores not known; in no core"
        findings.add(f"{CPU}/offline", message)
    return _in_order([*completed.values(), *whole])


def nodes_of_offline(sysfs: Sysfs, offline: IdSet, findings: Findings) -> Mapping[int, IdSet]:
    """Tell the nodes of offline CPUs by the links nodeN/cpuM, which stay; 0 without NUMA."""
    if not offline:
        return {}
    nodes = findings.read(sysfs.numbered, NODE, "node")
    if not nodes:
        alone = IdSet() if sysfs.exists(NODE) else IdSet.of([0])
        return dict.fromkeys(offline, alone)
    found: dict[int, IdSet] = defaultdict(IdSet)
    for node in nodes:
        links = findings.read(sysfs.numbered, f"{NODE}/node{node}", "cpu") or IdSet()
        for cpu in links & offline:
            found[cpu] |= IdSet.of([node])
    return found


def _smt_is_reduced(control: str, online: IdSet, offline: IdSet) -> bool:
    """Tell whether siblings are offline as SMT is off, or in a lower mode as POWER has them.

    From cpu/smt/control: `off`, or a number of threads (since Linux 6.6).  Where it does not tell,
    as on older POWER, half a machine offline does.
    """
    if control == _NOT_TOLD:
        return len(offline) >= len(online)
    return control in _SMT_OFF or control.isdigit()


def _of_single(
    siblings: Sequence[IdSet], kinds: Sequence[CoreKind], control: str, offline: IdSet
) -> tuple[IdSet, ...]:
    """Complete cores that have one CPU online each.

    A kernel that says that SMT is on has siblings, and somebody took them all offline: they go to
    their cores where the numbering tells these, and are left out where it does not.  Elsewhere
    every offline CPU is a core of its own.
    """
    online = union(siblings)
    if control == _SMT_ON:
        if completed := pairs(online, offline):
            return completed
        if kinds or len(offline) >= len(online):
            return tuple(siblings)
    return _in_order([*siblings, *(IdSet.of([cpu]) for cpu in offline)])


def _known(siblings: Sequence[IdSet], kinds: Sequence[CoreKind], offline: IdSet) -> _Known:
    kind_of = {cpu: kind for kind, one in enumerate(kinds) for cpu in one.cpus}
    cores_of: dict[int, list[IdSet]] = defaultdict(list)
    for core in siblings:
        cores_of[kind_of.setdefault(core.first, 0)].append(core)
    numberings = {kind: numbering_of(cores, len(offline)) for kind, cores in cores_of.items()}
    return _Known(
        kind_of=kind_of,
        core_of={cpu: core for core in siblings for cpu in core},
        numberings={kind: one for kind, one in numberings.items() if one is not None},
        offline=offline,
    )


def _core_with(cpu: int, known: _Known) -> IdSet | None:
    """Find the one core that an offline CPU can belong to; None where there are several or none.

    A core that misses siblings comes before one that is offline as a whole.
    """
    partial: set[IdSet] = set()
    whole: dict[IdSet, int] = {}
    for kind, numbering in known.numberings.items():
        for core in numbering.cores_with(cpu):
            if any(one not in known.core_of and one not in known.offline for one in core):
                continue
            partners = {known.core_of[one] for one in core if one in known.core_of}
            if not partners:
                whole[core] = kind
            elif _completes(core, partners, kind, known):
                partial.add(core)
    found = partial or _likely(cpu, whole, known)
    return next(iter(found)) if len(found) == 1 else None


def _completes(core: IdSet, partners: Iterable[IdSet], kind: int, known: _Known) -> bool:
    """Tell whether all of a core that is online is one core, of the kind given."""
    one, *others = partners
    return not others and one <= core and known.kind_of.get(one.first, 0) == kind


def _likely(cpu: int, whole: Mapping[IdSet, int], known: _Known) -> Sequence[IdSet]:
    """Of cores that are offline as a whole: those of the kind that the CPUs on both sides are."""
    if len(whole) == 1:
        return list(whole)
    below = max((one for one in known.core_of if one < cpu), default=None)
    above = min((one for one in known.core_of if one > cpu), default=None)
    beside = {
        known.kind_of.get(known.core_of[one].first) for one in (below, above) if one is not None
    }
    return [core for core, kind in whole.items() if {kind} == beside]


def _in_order(cores: Sequence[IdSet]) -> tuple[IdSet, ...]:
    return tuple(sorted(cores, key=lambda core: core.first))
