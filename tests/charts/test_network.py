"""Who may speak with agent and operator."""

from collections.abc import Mapping, Sequence

import pytest

from .conftest import Document, Render, by_name

ON = "--set=networkPolicy.enabled=true"
KINDS = {"agent": "DaemonSet", "operator": "Deployment"}


def policies(documents: Sequence[Document]) -> Mapping[str, Document]:
    return {
        one["metadata"]["name"].removeprefix("numalocal-"): one["spec"]
        for one in documents
        if one["kind"] == "NetworkPolicy"
    }


def opened(policy: Document) -> Sequence[str]:
    (rule,) = policy["ingress"]
    return [one["port"] for one in rule["ports"]]


def test_there_is_none_unless_wanted(render: Render) -> None:
    assert not policies(render())


@pytest.mark.parametrize("part", KINDS)
def test_every_port_of_a_part_is_open_and_no_other(render: Render, part: str) -> None:
    made = render(ON)
    pod = by_name(made)[KINDS[part], f"numalocal-{part}"]["spec"]["template"]
    policy = policies(made)[part]

    assert policy["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert opened(policy) == [one["name"] for one in pod["spec"]["containers"][0]["ports"]]


def test_without_the_webhook_its_port_is_closed(render: Render) -> None:
    made = policies(render(ON, "--set=webhook.enabled=false"))

    assert opened(made["operator"]) == ["health"]


def test_both_speak_with_the_api_server_alone(render: Render) -> None:
    made = policies(render(ON, "--set=networkPolicy.apiServerPorts={443,16443}"))

    assert made.keys() == KINDS.keys()
    for one in made.values():
        assert one["policyTypes"] == ["Ingress", "Egress"]
        assert one["egress"] == [{"ports": [{"port": 443}, {"port": 16443}]}]
