"""What the objects of a release are called."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import yaml

from .conftest import CHART, Document, Helm, Render

LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
UNPREFIXED = ("CustomResourceDefinition",)


def made(helm: Helm, release: str, *arguments: str) -> Sequence[Document]:
    shown = helm("template", release, CHART, *arguments)
    assert shown.returncode == 0, shown.stderr
    found = [one for one in yaml.safe_load_all(shown.stdout) if one]
    return [one for one in found if one["kind"] not in UNPREFIXED]


@pytest.mark.parametrize(
    ("release", "values", "prefix"),
    [
        ("numalocal", "", "numalocal-"),
        ("numalocal-west", "", "numalocal-west-"),
        ("a", "", "a-numalocal-"),
        ("a", "nameOverride=numa", "a-numa-"),
        ("numa", "nameOverride=numa", "numa-"),
        ("a", "fullnameOverride=pinned", "pinned-"),
        ("a", "fullnameOverride=pinned,nameOverride=numa", "pinned-"),
    ],
)
def test_every_object_begins_with_the_name_that_was_chosen(
    helm: Helm, release: str, values: str, prefix: str
) -> None:
    found = [one["metadata"]["name"] for one in made(helm, release, f"--set={values}")]

    assert found
    assert [one for one in found if not one.startswith(prefix)] == []


@pytest.mark.parametrize(
    "release", [53 * "r", f"{42 * 'r'}-rr", "2024", "1e3", "numalocal.prod", "a.b", "0.numalocal"]
)
def test_any_release_has_a_service_that_the_api_server_takes(helm: Helm, release: str) -> None:
    services = [one for one in made(helm, release) if one["kind"] == "Service"]

    assert services
    assert all(LABEL.fullmatch(one["metadata"]["name"]) for one in services)


def test_a_name_that_was_chosen_is_the_selectors_too(render: Render) -> None:
    (agent,) = (one for one in render("--set=nameOverride=numa") if one["kind"] == "DaemonSet")

    selector = agent["spec"]["selector"]["matchLabels"]
    assert selector["app.kubernetes.io/name"] == "numa"
    assert selector.items() <= agent["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize("name", ["2024", "1e3", "true", "null", "0x1f"])
def test_a_name_that_reads_as_something_else_stays_a_text(helm: Helm, name: str) -> None:
    for one in made(helm, name, f"--namespace={name}", "--set=operator.namespace=serving"):
        assert one["metadata"]["labels"]["app.kubernetes.io/instance"] == name
        assert one["metadata"].get("namespace", name) in (name, "serving")
        assert [text for text in texts(one) if not isinstance(text, str)] == []


def texts(document: Any) -> Iterator[Any]:
    """Give what of an object must be a text: environment, namespaces, names, lists of values."""
    if isinstance(document, list):
        for one in document:
            yield from texts(one)
    elif isinstance(document, dict):
        for name, value in document.items():
            if name in ("name", "namespace", "value"):
                yield value
            elif name == "values" and isinstance(value, list):
                yield from value
            yield from texts(value)
