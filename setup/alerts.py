"""Rules for Prometheus, made of the table of metrics: what somebody should look at."""

from collections.abc import Iterable
from typing import Any

from joins import AGENT, LATELY, NODE

from numalocal_deviceplugin.counters import Count, Duration
from numalocal_deviceplugin.node import table
from numalocal_deviceplugin.refusals import NOTHING_IS_GIVEN, Reason

CONTAINER = "{{ $labels.namespace }}/{{ $labels.pod }}, container {{ $labels.container }}"
NOT_ITS_OWN = (Reason.CPUS_HELD, Reason.DRIFT, Reason.NOT_BOUND)
"""A live container runs on other CPUs than its own, or on those of a worker."""
LOST = (Reason.SET_CONTESTED, Reason.SET_OFFLINE)


def made() -> dict[str, Any]:
    """Give the groups of a PrometheusRule."""
    return {"groups": [{"name": "numalocal", "rules": [*_of_nodes(), *_of_containers()]}]}


def _of_nodes() -> list[dict[str, Any]]:
    counts = table.COUNTS
    creations = table.DURATIONS[Duration.CREATE_CONTAINER].name
    return [
        _rule(
            "NumalocalNoAgent",
            f"absent({table.BUILD_INFO.name})",
            "10m",
            "critical",
            "No agent of numalocal is seen: workers get no CPU sets, or nobody is asked for them.",
        ),
        _rule(
            "NumalocalAgentDown",
            f"(up == 0) * on ({AGENT}) group_left (node) {LATELY}",
            "5m",
            "critical",
            "The agent of node {{ $labels.node }} does not answer: workers start unbound there, or "
            "are refused, and its NodeCpuTopology tells old news.",
        ),
        _rule(
            "NumalocalNodeNotServing",
            _refused(NOTHING_IS_GIVEN),
            "10m",
            "warning",
            "Node {{ $labels.node }} gives out no CPU sets: {{ $labels.reason }}.",
        ),
        _rule(
            "NumalocalPoolsInvalid",
            _refused([Reason.POOLS_INVALID]),
            "5m",
            "warning",
            "Node {{ $labels.node }} does not take its pools: those before hold, if any.",
        ),
        _rule(
            "NumalocalNotPublished",
            _refused([Reason.NOT_PUBLISHED]),
            "15m",
            "warning",
            "The NodeCpuTopology of node {{ $labels.node }} is not written: it tells old news.",
        ),
        _rule(
            "NumalocalMachineUnreadable",
            _refused([Reason.MACHINE_UNREADABLE]),
            "15m",
            "warning",
            "The agent of node {{ $labels.node }} cannot read the kernel's files: CPUs and memory "
            "that come or go are not seen, and a node that never was read gives out nothing.",
        ),
        _rule(
            "NumalocalSetsUnavailable",
            _refused(LOST),
            "30m",
            "info",
            "{{ $value }} CPU sets of node {{ $labels.node }} cannot be given out: "
            "{{ $labels.reason }}.",
        ),
        _rule(
            "NumalocalKubeletSilent",
            f"(time() - ({table.LISTED.name} > 0) > 120) {NODE}",
            "5m",
            "warning",
            "The kubelet of node {{ $labels.node }} has told nothing for "
            "{{ $value | humanizeDuration }}: who has which CPU sets is old news.",
        ),
        _rule(
            "NumalocalContainersRefused",
            f"(increase({counts[Count.CONTAINER_REFUSALS].name}[15m]) > 3) {NODE}",
            "15m",
            "warning",
            "Node {{ $labels.node }} goes on refusing containers: {{ $labels.reason }}; the events "
            "of their pods say why.",
        ),
        _rule(
            "NumalocalCorrectionsFail",
            f"(increase({counts[Count.CORRECTION_FAILURES].name}[15m]) > 3) {NODE}",
            "15m",
            "warning",
            "The container runtime of node {{ $labels.node }} does not move containers to their "
            "CPUs.",
        ),
        _rule(
            "NumalocalNotBound",
            _refused(NOT_ITS_OWN),
            "5m",
            "critical",
            "{{ $value }} containers of node {{ $labels.node }} have other CPUs than they should: "
            "{{ $labels.reason }}; its NodeCpuTopology says which, and what to do.",
        ),
        _rule(
            "NumalocalStartedUnbound",
            _refused([Reason.STARTED_UNBOUND]),
            "5m",
            "critical",
            "{{ $value }} containers of node {{ $labels.node }} were created while the agent was "
            "away and lack their engine's variables; delete their pods.",
        ),
        _rule(
            "NumalocalSlowCreation",
            f"(histogram_quantile(0.99, rate({creations}_bucket[15m])) > 1) {NODE}",
            "15m",
            "warning",
            "The agent of node {{ $labels.node }} takes {{ $value | humanizeDuration }} for a "
            "container; after 2 s the runtime goes on without it.",
        ),
    ]


def _of_containers() -> list[dict[str, Any]]:
    memory = f"sum without (numa_node) ({table.MEMORY.name})"
    throttled, periods = table.THROTTLED_PERIODS.name, table.PERIODS.name
    stalled = f'{table.STALLED.name}{{resource="cpu",kind="some"}}'
    return [
        _rule(
            "NumalocalDrift",
            f"{table.DRIFTED.name} == 1",
            "2m",
            "critical",
            f"{CONTAINER} may use other CPUs or memory nodes than its CPU sets'.",
        ),
        _rule(
            "NumalocalRemoteMemory",
            f"({table.LOCAL.name} < 0.9) and ({memory} > 1e9)",
            "15m",
            "warning",
            f"{CONTAINER} has only {{{{ $value | humanizePercentage }}}} of its memory beside its "
            "CPUs.",
        ),
        _rule(
            "NumalocalThrottled",
            f"rate({throttled}[5m]) / rate({periods}[5m]) > 0.05",
            "15m",
            "warning",
            f"{CONTAINER} is stopped by its CPU limit in {{{{ $value | humanizePercentage }}}} of "
            "the periods; a worker needs none.",
        ),
        _rule(
            "NumalocalCpuPressure",
            f"rate({stalled}[5m]) > 0.25",
            "15m",
            "info",
            f"{CONTAINER} has more threads that want to run than CPUs: some wait for "
            "{{ $value | humanizePercentage }} of the time.",
        ),
    ]


def _refused(reasons: Iterable[Reason]) -> str:
    chosen = "|".join(sorted(reasons))
    return f'({table.REFUSALS.name}{{reason=~"{chosen}"}} > 0) {NODE}'


def _rule(name: str, expression: str, wait: str, severity: str, summary: str) -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expression,
        "for": wait,
        "labels": {"severity": severity},
        "annotations": {"summary": summary},
    }
