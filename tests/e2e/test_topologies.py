"""NodeCpuTopology on a real API server without nodes: its schema, and who may write which."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from captured import unpacked
from lab.api_server import ApiServer
from lab.commands import LabError
from nodeless import (
    AGENT,
    CONFLICT,
    CREATED,
    INVALID,
    NAMESPACE,
    OK,
    Caller,
    agent,
    named,
    node,
    token,
    topology,
)
from numalocal.machine.discovery import discover
from numalocal.machine.sysfs import Sysfs
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool
from numalocal_deviceplugin.node.document import About, document, stamped
from numalocal_deviceplugin.node.publisher import Publisher, connecting
from numalocal_deviceplugin.state import State
from numalocal_operator.observing.told import told

MACHINES = (
    "128arm-2pa2n8cluster4co",
    "20s390-2g6s4c",
    "256ppc-8n8s4t",
    "64intel64-fakeKNL-SNC4-hybrid",
)


@pytest.fixture(scope="module", autouse=True)
def nodes(api: ApiServer) -> None:
    for name in ("node-a", "node-b"):
        node(api, name)


def test_an_agent_writes_the_object_of_its_own_node_and_no_other(api: ApiServer) -> None:
    of_a, of_b = agent(api, "node-a"), agent(api, "node-b")
    assert of_a.create(topology("node-a"))[0] == CREATED
    assert of_b.create(topology("node-b"))[0] == CREATED
    assert of_a.patch("node-a", {"idle": "shared"})[0] == OK

    told = "the agent of node node-a writes the NodeCpuTopology of that name alone, not node-"
    for code, refusal in (
        of_a.patch("node-b", {"idle": "exclusive"}),
        of_a.create(topology("node-c")),
    ):
        assert code == INVALID
        assert told in refusal["message"]
    assert api.kubectl_json("get", "nct", "node-a")["status"] == {"idle": "shared"}
    assert "status" not in api.kubectl_json("get", "nct", "node-b")


def test_a_name_that_the_server_makes_up_is_no_way_around(api: ApiServer) -> None:
    document = {**topology("x"), "metadata": {"generateName": "node-a"}}

    assert agent(api, "node-a").create(document)[0] == INVALID


def test_a_token_that_names_no_node_writes_nothing(api: ApiServer) -> None:
    code, refusal = Caller(api, token(api)).create(topology("node-a"))

    assert code == INVALID
    assert "this token names none" in refusal["message"]


@pytest.mark.parametrize(
    ("verb", "what"),
    [
        ("patch", "nodes"),
        ("get", "nodes"),
        ("list", "pods"),
        ("delete", "nodecputopologies"),
        ("update", "nodecputopologies"),
        ("get", "secrets"),
    ],
)
def test_a_stolen_token_of_an_agent_opens_nothing_else(
    api: ApiServer, verb: str, what: str
) -> None:
    account = f"--as=system:serviceaccount:{NAMESPACE}:{AGENT}"

    with pytest.raises(LabError, match=r"status 1: .*no"):
        api.kubectl("auth", "can-i", verb, what, account, "--all-namespaces")


def test_others_than_agents_are_not_the_policys_business(api: ApiServer) -> None:
    api.kubectl("create", "--filename", "-", stdin=json.dumps(topology("by-hand")))
    api.kubectl("delete", "nct", "by-hand")


def test_the_columns_read_well(api: ApiServer) -> None:
    of_c = agent(api, "node-c")
    assert of_c.create(topology("node-c"))[0] == CREATED
    condition = {
        "type": "Ready",
        "status": "False",
        "reason": "StaticPolicy",
        "message": "two pinners must not fight",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }
    refusals = [{"reason": "StaticPolicy", "message": "two pinners must not fight"}]
    counts = {"sets": 4, "held": 1, "free": 2, "unavailable": 1, "refusals": 1}
    status = {"machine": {"cpus": 16}, "counts": counts, "refusals": refusals}
    assert of_c.patch("node-c", {**status, "conditions": [condition]})[0] == OK

    head, row = api.kubectl("get", "nodecputopologies", "node-c").splitlines()

    columns = "NAME CPUS SETS FREE HELD UNAVAILABLE REFUSALS READY AGE"
    assert head.split() == columns.split()
    assert row.split()[:8] == ["node-c", "16", "4", "2", "1", "1", "StaticPolicy", "False"]


@pytest.mark.parametrize(
    "status",
    [
        {"sets": [{"id": "x", "state": "Lost"}]},
        {"sets": [{"id": "x" * 64, "state": "Free"}]},
        {"refusals": [{"reason": "StaticPolicy", "message": "x"}] * 65},
        {"machine": {"cpus": -1}},
    ],
)
def test_what_is_out_of_bounds_is_refused(api: ApiServer, status: Mapping[str, Any]) -> None:
    of_d = agent(api, "node-d")
    assert of_d.create(topology("node-d"))[0] in (CREATED, CONFLICT)

    code, refusal = of_d.patch("node-d", status)

    assert code == INVALID
    assert "status." in refusal["message"]


def test_the_object_of_a_node_has_the_node_as_its_owner_without_a_read(api: ApiServer) -> None:
    uid = api.kubectl_json("get", "node", "node-b")["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": "node-b", "uid": uid}
    document = {**topology("node-b"), **named("node-b", ownerReferences=[owner])}
    api.kubectl("delete", "nct", "node-b", "--ignore-not-found")

    assert agent(api, "node-b").create(document)[0] == CREATED

    assert api.kubectl_json("get", "nct", "node-b")["metadata"]["ownerReferences"] == [owner]


@pytest.mark.parametrize(
    "metadata",
    [
        {"finalizers": ["numalocal.io/stays"]},
        {"ownerReferences": [{"name": "node-a"}]},
        {"ownerReferences": [{"kind": "Namespace", "name": "node-e"}]},
        {"ownerReferences": [{"name": "node-e", "uid": "5c2b1a52-0000-4000-8000-000000000000"}]},
    ],
    ids=["finalizer", "another-node", "another-kind", "another-uid"],
)
def test_an_agent_makes_its_object_go_with_its_node_and_with_nothing_else(
    api: ApiServer, metadata: Mapping[str, Any]
) -> None:
    node(api, "node-e")
    of_e = agent(api, "node-e")
    uid = api.kubectl_json("get", "node", "node-e")["metadata"]["uid"]
    own = {"apiVersion": "v1", "kind": "Node", "uid": uid}
    owners = [{**own, **one} for one in metadata.get("ownerReferences", [])]
    asked = {**metadata, **({"ownerReferences": owners} if owners else {})}

    code, refusal = of_e.create({**topology("node-e"), **named("node-e", **asked)})

    assert code == INVALID
    assert "leave out every other owner, and finalizers" in refusal["message"]


@pytest.mark.parametrize("capture", MACHINES)
def test_what_an_agent_writes_of_any_machine_is_kept_whole(
    api: ApiServer, tmp_path: Path, capture: str
) -> None:
    name = f"of-{capture}".lower().replace("_", "-")
    node(api, name)
    caller = agent(api, name)
    (tmp_path / "token").write_text(caller.token)
    machine = discover(Sysfs(unpacked(capture))).unconfined()
    state = State(machine, partition(machine, (Pool(name="cpuset", size=1),)))
    status = stamped(
        document(state.snapshot(), About(agent="0.1.0", kernel="6.12.0")),
        None,
        "2026-01-02T03:04:05Z",
    )
    connect = connecting("127.0.0.1", api.port, api.folder / "ca.crt")

    Publisher(connect, tmp_path / "token", name).publish(status)

    found = api.kubectl_json("get", "nct", name)
    assert found["status"] == status
    (owner,) = found["metadata"]["ownerReferences"]
    assert owner["uid"] == api.kubectl_json("get", "node", name)["metadata"]["uid"]
    assert told(found).pools["cpuset"].cpus_per_set == status["pools"][0]["cpusPerSet"]
