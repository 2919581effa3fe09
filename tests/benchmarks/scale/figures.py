"""What was measured, as a table and as JSON."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import linear_regression

from .audit import Requests, at_rest, but_leases
from .cost import MIB
from .objects import REPLICAS


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """A while in which nothing was to do; `cpu_share` is of one core."""

    seconds: float
    requests: Requests
    cpu_share: float
    resident_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One run: so many objects were created within `created_s`, and all was there by `took_s`."""

    kind: str
    count: int
    created_s: float
    took_s: float
    cpu_s: float
    peak_bytes: int
    requests: Requests
    rest: Rest

    @property
    def pods_per_s(self) -> float:
        return self.count * REPLICAS / self.took_s

    @property
    def requests_each(self) -> float:
        return but_leases(self.requests) / self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Full:
    """A cluster with so many of each.

    `ready_s`, `cpu_s` and `peak_bytes` are of the operator that saw all pods start, the others of
    one that started when all was there.
    """

    nodes: int
    workers: int
    foreign: int
    ready_s: float
    cpu_s: float
    peak_bytes: int
    rest: Rest
    anew_peak_bytes: int
    anew_cpu_s: float
    anew_requests: Requests
    anew_rest: Rest


MOST_REQUESTS_EACH = 5.0
MOST_BYTES, MOST_BYTES_FULL = 150 * MIB, 250 * MIB

_HEAD = (
    f"{'':<12}{'count':>6}{'created':>10}{'all there':>11}{'pods/s':>8}{'requests each':>15}"
    f"{'CPU':>10}{'CPU each':>10}{'peak':>9}{'at rest':>32}"
)


def missed(run: Made) -> Iterator[str]:
    """Say which limits a run of workers has missed; time has none, but is to be compared."""
    if run.requests_each > MOST_REQUESTS_EACH:
        yield f"{run.requests_each:.2f} requests for each of {run.count} {run.kind}"
    if run.peak_bytes > MOST_BYTES:
        yield f"{run.peak_bytes / MIB:.0f} MiB with {run.count} {run.kind}"
    if at_rest(run.rest.requests):
        yield f"requests at rest with {run.count} {run.kind}: {at_rest(run.rest.requests)}"


def missed_full(found: Full) -> Iterator[str]:
    """Say which limits were missed where a cluster was full."""
    for peak_bytes in (found.peak_bytes, found.anew_peak_bytes):
        if peak_bytes > MOST_BYTES_FULL:
            yield f"{peak_bytes / MIB:.0f} MiB with {found.nodes} nodes"
    for rest in (found.rest, found.anew_rest):
        if at_rest(rest.requests):
            yield f"requests at rest with {found.nodes} nodes: {at_rest(rest.requests)}"


def full_table(found: Full) -> Iterator[str]:
    """Give the lines of what a full cluster costs."""
    pods = found.workers * REPLICAS
    yield (
        f"{found.nodes} nodes, {found.workers} workers with {pods} pods that run, "
        f"{found.foreign} pods of others"
    )
    yield (
        f"  from the first start to all ready: {found.ready_s:.0f} s; {found.cpu_s:.0f} s of CPU "
        f"since the operator's start, peak {found.peak_bytes / MIB:.0f} MiB"
    )
    yield f"  then at rest: {_resting(found.rest)}"
    asked = ", ".join(f"{count} {what}" for what, count in sorted(found.anew_requests.items()))
    yield (
        f"  a new start: {found.anew_cpu_s:.0f} s of CPU, peak {found.anew_peak_bytes / MIB:.0f} "
        f"MiB, {asked}"
    )
    yield f"  then at rest: {_resting(found.anew_rest)}"


def _resting(rest: Rest) -> str:
    asked = sum(at_rest(rest.requests).values())
    return f"{asked} requests, {rest.cpu_share:.1%}, {rest.resident_bytes / MIB:.0f} MiB"


def table(runs: Sequence[Made]) -> Iterator[str]:
    """Give the lines of a table: a line for each run, then what they say together."""
    if not runs:
        return
    yield _HEAD
    for one in runs:
        yield (
            f"{one.kind:<12}{one.count:>6}{one.created_s:>8.1f} s{one.took_s:>9.1f} s"
            f"{one.pods_per_s:>8.1f}{one.requests_each:>15.2f}{one.cpu_s:>8.1f} s"
            f"{one.cpu_s / one.count * 1000:>7.1f} ms{one.peak_bytes / MIB:>5.0f} MiB"
            f"{_resting(one.rest):>32}"
        )
    yield ""
    for one in runs:
        most = sorted(one.requests.items(), key=lambda item: -item[1])
        told = ", ".join(f"{number / one.count:.2f} {what}" for what, number in most)
        yield f"requests for each of {one.count} {one.kind}: {told}"
    yield from _ratios(runs)
    for kind in dict.fromkeys(one.kind for one in runs):
        if (exponent := growth([one for one in runs if one.kind == kind])) is not None:
            yield f"{kind}: time grows with their number to the power of {exponent:.2f}"


def _ratios(runs: Sequence[Made]) -> Iterator[str]:
    """Say how long workers take beside Deployments, where both were made."""
    for count in dict.fromkeys(one.count for one in runs):
        took_s = {one.kind: one.took_s for one in runs if one.count == count}
        if len(took_s) > 1:
            workers, others = took_s["workers"], took_s["Deployments"]
            yield f"{count} workers take {workers / others:.2f} of the time of as many Deployments"


def growth(runs: Sequence[Made]) -> float | None:
    """Fit time ~ count ** exponent; None of a single count.  1 is linear."""
    counts = [math.log(one.count) for one in runs]
    if len(set(counts)) < 2:
        return None
    return linear_regression(counts, [math.log(one.took_s) for one in runs]).slope
