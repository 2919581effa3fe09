"""What a CPU limit below its CPU sets does to a pod, and where it may come from."""

import re
from typing import Final

from numalocal.errors import ListInvalid, ReportInvalid
from numalocal.idset import IdSet
from numalocal.report import CheckReport
from numalocal_operator.observing.observed import ObservedPod

_BELOW_REQUEST: Final = re.compile(
    r'Invalid value: "?([0-9.]+m?)"?: must be less than or equal to cpu limit of '
)
"""Of the API server (pkg/apis/core/validation): what we request is more than a LimitRange's limit,
as one from the template would have been refused before."""


def throttled(pod: ObservedPod, ranks: int, cpus_per_set: int | None) -> str:
    """Say that a pod's CPU limit is below what its sets have; empty where that is not certain.

    `cpus_per_set` is of the smallest set that each rank can get, None = not known.
    """
    if pod.cpu_limit is None:
        return ""
    cpus = _reported(pod) or (cpus_per_set or 0) * ranks
    if pod.cpu_limit >= cpus:
        return ""
    limit = f"a CPU limit of {float(pod.cpu_limit):g}"
    if pod.limited_by_range:
        limit += ", set by a LimitRange of the namespace,"
    what = f"pod {pod.name}: {limit} throttles the threads of its CPU sets, which have {cpus} CPUs"
    return f"{what}: {_way_out(str(cpus), by_range=pod.limited_by_range)}"


def refused(error: str) -> str:
    """Say what to do where the API server refuses a pod for a LimitRange's limit; else empty."""
    found = _BELOW_REQUEST.search(error)
    if found is None:
        return ""
    what = f"a LimitRange of the namespace sets a CPU limit below the CPU sets ({error})"
    return f"{what}: {_way_out(found[1], by_range=True)}"


def _way_out(cpus: str, *, by_range: bool) -> str:
    field = "resources.limits.cpu of the engine's container"
    if by_range:
        return f"say {field} in the template, {cpus} or more, or raise the LimitRange's default"
    return f"raise {field} to {cpus} or more, or leave it out"


def _reported(pod: ObservedPod) -> int:
    """Count the CPUs that the check has seen the ranks to have; 0 where it has told of none."""
    try:
        ranks = CheckReport.parse(pod.check_message).ranks
        return sum(len(IdSet.parse(rank.cpus)) for rank in ranks)
    except (ReportInvalid, ListInvalid):
        return 0
