"""A fleet of several machine types: one DaemonSet and one list of pools for each group."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from numalocal.idset import IdSet
from numalocal.sets.poolfile import parse_pools
from numalocal.sets.pools import Pool

from .conftest import CHART, GROUPS, Document, Helm, Render, by_name

Objects = Mapping[tuple[str, str], Document]


@pytest.fixture
def groups(render: Render) -> Objects:
    return by_name(render("--values", str(GROUPS)))


def agents(objects: Objects) -> Mapping[str, Mapping[str, Any]]:
    return {
        name.removeprefix("numalocal-agent"): one["spec"]
        for (kind, name), one in objects.items()
        if kind == "DaemonSet"
    }


def test_without_groups_there_is_one_daemonset(objects: Objects) -> None:
    assert list(agents(objects)) == [""]


def test_every_group_has_a_daemonset_with_its_own_nodes_and_there_is_no_other(
    groups: Objects,
) -> None:
    specs = {name: one["template"]["spec"] for name, one in agents(groups).items()}

    assert {name: one["nodeSelector"] for name, one in specs.items()} == {
        "-epyc": {"kubernetes.io/os": "linux", "machine": "epyc-9755"},
        "-grace": {
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "arm64",
            "machine": "grace",
        },
    }
    assert {name: one.get("tolerations") for name, one in specs.items()} == {
        "-epyc": [{"key": "inference", "operator": "Exists"}],
        "-grace": None,
    }


def test_every_group_has_pools_of_its_own(groups: Objects) -> None:
    expected = {
        "-epyc": (Pool(name="cpuset", size=16, reserve=2, memory_bytes=64 << 30),),
        "-grace": (Pool(name="cpuset"), Pool(name="small", size=4, nodes=IdSet.of([0]))),
    }

    for group, spec in agents(groups).items():
        volumes = spec["template"]["spec"]["volumes"]
        config = next(one["configMap"]["name"] for one in volumes if one["name"] == "pools")
        text = groups["ConfigMap", config]["data"]["pools.yaml"]
        assert parse_pools(yaml.safe_load(text)) == expected[group]


def test_a_group_has_what_it_does_not_say_from_the_values(groups: Objects, render: Render) -> None:
    flags = {
        name: one["template"]["spec"]["containers"][0]["args"]
        for name, one in agents(groups).items()
    }
    assert "--idle=exclusive" in flags["-epyc"]
    assert "--idle=shared" in flags["-grace"]
    assert "--enforcement=Required" in flags["-epyc"]
    assert "--enforcement=BestEffort" in flags["-grace"]

    made = render(
        "--set=nodeGroups.one.nodeSelector.kind=one",
        "--set=nodeGroups.two.nodeSelector.kind=two",
        "--set-json=nodeGroups.two.tolerations=[]",
        "--set=agent.tolerations[0].operator=Exists",
        "--set=pools[0].name=big",
        "--set=pools[0].memory=68719476736",
    )
    (one, two) = agents(by_name(made)).values()
    assert one["template"]["spec"]["tolerations"] == [{"operator": "Exists"}]
    assert "tolerations" not in two["template"]["spec"]
    for group in ("one", "two"):
        text = by_name(made)["ConfigMap", f"numalocal-pools-{group}"]["data"]["pools.yaml"]
        assert parse_pools(yaml.safe_load(text)) == (Pool(name="big", memory_bytes=64 << 30),)


def test_no_daemonset_takes_the_pods_of_another(groups: Objects) -> None:
    labels = {name: one["template"]["metadata"]["labels"] for name, one in agents(groups).items()}

    for name, spec in agents(groups).items():
        selector = spec["selector"]["matchLabels"]
        taken = [one for one, own in labels.items() if selector.items() <= own.items()]
        assert taken == [name]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        pytest.param({"kind": "a"}, {"kind": "a"}, id="the same"),
        pytest.param({"kind": "a"}, {"kind": "a", "zone": "b"}, id="one within the other"),
        pytest.param({"kind": "a"}, {"zone": "b"}, id="labels that a node can have both of"),
    ],
)
def test_groups_that_one_node_could_belong_to_are_refused(
    helm: Helm, one: Mapping[str, str], two: Mapping[str, str]
) -> None:
    arguments = [
        f"--set=nodeGroups.{group}.nodeSelector.{label}={value}"
        for group, selector in (("one", one), ("two", two), ("apart", {"kind": "c", "zone": "c"}))
        for label, value in selector.items()
    ]
    made = helm("template", "numalocal", CHART, *arguments)

    assert made.returncode != 0
    assert "a node could be both of one and of two, and would have two agents" in made.stderr


def test_groups_that_one_label_tells_apart_are_taken(helm: Helm) -> None:
    made = helm(
        "template",
        "numalocal",
        CHART,
        "--set=nodeGroups.one.nodeSelector.kind=a",
        "--set=nodeGroups.one.nodeSelector.zone=x",
        "--set=nodeGroups.two.nodeSelector.kind=b",
        "--set=nodeGroups.two.nodeSelector.zone=x",
        "--set=nodeGroups.three.nodeSelector.kind=c",
    )

    assert made.returncode == 0, made.stderr


def test_a_group_of_nodes_that_the_agents_selector_leaves_out_is_refused(helm: Helm) -> None:
    made = helm(
        "template",
        "numalocal",
        CHART,
        "--set=agent.nodeSelector.machine=a",
        "--set=nodeGroups.one.nodeSelector.machine=b",
    )

    assert made.returncode != 0
    assert "nodeGroups.one.nodeSelector: no node has machine=b and, as agent.nodeSelector" in (
        made.stderr
    )


def test_a_group_that_repeats_the_agents_selector_is_taken(helm: Helm) -> None:
    made = helm(
        "template",
        "numalocal",
        CHART,
        "--set=agent.nodeSelector.machine=a",
        "--set=nodeGroups.one.nodeSelector.machine=a",
    )

    assert made.returncode == 0, made.stderr


def test_two_pools_of_one_name_in_a_group_are_refused(helm: Helm) -> None:
    made = helm(
        "template",
        "numalocal",
        CHART,
        "--set=nodeGroups.one.nodeSelector.machine=a",
        "--set=nodeGroups.one.pools[0].name=x",
        "--set=nodeGroups.one.pools[1].name=x",
    )

    assert "nodeGroups.one.pools: pool x is there twice" in made.stderr
