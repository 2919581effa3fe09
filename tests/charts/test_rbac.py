import itertools
from collections.abc import Mapping

import pytest

from .conftest import Document, Render, by_name

Objects = Mapping[tuple[str, str], Document]
Rights = set[tuple[str, str]]
NAME = "numalocal-operator"

# Every right is one call of the program; a new call needs a line here.
AGENT = {
    ("nodecputopologies.numalocal.io", "create"),
    ("nodecputopologies/status.numalocal.io", "patch"),
}
COMPANIONS = ("services", "poddisruptionbudgets.policy")
OPERATOR = {
    ("cpuinferenceworkers.numalocal.io", "get"),
    ("cpuinferenceworkers.numalocal.io", "list"),
    ("cpuinferenceworkers.numalocal.io", "watch"),
    ("cpuinferenceworkers/status.numalocal.io", "patch"),
    ("cpuinferenceworkers/finalizers.numalocal.io", "update"),  # blockOwnerDeletion of its pods
    ("pods", "get"),
    ("pods", "list"),
    ("pods", "watch"),
    ("pods", "create"),
    ("pods", "patch"),  # owners: adoption and release; the label by which they are watched
    ("pods", "delete"),
    ("pods/status", "patch"),
    ("controllerrevisions.apps", "get"),
    ("controllerrevisions.apps", "create"),
    ("controllerrevisions.apps", "delete"),
    ("nodecputopologies.numalocal.io", "get"),
    ("nodecputopologies.numalocal.io", "list"),
    ("nodecputopologies.numalocal.io", "watch"),
    *((kind, verb) for kind in COMPANIONS for verb in ("get", "list", "watch")),
    *((kind, verb) for kind in COMPANIONS for verb in ("create", "patch", "delete")),
    ("nodes", "list"),
    ("nodes", "watch"),
    ("events", "create"),
    ("customresourcedefinitions.apiextensions.k8s.io", "list"),
    ("customresourcedefinitions.apiextensions.k8s.io", "watch"),
}

WEBHOOK = {
    ("mutatingwebhookconfigurations.admissionregistration.k8s.io", "get"),
    ("mutatingwebhookconfigurations.admissionregistration.k8s.io", "patch"),
}


def rights(role: Document) -> Rights:
    return {
        (f"{resource}.{group}" if group else resource, verb)
        for rule in role["rules"]
        for group, resource, verb in itertools.product(
            rule["apiGroups"], rule["resources"], rule["verbs"]
        )
    }


@pytest.mark.parametrize(
    ("part", "expected"), [("agent", AGENT), ("operator", OPERATOR), ("webhook", WEBHOOK)]
)
def test_a_part_may_do_what_it_does_and_no_more(
    objects: Objects, part: str, expected: Rights
) -> None:
    assert rights(objects["ClusterRole", f"numalocal-{part}"]) == expected


def test_no_right_is_a_wildcard_or_reaches_secrets(objects: Objects) -> None:
    roles = [one for (kind, _), one in objects.items() if kind == "ClusterRole"]
    words = {word for role in roles for right in rights(role) for word in right}

    assert roles
    assert not [word for word in words if "*" in word or "secret" in word]


def test_the_one_secret_is_its_own_and_its_configuration_too(objects: Objects) -> None:
    (secrets,) = objects["Role", "numalocal-webhook"]["rules"]
    named = [
        rule
        for rule in objects["ClusterRole", "numalocal-webhook"]["rules"]
        if "mutatingwebhookconfigurations" in rule["resources"]
    ]

    assert (secrets["resources"], secrets["verbs"]) == (["secrets"], ["get", "update"])
    assert secrets["resourceNames"] == named[0]["resourceNames"] == ["numalocal-webhook"]


def test_the_one_lease_is_its_own(objects: Objects) -> None:
    lease, role = objects["Lease", NAME], objects["Role", "numalocal-leader"]
    binding = objects["RoleBinding", "numalocal-leader"]
    own, anew = role["rules"]

    assert "spec" not in lease, "who holds it stands there, and an upgrade must not say otherwise"
    assert (own["resources"], own["verbs"]) == (["leases"], ["get", "update"])
    assert own["resourceNames"] == [NAME]
    assert (anew["resources"], anew["verbs"]) == (["leases"], ["create"])
    for one in (lease, role, binding):
        assert one["metadata"]["namespace"] == "numalocal-system"
    assert binding["roleRef"]["name"] == "numalocal-leader"
    assert binding["subjects"][0]["name"] == NAME


def test_an_operator_of_one_namespace_may_do_nothing_to_the_pods_of_another(
    render: Render,
) -> None:
    made = by_name(render("--set=operator.namespace=serving"))
    everywhere = rights(made["ClusterRole", NAME])
    there = made["Role", NAME]
    binding = made["RoleBinding", NAME]

    assert there["metadata"]["namespace"] == binding["metadata"]["namespace"] == "serving"
    assert binding["roleRef"]["name"] == binding["subjects"][0]["name"] == NAME
    assert everywhere | rights(there) == OPERATOR | {
        ("namespaces", "list"),
        ("namespaces", "watch"),
    }
    assert {right.partition(".")[0] for right, _ in everywhere} == {
        "nodecputopologies",
        "nodes",
        "customresourcedefinitions",
        "namespaces",
    }


def test_without_the_webhook_no_pods_status_is_written(render: Render) -> None:
    made = by_name(render("--set=webhook.enabled=false"))

    assert rights(made["ClusterRole", NAME]) == OPERATOR - {("pods/status", "patch")}


@pytest.mark.parametrize(("part", "workload"), [("agent", "DaemonSet"), ("operator", "Deployment")])
def test_a_part_runs_with_its_own_account_and_role(
    objects: Objects, part: str, workload: str
) -> None:
    name = f"numalocal-{part}"
    binding = objects["ClusterRoleBinding", name]
    account = objects["ServiceAccount", name]
    pod = objects[workload, name]["spec"]["template"]["spec"]

    assert pod["serviceAccountName"] == name
    assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == ("ClusterRole", name)
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": name, "namespace": account["metadata"]["namespace"]}
    ]


READ = {"get", "list", "watch"}
WRITE = {"create", "update", "patch", "delete", "deletecollection"}


def aggregated(role: Document) -> set[str]:
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    return {
        one.removeprefix(prefix) for one in role["metadata"]["labels"] if one.startswith(prefix)
    }


def test_who_may_view_a_namespace_may_view_its_workers_and_the_nodes_sets(objects: Objects) -> None:
    role = objects["ClusterRole", "numalocal-view"]

    assert aggregated(role) == {"view", "edit", "admin"}
    assert {verb for _, verb in rights(role)} == READ
    for kind in ("cpuinferenceworkers", "nodecputopologies"):
        assert {verb for what, verb in rights(role) if what == f"{kind}.numalocal.io"} == READ


def test_who_may_edit_a_namespace_may_write_its_workers_but_not_their_status(
    objects: Objects,
) -> None:
    role = objects["ClusterRole", "numalocal-edit"]

    assert aggregated(role) == {"edit", "admin"}
    assert rights(role) == {("cpuinferenceworkers.numalocal.io", verb) for verb in WRITE} | {
        ("cpuinferenceworkers/scale.numalocal.io", verb) for verb in ("update", "patch")
    }


def test_a_drain_waits_for_no_operator_and_leaves_one_of_two(objects: Objects) -> None:
    budget = objects["PodDisruptionBudget", NAME]["spec"]
    pod = objects["Deployment", NAME]["spec"]["template"]

    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    assert budget["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


def test_a_single_operator_has_no_budget(render: Render) -> None:
    made = by_name(render("--set=operator.replicas=1"))

    assert made["Deployment", NAME]["spec"]["replicas"] == 1
    assert not [name for kind, name in made if kind == "PodDisruptionBudget"]
