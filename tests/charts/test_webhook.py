"""What the chart tells the API server of the webhook."""

from collections.abc import Mapping

from .conftest import Document, Render

Objects = Mapping[tuple[str, str], Document]
NAME = "numalocal-webhook"


def test_a_pod_without_the_annotation_never_meets_it(objects: Objects) -> None:
    (webhook,) = objects["MutatingWebhookConfiguration", NAME]["webhooks"]

    assert [one["expression"] for one in webhook["matchConditions"]] == [
        "has(object.metadata.annotations) && 'numalocal.io/cpusets' in object.metadata.annotations"
    ]
    assert webhook["rules"] == [
        {
            "operations": ["CREATE"],
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "resources": ["pods"],
            "scope": "Namespaced",
        }
    ]
    assert webhook["namespaceSelector"]["matchExpressions"] == [
        {
            "key": "kubernetes.io/metadata.name",
            "operator": "NotIn",
            "values": ["numalocal-system"],
        }
    ]


def test_a_pod_that_asks_waits_for_it_and_never_runs_without(objects: Objects) -> None:
    (webhook,) = objects["MutatingWebhookConfiguration", NAME]["webhooks"]

    assert webhook["failurePolicy"] == "Fail"
    assert webhook["timeoutSeconds"] == 5
    assert webhook["reinvocationPolicy"] == "IfNeeded"
    assert webhook["sideEffects"] == "None"


def test_it_reaches_the_operator_by_its_service(objects: Objects) -> None:
    (webhook,) = objects["MutatingWebhookConfiguration", NAME]["webhooks"]
    service = objects["Service", NAME]
    deployment = objects["Deployment", "numalocal-operator"]["spec"]["template"]
    (container,) = deployment["spec"]["containers"]
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}

    assert webhook["clientConfig"]["service"] == {
        "name": NAME,
        "namespace": "numalocal-system",
        "path": "/mutate",
        "port": 443,
    }
    assert service["spec"]["selector"].items() <= deployment["metadata"]["labels"].items()
    assert service["spec"]["ports"][0]["targetPort"] == "webhook"
    assert ports["webhook"] == 9443
    assert container["readinessProbe"]["httpGet"] == {
        "path": "/readyz",
        "port": "webhook",
        "scheme": "HTTPS",
    }


def test_nothing_in_the_chart_is_random_or_filled_by_it(render: Render) -> None:
    """A tool that renders again and compares must see no difference to what the operator wrote."""
    first, second = render(), render()
    (secret,) = (one for one in first if one["kind"] == "Secret")
    (configuration,) = (one for one in first if one["kind"] == "MutatingWebhookConfiguration")

    assert first == second
    assert "data" not in secret
    assert "caBundle" not in configuration["webhooks"][0]["clientConfig"]


def test_cert_manager_can_make_the_certificate(render: Render) -> None:
    found = {
        (one["kind"], one["metadata"]["name"]): one
        for one in render("--set=webhook.certificate=cert-manager")
    }

    certificate = found["Certificate", NAME]["spec"]
    configuration = found["MutatingWebhookConfiguration", NAME]
    assert ("Secret", NAME) not in found
    assert certificate["secretName"] == NAME
    assert f"{NAME}.numalocal-system.svc" in certificate["dnsNames"]
    assert configuration["metadata"]["annotations"] == {
        "cert-manager.io/inject-ca-from": f"numalocal-system/{NAME}"
    }


def test_without_it_nothing_of_it_is_there(render: Render) -> None:
    found = render("--set=webhook.enabled=false")

    assert not [one for one in found if one["metadata"]["name"] == NAME]
    (operator,) = (one for one in found if one["kind"] == "Deployment")
    (container,) = operator["spec"]["template"]["spec"]["containers"]
    assert "WEBHOOK" not in str(container["env"])
    assert "readinessProbe" not in container


def test_annotations_that_asked_cannot_be_changed_afterwards(objects: Objects) -> None:
    policy = objects["ValidatingAdmissionPolicy", NAME]["spec"]
    binding = objects["ValidatingAdmissionPolicyBinding", NAME]["spec"]

    (rule,) = policy["matchConstraints"]["resourceRules"]
    assert (rule["operations"], rule["resources"]) == (["CREATE", "UPDATE"], ["pods"])
    assert [
        one["message"].partition(" of ")[0].partition(" is ")[0] for one in policy["validations"]
    ] == [
        "annotations numalocal.io/*",
        "label numalocal.io/injected",
        "the image",
    ]
    assert binding == {"policyName": NAME, "validationActions": ["Deny"]}
