from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.errors import SpecInvalid
from numalocal.worker.companions import Budget, Companions, Service
from numalocal.worker.ports import Port
from numalocal.worker.spec import parse_worker

from .test_spec import document, problems_of

HTTP = {"name": "http", "containerPort": 8000}


def with_ports(*ports: Mapping[str, Any], **service: Any) -> dict[str, Any]:
    return document({"name": "engine", "image": "x", "ports": [*ports]}, service=service)


def service(raw: Mapping[str, Any]) -> Service:
    found = parse_worker(raw).companions.service
    assert found is not None
    return found


def tcp(port: int, name: str = "", target: int | str | None = None) -> Port:
    target = port if target is None else target
    return Port(name=name or f"port-{port}", port=port, target=target, protocol="TCP")


def test_nothing_is_had_that_nobody_asks_for() -> None:
    assert parse_worker(document()).companions == Companions()
    assert parse_worker(document(service=None, disruptionBudget=None)).companions == Companions()


def test_ports_are_those_of_the_template_unless_they_are_said() -> None:
    asked = [{"port": 80, "targetPort": "http"}, {"name": "metrics", "port": 9}]

    assert service(with_ports(HTTP)).ports == (tcp(8000, "http"),)
    assert service(with_ports(HTTP, ports=[])).ports == (tcp(8000, "http"),)
    assert service(with_ports(HTTP, ports=asked)).ports == (
        tcp(80, target="http"),
        tcp(9, "metrics"),
    )


def test_ports_of_all_containers_are_taken_once_each_by_names_of_their_own() -> None:
    raw = with_ports(HTTP, {"containerPort": 9}, {"containerPort": 9, "protocol": "UDP"})
    other = [HTTP, {"name": "http", "containerPort": 9000}, {"name": "port-9", "containerPort": 1}]
    raw["spec"]["template"]["spec"]["containers"].append(
        {"name": "b", "image": "x", "ports": other}
    )

    udp = Port(name="udp-9", port=9, target=9, protocol="UDP")
    assert service(raw).ports == (tcp(8000, "http"), tcp(9), udp, tcp(9000), tcp(1))


def test_a_service_has_one_address_or_those_of_its_pods() -> None:
    headless = service(document(service={"type": "Headless", "publishNotReadyAddresses": True}))

    assert headless == Service(headless=True, ports=(), unready=True)
    assert not service(with_ports(HTTP)).headless
    assert not service(with_ports(HTTP)).unready


def test_a_service_without_ports_is_refused_with_a_sentence() -> None:
    (told,) = problems_of(document(service={})).values()

    assert told == (
        "spec.service.ports: null must list at least one port: no container of the template has any"
    )


@pytest.mark.parametrize("name", ["1llama", "meta.llama"])
def test_a_name_that_no_service_can_have_is_refused_where_one_is_asked_for(name: str) -> None:
    raw = with_ports(HTTP)
    raw["metadata"]["name"] = name
    (told,) = problems_of(raw).values()

    assert f"cannot be had by a worker named {name}: a Service has its worker's name" in told
    del raw["spec"]["service"]
    assert parse_worker(raw).name == name


@pytest.mark.parametrize(
    ("port", "path"),
    [
        ({}, "port"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"port": True}, "port"),
        ({"port": 1, "targetPort": "no_name"}, "targetPort"),
        ({"port": 1, "targetPort": "123"}, "targetPort"),
        ({"port": 1, "targetPort": "a--b"}, "targetPort"),
        ({"port": 1, "targetPort": []}, "targetPort"),
        ({"port": 1, "name": "Http"}, "name"),
        ({"port": 1, "name": 5}, "name"),
        ({"port": 1, "protocol": "HTTP"}, "protocol"),
        ({"port": 1, "nodePort": 30000}, "nodePort"),
        ({"name": "http", "port": 9}, "name"),
        ({"name": "b", "port": 8000}, "port"),
    ],
)
def test_a_port_that_cannot_be_is_told_by_its_path(port: Any, path: str) -> None:
    raw = document(service={"ports": [{"name": "http", "port": 8000}, port]})

    assert f"spec.service.ports[1].{path}" in problems_of(raw)


def test_a_port_of_the_template_that_cannot_be_is_told_by_its_path() -> None:
    found = problems_of(with_ports({"containerPort": "8000"}))

    assert "spec.template.spec.containers[0].ports[0].containerPort" in found


@pytest.mark.parametrize(
    ("asked", "budget"),
    [
        ({}, (1, None, "AlwaysAllow")),
        ({"maxUnavailable": 0}, (0, None, "AlwaysAllow")),
        ({"maxUnavailable": "25%"}, ("25%", None, "AlwaysAllow")),
        ({"minAvailable": 2}, (None, 2, "AlwaysAllow")),
        ({"unhealthyPodEvictionPolicy": "IfHealthyBudget"}, (1, None, "IfHealthyBudget")),
    ],
)
def test_a_budget_is_one_missing_unless_it_is_said(asked: Any, budget: Any) -> None:
    most, least, unhealthy = budget

    assert parse_worker(document(disruptionBudget=asked)).companions.budget == Budget(
        max_unavailable=most, min_available=least, unhealthy=unhealthy
    )


def test_a_budget_of_both_is_refused() -> None:
    both = {"maxUnavailable": 1, "minAvailable": 1}

    assert (
        "has one of the two"
        in (problems_of(document(disruptionBudget=both))["spec.disruptionBudget.maxUnavailable"])
    )


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["ports", "port", "name", "targetPort", "type", "maxUnavailable", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(service=JUNK, budget=JUNK, ports=JUNK)
def test_any_document_is_read_or_refused(service: Any, budget: Any, ports: Any) -> None:
    container = {"name": "engine", "image": "x", "ports": ports}
    with suppress(SpecInvalid):
        parse_worker(document(container, service=service, disruptionBudget=budget))
