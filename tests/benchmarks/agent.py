"""Measure the node agent as a process, over its sockets; exits 1 where a limit is missed.

Percentiles of a busy machine are the machine's: the agent's own CPU time for each call, beside
them, is not.
"""

import argparse
import gc
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from statistics import mean, median, quantiles

from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

from .fake_node import SETS_16X32, SETS_64, SETS_512, FakeNode, Shape, container, fake_node, pod

CONTAINERS, WORKERS = 110, 40
"""As many pods as a kubelet allows, and how many of them hold a CPU set."""
SYNCHRONIZED = 500
STARTS, WARMUP, CALLS, LISTS = 5, 50, 1000, 10
INTERVALS_S = {"/metrics": 15.0, "/livez": 20.0, "/readyz": 10.0}
SETTLED_S = 12.0
"""By then what pods gave up has been lent."""
ASKS: Sequence[Mapping[str, str]] = (
    {"memory_policy": "Preferred"},
    {"memory_policy": "Interleave", "memory_nodes": "Any"},
    {"memory_policy": "Interleave", "memory_nodes": "Near"},
    {"memory_nodes": "Package"},
    {"memory": "12Gi", "on_overflow": "Interleave"},
)
"""What pods may ask of their memory, but for how much is bound by default."""
MIB = 1 << 20


@dataclass(frozen=True)
class Figure:
    name: str
    unit: str
    value: float
    limit: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.limit is None:
            return ""
        return "ok" if self.value <= self.limit else "MISSED"


class Clock:
    """Times what is done within it, and what that costs the agent."""

    def __init__(self, node: FakeNode) -> None:
        self._node = node
        self.took_ms: list[float] = []
        self.cpu_ms: list[float] = []

    def __enter__(self) -> None:
        self._cpu_s, self._started_s = self._node.cpu_s(), time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.took_ms.append((time.perf_counter() - self._started_s) * 1000)
        self.cpu_ms.append((self._node.cpu_s() - self._cpu_s) * 1000)


Once = Callable[[int, Clock], None]
"""Make the call of this number, within the clock."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--idle-s", type=float, default=60.0, help="seconds of looking at rest")
    parser.add_argument("--calls", type=int, default=CALLS, help="calls of each kind")
    options = parser.parse_args()
    gc.disable()  # the others' pauses are none of the agent's
    missed = 0
    for figure in figures(options.calls, options.idle_s):
        missed += figure.verdict == "MISSED"
        limit = "" if figure.limit is None else f"<= {figure.limit:g} {figure.unit}"
        value = f"{figure.value:.2f} {figure.unit}"
        print(f"{figure.name:<42}{limit:>12}{value:>14}  {figure.verdict:<7}{figure.note}".rstrip())
        sys.stdout.flush()
    return 1 if missed else 0


def figures(calls: int, idle_s: float) -> Iterator[Figure]:
    yield from start(SETS_64)
    yield from start(SETS_512)
    with fake_node(SETS_64) as (node, _):
        fill(node)
        yield from memory(node)
        yield from idle(node, idle_s)
    with fake_node(SETS_512) as (node, _):
        free = fill(node)
        yield from allocate(node, free, calls)
        yield from creations(node, free, calls)
        yield from synchronize(node)
    with fake_node(SETS_16X32) as (node, _):
        yield from wide_creations(node, fill(node, CONTAINERS), calls)


def start(shape: Shape) -> Iterator[Figure]:
    """Start over and over; the first only fills the page cache."""
    took_s = []
    for _ in range(STARTS + 1):
        with fake_node(shape) as (_, seconds):
            took_s.append(seconds)
    name = f"start to advertised, {shape.sets} sets"
    yield Figure(name, "s", median(took_s[1:]), 1.5, f"most {max(took_s[1:]):.2f}")


def fill(node: FakeNode, wide: int = 0) -> list[str]:
    """Run as many containers as there may be; give the ids of the sets that are left.

    With `wide` so many of them are workers, which ask for memory; else a few that do not.
    """
    ids = list(node.kubelet.devices or ())
    workers = wide or WORKERS
    for number in range(CONTAINERS):
        mine = ids[number : number + 1] if number < workers else []
        create_one(node, f"resident-{number}", mine, ASKS[number % len(ASKS)] if wide else {})
    return ids[workers:]


def create_one(node: FakeNode, name: str, ids: Sequence[str], asks: Mapping[str, str]) -> None:
    given = None
    owner = pod(name)
    if ids:
        node.admit(name, ids)
        given = node.allocate(ids)
        owner = worker(name, **asks)
    one = container(owner, "engine", given)
    node.create(owner, one)
    node.settle()


def worker(name: str, **asks: str) -> nri.PodSandbox:
    return pod(name, engine="vllm", bound_containers="numalocal-check", container="engine", **asks)


def memory(node: FakeNode) -> Iterator[Figure]:
    resident, proportional = node.memory_bytes()
    name = f"memory, {SETS_64.sets} sets, {CONTAINERS} containers"
    yield Figure(name, "MiB", resident / MIB, 60, f"PSS {proportional / MIB:.1f}")


def idle(node: FakeNode, seconds: float) -> Iterator[Figure]:
    """Let the agent rest, but for what asks it: Prometheus, and the chart's probes."""
    node.rest(SETTLED_S)
    before_s, asked, started_s = node.cpu_s(), 0, time.monotonic()
    due_s = dict.fromkeys(INTERVALS_S, started_s)
    while (now_s := time.monotonic()) < started_s + seconds:
        for path in [path for path, at_s in due_s.items() if at_s <= now_s]:
            asked += ask(node, path)
            due_s[path] += INTERVALS_S[path]
        node.rest(min(*due_s.values(), started_s + seconds) - time.monotonic())
    share = (node.cpu_s() - before_s) / (time.monotonic() - started_s) * 100
    yield Figure("CPU at rest, of one core", "%", share, 0.2, f"{asked} bytes told")


def ask(node: FakeNode, path: str) -> int:
    with urllib.request.urlopen(f"{node.url}{path}", timeout=5) as answer:
        return len(answer.read())


def allocate(node: FakeNode, free: Sequence[str], calls: int) -> Iterator[Figure]:
    """Ask for one pair of sets after the other."""
    pairs = [free[at : at + 2] for at in range(0, len(free) - 1, 2)]

    def once(number: int, clock: Clock) -> None:
        with clock:
            node.allocate(pairs[number % len(pairs)])

    yield from timed("Allocate", 2, node, once, calls)


def creations(node: FakeNode, free: Sequence[str], calls: int) -> Iterator[Figure]:
    """Create and end pods one after the other: others', then workers' of two sets and a check."""
    pairs = [free[at : at + 2] for at in range(0, len(free) - 1, 2)]

    def others(number: int, clock: Clock) -> None:
        owner = pod(f"other-{number}")
        one = container(owner, "app")
        with clock:
            node.create(owner, one)
        node.end(owner, [one])

    def workers(number: int, clock: Clock, *, timed: str) -> None:
        ids, owner = pairs[number % len(pairs)], worker(f"worker-{number}")
        node.admit(owner.name, ids)
        given = node.allocate(ids)
        check, engine = container(owner, "numalocal-check"), container(owner, "engine", given)
        for one in (check, engine):
            with clock if one.name == timed else nullcontext():
                node.create(owner, one)
        node.end(owner, [check, engine])

    kinds: dict[str, Once] = {
        "of nobody's": others,
        "of a check": partial(workers, timed="numalocal-check"),
        "of an engine": partial(workers, timed="engine"),
    }
    for kind, once in kinds.items():
        yield from timed(f"CreateContainer {kind}", 3, node, once, calls)


def wide_creations(node: FakeNode, free: Sequence[str], calls: int) -> Iterator[Figure]:
    """Create and end workers of two sets that ask for memory in every way, on distant nodes."""
    pairs = list(zip(free[: len(free) // 2], free[len(free) // 2 :], strict=False))

    def workers(number: int, clock: Clock) -> None:
        ids, owner = pairs[number % len(pairs)], worker(f"w-{number}", **ASKS[number % len(ASKS)])
        node.admit(owner.name, ids)
        one = container(owner, "engine", node.allocate(ids))
        with clock:
            node.create(owner, one)
        node.end(owner, [one])

    yield from timed("CreateContainer of wide memory", 3, node, workers, calls)


def synchronize(node: FakeNode) -> Iterator[Figure]:
    """Tell of many containers of which none is where it should be, as after a first install."""
    ids = list(node.kubelet.devices or ())
    request = nri.SynchronizeRequest()
    for number in range(SYNCHRONIZED):
        owner, given = pod(f"old-{number}"), None
        if number < WORKERS:
            owner, given = worker(f"old-{number}"), node.allocate([ids[number]])
            node.admit(owner.name, [ids[number]])
        request.pods.append(owner)
        request.containers.append(container(owner, "engine", given))
    took_ms = [node.synchronize_again(request) * 1000 for _ in range(LISTS)]
    name, note = f"Synchronize, {SYNCHRONIZED} containers", f"most {max(took_ms):.1f}"
    yield Figure(name, "ms", median(took_ms), 100, f"{note}, {request.ByteSize() >> 10} KiB")


def timed(name: str, limit_ms: float, node: FakeNode, once: Once, calls: int) -> Iterator[Figure]:
    for number in range(WARMUP):
        once(number, Clock(node))
    clock = Clock(node)
    for number in range(calls):
        once(number, clock)
    note = f"p50 {median(clock.took_ms):.2f}, its CPU {mean(clock.cpu_ms):.2f}"
    yield Figure(f"{name}, p99", "ms", quantiles(clock.took_ms, n=100)[-1], limit_ms, note)


if __name__ == "__main__":
    sys.exit(main())
