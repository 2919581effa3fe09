"""What was measured of a machine: as a table, a drawing and a document."""

from collections.abc import Mapping
from dataclasses import dataclass

from numalocal.pictures import plot


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """What all cores of one node read from the memory of another, in 10^9 bytes per second."""

    cpu_node: int
    memory_node: int
    gb_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Decoded tokens per second of so many threads on one node, each on its own core and not."""

    threads: int
    bound: float
    unbound: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What has been measured so far."""

    bandwidths: list[Bandwidth]
    scalings: list[Scaling]


def table(results: Results, width: int) -> str:
    """Show both measurements; the columns of many nodes are put below each other."""
    by_nodes = _by_nodes(results)
    memories = sorted({memory for _, memory in by_nodes})
    most = max(1, (width - 14) // 10)
    lines = ["GB/s read by all cores of a node, from the memory of another"]
    for first in range(0, len(memories), most):
        beside = memories[first : first + most]
        heading = "".join(f"node {node}".rjust(10) for node in beside)
        lines.append(f"  {'':12}{heading}")
        for cpu_node in sorted({cpus for cpus, _ in by_nodes}):
            cells = (by_nodes.get((cpu_node, memory)) for memory in beside)
            shown = "".join(f"{'-' if one is None else f'{one:.1f}':>10}" for one in cells)
            lines.append(f"  cores of {cpu_node:<3}{shown}")
    lines += ["", "tokens/s of the example engine by threads"]
    lines.append(f"  {'threads':>8}{'bound':>10}{'unbound':>10}{'bound/unbound':>15}")
    for one in results.scalings:
        ratio = f"{one.bound / one.unbound:.2f}" if one.unbound else "-"
        lines.append(f"  {one.threads:>8}{one.bound:>10.1f}{one.unbound:>10.1f}{ratio:>15}")
    return "\n".join(lines)


def drawing(results: Results) -> str:
    """Draw both measurements as one SVG document."""
    rates = {
        "bound": [(float(one.threads), one.bound) for one in results.scalings],
        "unbound": [(float(one.threads), one.unbound) for one in results.scalings],
    }
    words = "GB/s read by all cores of a node (rows), from the memory of another (columns)"
    parts = [
        plot.matrix("Bandwidth between NUMA nodes", words, _by_nodes(results)),
        plot.plot("Decoding by threads", "threads", "tokens/s", list(rates.items())),
    ]
    return plot.document("What this machine can do", parts)


def document(results: Results) -> Mapping[str, object]:
    """Describe both measurements."""
    return {
        "bandwidth": [
            {"cpu_node": one.cpu_node, "memory_node": one.memory_node, "gb_per_s": one.gb_per_s}
            for one in results.bandwidths
        ],
        "scaling": [
            {"threads": one.threads, "bound": one.bound, "unbound": one.unbound}
            for one in results.scalings
        ],
    }


def _by_nodes(results: Results) -> Mapping[tuple[int, int], float]:
    return {(one.cpu_node, one.memory_node): one.gb_per_s for one in results.bandwidths}
