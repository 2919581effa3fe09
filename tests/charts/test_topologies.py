"""The schema of NodeCpuTopology, and who may write it; e2e/test_topologies.py tries both."""

from collections.abc import Mapping
from typing import Any

import yaml

from .conftest import CHART, Document, Helm
from .test_crd import described

Objects = Mapping[tuple[str, str], Document]
NAME = "numalocal-topologies"
CRD: Mapping[str, Any] = yaml.safe_load(
    (CHART / "definitions" / "nodecputopologies.yaml").read_text()
)
(VERSION,) = CRD["spec"]["versions"]
STATUS: Mapping[str, Any] = VERSION["schema"]["openAPIV3Schema"]["properties"]["status"]


def test_an_object_is_the_clusters_and_has_a_status_of_its_own() -> None:
    assert CRD["metadata"]["name"] == "nodecputopologies.numalocal.io"
    assert CRD["spec"]["scope"] == "Cluster"
    assert CRD["spec"]["names"]["shortNames"] == ["nct"]
    assert VERSION["subresources"] == {"status": {}}


def test_every_text_and_every_list_has_a_bound() -> None:
    unbounded = [
        path
        for path, schema in described(STATUS, "status")
        if (schema["type"] == "string" and not {"maxLength", "enum", "format"} & schema.keys())
        or (schema["type"] == "array" and "maxItems" not in schema)
    ]

    assert unbounded == []


def test_every_field_has_a_sentence() -> None:
    fields = list(described(STATUS, "status"))

    assert len(fields) > 50
    assert [path for path, one in fields if not one.get("description", "").endswith(".")] == []


def test_columns_read_fields_that_exist() -> None:
    fields = {path for path, _ in described(STATUS, ".status")}
    columns = {one["name"]: one["jsonPath"] for one in VERSION["additionalPrinterColumns"]}

    assert columns.pop("Age") == ".metadata.creationTimestamp"
    assert columns.pop("Ready") == '.status.conditions[?(@.type=="Ready")].status'
    assert columns.pop("Refusals") == ".status.refusals[0].reason"
    assert {path for path in columns.values() if path not in fields} == set()


def test_no_agent_writes_the_object_of_another_node(objects: Objects) -> None:
    policy = objects["ValidatingAdmissionPolicy", NAME]["spec"]
    binding = objects["ValidatingAdmissionPolicyBinding", NAME]["spec"]
    (rule,) = policy["matchConstraints"]["resourceRules"]
    account = objects["ServiceAccount", "numalocal-agent"]["metadata"]

    assert policy["failurePolicy"] == "Fail"
    assert rule["operations"] == ["CREATE", "UPDATE", "DELETE"]
    assert rule["resources"] == ["nodecputopologies", "nodecputopologies/status"]
    assert policy["matchConditions"][0]["expression"].endswith(
        f"== 'system:serviceaccount:{account['namespace']}:{account['name']}'"
    )
    assert binding == {"policyName": NAME, "validationActions": ["Deny"]}


def test_the_policy_speaks_of_the_agent_of_its_own_release(helm: Helm) -> None:
    shown = helm("template", "west", CHART, "--namespace=other").stdout
    (policy,) = (
        one
        for one in yaml.safe_load_all(shown)
        if one["kind"] == "ValidatingAdmissionPolicy" and "topologies" in one["metadata"]["name"]
    )

    assert policy["metadata"]["name"] == "west-numalocal-topologies"
    (condition,) = policy["spec"]["matchConditions"]
    assert condition["expression"].endswith("'system:serviceaccount:other:west-numalocal-agent'")
