"""The Grafana dashboard, made of the table of metrics: nodes first, then who holds CPU sets."""

from collections.abc import Iterable
from typing import Any

from joins import CONTAINER, NODE

from numalocal_deviceplugin.counters import Count, Duration
from numalocal_deviceplugin.node import table

WHO = 'namespace=~"$namespace",pod=~"$pod"'
NAME = "{{namespace}}/{{pod}} {{container}}"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT = 12, 8

Target = tuple[str, str]
"""An expression, and how its series are called."""


def made() -> dict[str, Any]:
    """Give the dashboard as Grafana imports it."""
    return {
        "title": "numalocal",
        "uid": "numalocal",
        "tags": ["numalocal", "kubernetes", "numa"],
        "schemaVersion": 39,
        "editable": True,
        "time": {"from": "now-3h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": _variables()},
        "panels": list(_placed([*_of_nodes(), *_of_containers()])),
    }


def _variables() -> list[dict[str, Any]]:
    ranks = table.RANK_CPUS.name
    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        _variable("namespace", f"label_values({ranks}, namespace)"),
        _variable("pod", f'label_values({ranks}{{namespace=~"$namespace"}}, pod)'),
    ]


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _of_nodes() -> list[dict[str, Any]]:
    counts = table.COUNTS
    return [
        _panel(
            "CPU sets",
            "short",
            (f"sum by (pool, state) ({table.CPU_SETS.name})", "{{pool}} {{state}}"),
        ),
        _panel(
            "Not served, by node and reason",
            "short",
            (f"sum by (node, reason) (({table.REFUSALS.name} > 0) {NODE})", "{{node}} {{reason}}"),
        ),
        _panel(
            "CPUs lent to others",
            "short",
            (f"sum by (node) ({table.LENT_CPUS.name} {NODE})", "{{node}}"),
        ),
        _panel(
            "Containers created and refused",
            "ops",
            (f"sum by (result) ({_rate(counts[Count.CONTAINER_CREATIONS])})", "{{result}}"),
            (f"sum by (reason) ({_rate(counts[Count.CONTAINER_REFUSALS])})", "refused: {{reason}}"),
        ),
        _panel(
            "Time of answers, 99th percentile",
            "s",
            *((_p99(duration), str(duration)) for duration in Duration),
        ),
        _panel(
            "Unbound starts and corrections",
            "short",
            *(
                (f"sum(increase({counts[one].name}[$__rate_interval]))", label)
                for one, label in (
                    (Count.UNBOUND_STARTS, "started unbound"),
                    (Count.CORRECTIONS, "corrected"),
                    (Count.CORRECTION_FAILURES, "not corrected"),
                )
            ),
        ),
        _panel(
            "Allocations",
            "ops",
            (f"sum by (pool) ({_rate(counts[Count.ALLOCATIONS])})", "{{pool}}"),
            (f"sum by (pool) ({_rate(counts[Count.ALLOCATION_REFUSALS])})", "refused: {{pool}}"),
        ),
        _panel(
            "Connections made",
            "short",
            *(
                (f"sum(increase({counts[one].name}[$__rate_interval]))", label)
                for one, label in (
                    (Count.RUNTIME_CONNECTIONS, "to the container runtime"),
                    (Count.RUNTIME_SYNCHRONIZATIONS, "full lists of the runtime"),
                    (Count.KUBELET_REGISTRATIONS, "to the kubelet"),
                    (Count.PUBLISHING_FAILURES, "failed to the API server"),
                )
            ),
        ),
    ]


def _of_containers() -> list[dict[str, Any]]:
    used = f"sum by ({CONTAINER}) ({_rate(table.CPU_SECONDS, WHO)})"
    owned = f"sum by ({CONTAINER}) ({table.RANK_CPUS.name}{{{WHO}}})"
    periods = _rate(table.PERIODS, WHO)
    return [
        _panel("Memory beside the CPUs", "percentunit", (f"{table.LOCAL.name}{{{WHO}}}", NAME)),
        _panel(
            "Memory by NUMA node",
            "bytes",
            (f"{table.MEMORY.name}{{{WHO}}}", f"{NAME} node {{{{numa_node}}}}"),
        ),
        _panel(
            "CPUs of each rank",
            "short",
            (
                f"{table.RANK_CPUS.name}{{{WHO}}}",
                f"{NAME} rank {{{{rank}}}} node {{{{numa_node}}}}",
            ),
        ),
        _panel("CPUs used, of those owned", "percentunit", (f"{used} / {owned}", NAME)),
        _panel(
            "Periods stopped by a CPU limit",
            "percentunit",
            (f"{_rate(table.THROTTLED_PERIODS, WHO)} / {periods}", NAME),
        ),
        _panel("Time stopped by a CPU limit", "s", (_rate(table.THROTTLED_SECONDS, WHO), NAME)),
        _panel(
            "Waiting for CPU, memory or io",
            "percentunit",
            (_rate(table.STALLED, WHO), f"{NAME} {{{{resource}}}} {{{{kind}}}}"),
        ),
        _panel(
            "Bound otherwise than it should be", "short", (f"{table.DRIFTED.name}{{{WHO}}}", NAME)
        ),
    ]


def _rate(metric: table.Metric, selector: str = "") -> str:
    chosen = f"{{{selector}}}" if selector else ""
    return f"rate({metric.name}{chosen}[$__rate_interval])"


def _p99(duration: Duration) -> str:
    name = table.DURATIONS[duration].name
    return f"histogram_quantile(0.99, sum by (le) (rate({name}_bucket[$__rate_interval])))"


def _panel(title: str, unit: str, *targets: Target) -> dict[str, Any]:
    return {
        "title": title,
        "type": "timeseries",
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {
            "legend": {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull"]}
        },
        "targets": [
            {
                "refId": chr(ord("A") + at),
                "datasource": SOURCE,
                "expr": expr,
                "legendFormat": legend,
            }
            for at, (expr, legend) in enumerate(targets)
        ],
    }


def _placed(panels: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for at, panel in enumerate(panels):
        row, column = divmod(at, 2)
        place = {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT}
        yield {"id": at + 1, "gridPos": place, **panel}
