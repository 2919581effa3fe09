"""The CRDs as objects of the release."""

from collections.abc import Mapping, Sequence

import yaml

from .conftest import CHART, Document, Render

NAMES = {"cpuinferenceworkers.numalocal.io", "nodecputopologies.numalocal.io"}
KEEP = {"helm.sh/resource-policy": "keep"}


def definitions(documents: Sequence[Document]) -> Mapping[str, Document]:
    return {
        one["metadata"]["name"]: one
        for one in documents
        if one["kind"] == "CustomResourceDefinition"
    }


def test_an_upgrade_upgrades_them_for_they_are_objects_of_the_release(render: Render) -> None:
    made = definitions(render())

    assert made.keys() == NAMES
    assert not list(CHART.glob("crds/*"))
    for path in (CHART / "definitions").iterdir():
        source = yaml.safe_load(path.read_text())
        assert made[source["metadata"]["name"]]["spec"] == source["spec"]


def test_they_and_all_workers_outlive_the_release_unless_the_values_say_otherwise(
    render: Render,
) -> None:
    kept = definitions(render()).values()
    gone = definitions(render("--set=crds.keep=false")).values()

    assert [one["metadata"]["annotations"] for one in kept] == [KEEP, KEEP]
    assert [one["metadata"].get("annotations") for one in gone] == [None, None]


def test_they_carry_the_labels_of_the_release(render: Render) -> None:
    for one in definitions(render()).values():
        assert one["metadata"]["labels"]["app.kubernetes.io/instance"] == "numalocal"
        assert one["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"


def test_who_manages_them_otherwise_leaves_them_out(render: Render) -> None:
    assert not definitions(render("--set=crds.enabled=false"))
