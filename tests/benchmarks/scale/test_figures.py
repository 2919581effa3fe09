import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import pytest

from .audit import DISCOVERY, at_rest, but_leases, counted
from .cost import MIB
from .figures import Full, Made, Rest, growth, missed, missed_full, table

QUIET = Rest(
    seconds=60,
    requests={"update leases": 30, "list pods": 1},
    cpu_share=0.01,
    resident_bytes=90 * MIB,
)


def run(kind: str = "workers", count: int = 300, took_s: float = 10.0) -> Made:
    return Made(
        kind=kind,
        count=count,
        created_s=1.0,
        took_s=took_s,
        cpu_s=3.0,
        peak_bytes=100 * MIB,
        requests={"create pods": 2 * count, "patch cpuinferenceworkers/status": count},
        rest=QUIET,
    )


def event(verb: str, resource: str = "", below: str = "") -> bytes:
    found: dict[str, object] = {"verb": verb, "requestURI": "/apis/apps/v1?timeout=32s"}
    if resource:
        found["objectRef"] = {"resource": resource, **({"subresource": below} if below else {})}
    return json.dumps(found).encode()


def test_requests_are_counted_by_what_they_ask_and_watches_are_none() -> None:
    lines = [
        event("create", "pods"),
        event("create", "pods", "binding"),
        event("create", "pods"),
        event("watch", "pods"),
        event("get"),
    ]

    found = counted(lines)

    assert found == {"create pods": 2, "create pods/binding": 1, DISCOVERY: 1}


def test_who_leads_is_no_request_of_a_worker_and_the_sweep_none_of_rest() -> None:
    requests = {"update leases": 30, "list pods": 1, "create pods": 2}

    assert but_leases(requests) == 3
    assert at_rest(requests) == {"create pods": 2}


@pytest.mark.parametrize(
    ("seconds", "exponent"), [((3, 10, 50), 1.0), ((3, 33.333, 833.33), 2.0), ((5, 5, 5), 0.0)]
)
def test_how_time_grows_is_fitted(seconds: tuple[float, ...], exponent: float) -> None:
    counts = (300, 1000, 5000)
    runs = [run(count=one, took_s=took_s) for one, took_s in zip(counts, seconds, strict=True)]

    found = growth(runs)

    assert found == pytest.approx(exponent, abs=0.02)
    assert growth(runs[:1]) is None


def test_the_table_has_a_line_for_each_run_and_compares_those_of_one_size() -> None:
    lines = list(table([run(took_s=12), run("Deployments", took_s=10)]))

    assert lines[1].split()[:3] == ["workers", "300", "1.0"]
    assert lines[2].split()[0] == "Deployments"
    assert "requests for each of 300 workers: 2.00 create pods, 1.00" in "\n".join(lines)
    assert lines[-1] == "300 workers take 1.20 of the time of as many Deployments"
    assert list(table([])) == []


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({}, []),
        ({"requests": {"create pods": 1501}}, ["5.00 requests for each of 300 workers"]),
        ({"peak_bytes": 151 * MIB}, ["151 MiB with 300 workers"]),
        (
            {"rest": Rest(seconds=60, requests={"get pods": 1}, cpu_share=0, resident_bytes=0)},
            ["requests at rest with 300 workers: {'get pods': 1}"],
        ),
    ],
)
def test_a_missed_limit_is_said(what: Mapping[str, Any], said: list[str]) -> None:
    assert list(missed(replace(run(), **what))) == said


def test_the_memory_of_a_full_cluster_has_a_limit_before_and_after_a_restart() -> None:
    found = Full(
        nodes=5000,
        workers=5000,
        foreign=10000,
        ready_s=1,
        cpu_s=1,
        peak_bytes=251 * MIB,
        rest=QUIET,
        anew_peak_bytes=250 * MIB,
        anew_cpu_s=1,
        anew_requests={},
        anew_rest=QUIET,
    )

    assert list(missed_full(found)) == ["251 MiB with 5000 nodes"]


def test_figures_are_kept_as_json() -> None:
    rest = replace(QUIET, requests=counted([event("update", "leases")] * 2))

    kept = json.loads(json.dumps(asdict(replace(run(), rest=rest))))

    assert kept["rest"]["requests"] == {"update leases": 2}
