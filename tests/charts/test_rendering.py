import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from numalocal.sets.poolfile import parse_pools
from numalocal.sets.pools import Pool
from numalocal_deviceplugin import config
from numalocal_operator.probes import PATH
from numalocal_operator.running import ALL_ENDED_S
from numalocal_operator.webhook.server import READY

from .conftest import CHART, GROUPS, ROOT, Document, Helm, Render, by_name

GOLDEN = ROOT / "tests" / "golden" / "charts"
AGENTS = ("--show-only=templates/agent.yaml", "--show-only=templates/pools.yaml")

Objects = Mapping[tuple[str, str], Document]


def pod_spec(workload: Document) -> Mapping[str, Any]:
    spec: Mapping[str, Any] = workload["spec"]["template"]["spec"]
    return spec


@pytest.fixture
def agent(objects: Objects) -> Mapping[str, Any]:
    return pod_spec(objects["DaemonSet", "numalocal-agent"])


@pytest.fixture
def operator(objects: Objects) -> Mapping[str, Any]:
    return pod_spec(objects["Deployment", "numalocal-operator"])


def test_helm_finds_nothing_to_complain_of(helm: Helm) -> None:
    linted = helm("lint", "--strict", CHART)

    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("default", ("--set=crds.enabled=false",)), ("node-groups", ("--values", GROUPS, *AGENTS))],
)
def test_values_render_the_golden_objects(
    helm: Helm, name: str, arguments: Sequence[str | Path]
) -> None:
    shown = helm("template", "numalocal", CHART, "--namespace=numalocal-system", *arguments).stdout
    golden = GOLDEN / f"{name}.yaml"
    if os.environ.get("NUMALOCAL_GOLDEN") == "write":
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(shown)

    assert shown == golden.read_text()


def test_names_of_a_release_say_numalocal_once(helm: Helm) -> None:
    for release, name in (("numalocal-west", "numalocal-west-agent"), ("a", "a-numalocal-agent")):
        shown = helm("template", release, CHART).stdout
        names = {
            one["metadata"]["name"]
            for one in yaml.safe_load_all(shown)
            if one["kind"] == "DaemonSet"
        }
        assert names == {name}


def test_an_image_without_a_tag_has_the_version_of_the_chart(
    agent: Mapping[str, Any], operator: Mapping[str, Any]
) -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]

    assert agent["containers"][0]["image"] == f"docker.io/numalocal/agent:{version}"
    assert operator["containers"][0]["image"] == f"docker.io/numalocal/operator:{version}"


def test_every_image_can_come_from_elsewhere(render: Render) -> None:
    parts = ("agent", "operator", "binder")
    chosen = [f"--set=images.{part}.repository=mirror.example/{part}" for part in parts]
    tags = [f"--set=images.{part}.tag=9.9" for part in parts]
    pulls = [f"--set=images.{part}.pullPolicy=Never" for part in parts]

    text = yaml.safe_dump(list(render(*chosen, *tags, *pulls)))

    assert all(f"mirror.example/{part}:9.9" in text for part in parts)
    assert "docker.io" not in text
    assert "IfNotPresent" not in text


def test_the_operator_is_told_the_image_of_the_check_and_where_its_webhook_is(
    operator: Mapping[str, Any],
) -> None:
    env = {one["name"]: one["value"] for one in operator["containers"][0]["env"]}

    assert env == {
        "NUMALOCAL_BINDER_IMAGE": "docker.io/numalocal/binder:0.1.0",
        "NUMALOCAL_BINDER_PULL_POLICY": "IfNotPresent",
        "NUMALOCAL_LOG_LEVEL": "info",
        "NUMALOCAL_NAMESPACE": "",
        "NUMALOCAL_LEASE_NAMESPACE": "numalocal-system",
        "NUMALOCAL_LEASE": "numalocal-operator",
        "NUMALOCAL_WEBHOOK_NAMESPACE": "numalocal-system",
        "NUMALOCAL_WEBHOOK_SERVICE": "numalocal-webhook",
        "NUMALOCAL_WEBHOOK_SECRET": "numalocal-webhook",
        "NUMALOCAL_WEBHOOK_CONFIGURATION": "numalocal-webhook",
        "NUMALOCAL_WEBHOOK_CERTIFICATE": "operator",
    }


def test_the_agent_reads_the_pools_that_the_values_name(
    objects: Objects, agent: Mapping[str, Any]
) -> None:
    container = agent["containers"][0]
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    config = next(one["configMap"]["name"] for one in agent["volumes"] if one["name"] == "pools")
    text = objects["ConfigMap", config]["data"]["pools.yaml"]

    assert f"--pools={mounts['pools']}/pools.yaml" in container["args"]
    assert yaml.safe_load(text) == []


def test_new_pools_reach_agents_that_run(render: Render, objects: Objects) -> None:
    """A folder that is mounted follows its ConfigMap, where a file by its subPath never would."""
    changed = by_name(render("--set=pools[0].name=big", "--set=pools[0].size=4"))
    text = changed["ConfigMap", "numalocal-pools"]["data"]["pools.yaml"]
    agent = changed["DaemonSet", "numalocal-agent"]

    assert parse_pools(yaml.safe_load(text)) == (Pool(name="big", size=4),)
    assert agent == objects["DaemonSet", "numalocal-agent"]
    assert not any("subPath" in one for one in pod_spec(agent)["containers"][0]["volumeMounts"])


def test_the_agent_sees_of_the_node_what_it_needs_and_no_more(agent: Mapping[str, Any]) -> None:
    paths = {
        one["name"]: (one["hostPath"]["path"], one["hostPath"]["type"])
        for one in agent["volumes"]
        if "hostPath" in one
    }
    mounts = {one["name"]: one for one in agent["containers"][0]["volumeMounts"]}

    assert paths == {
        "device-plugins": ("/var/lib/kubelet/device-plugins", "Directory"),
        "pod-resources": ("/var/lib/kubelet/pod-resources", "Directory"),
        "nri": ("/var/run/nri", "DirectoryOrCreate"),
        "cgroup": ("/sys/fs/cgroup", "Directory"),
    }
    assert [name for name, one in mounts.items() if not one.get("readOnly")] == ["device-plugins"]
    cgroup = mounts.pop("cgroup")
    assert all(
        one["mountPath"] in (paths.get(name, ("",))[0], "/etc/numalocal")
        for name, one in mounts.items()
    )
    assert f"--cgroup-root={cgroup['mountPath']}" in agent["containers"][0]["args"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & agent.keys()


def test_the_agent_has_no_capability_and_no_privilege(agent: Mapping[str, Any]) -> None:
    (container,) = agent["containers"]
    context = container["securityContext"]

    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert "privileged" not in context


def test_the_operator_runs_as_nobody_and_sees_nothing_of_the_node(
    operator: Mapping[str, Any],
) -> None:
    (container,) = operator["containers"]

    assert operator["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert "volumes" not in operator


def test_a_node_never_has_two_agents(objects: Objects) -> None:
    agent = objects["DaemonSet", "numalocal-agent"]["spec"]

    assert agent["updateStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
    }


def test_an_operator_ends_once_another_is_ready(objects: Objects) -> None:
    operator = objects["Deployment", "numalocal-operator"]["spec"]

    assert operator["replicas"] == 2
    assert operator["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }
    assert operator["template"]["spec"]["terminationGracePeriodSeconds"] > ALL_ENDED_S


@pytest.mark.parametrize("webhook", ["true", "false"])
def test_an_operator_lives_whoever_leads_and_is_ready_once_its_webhook_answers(
    render: Render, webhook: str
) -> None:
    made = by_name(render(f"--set=webhook.enabled={webhook}"))
    (container,) = pod_spec(made["Deployment", "numalocal-operator"])["containers"]

    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": PATH, "port": "health"}
    ready = {"path": READY, "port": "webhook", "scheme": "HTTPS"}
    found = container.get("readinessProbe", {}).get("httpGet")
    assert found == (ready if webhook == "true" else None)


def test_a_rollout_waits_for_an_agent_that_stays_ready(
    objects: Objects, agent: Mapping[str, Any]
) -> None:
    (container,) = agent["containers"]

    assert objects["DaemonSet", "numalocal-agent"]["spec"]["minReadySeconds"] > 0
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/livez", "port": "http"}


@pytest.mark.parametrize("nodes", ["5", "10%"])
def test_a_rollout_takes_as_many_nodes_as_the_values_say(render: Render, nodes: str) -> None:
    made = by_name(render(f"--set=agent.maxUnavailable={nodes}"))
    strategy = made["DaemonSet", "numalocal-agent"]["spec"]["updateStrategy"]

    assert str(strategy["rollingUpdate"]["maxUnavailable"]) == nodes


def test_the_port_of_the_probes_is_the_one_that_is_served(render: Render) -> None:
    made = by_name(render("--set=agent.httpPort=9000"))
    (container,) = pod_spec(made["DaemonSet", "numalocal-agent"])["containers"]

    assert container["ports"] == [{"name": "http", "containerPort": 9000}]
    assert "--http-address=:9000" in container["args"]


def test_the_agent_takes_what_the_values_say_and_nothing_that_it_does_not_know(
    render: Render,
) -> None:
    made = by_name(
        render(
            "--set=agent.idle=exclusive",
            "--set=agent.enforcement=BestEffort",
            "--set=agent.leaveAlone={kube-system,monitoring}",
            "--set-string=agent.nriIndex=07",
        )
    )
    (container,) = pod_spec(made["DaemonSet", "numalocal-agent"])["containers"]

    taken = config.parse(container["args"], {})

    assert (taken.idle, taken.nri_index) == ("exclusive", "07")
    assert taken.enforcement == "BestEffort"
    assert taken.left_alone == frozenset({"kube-system", "monitoring"})
    assert taken.cgroup_root == Path("/host/sys/fs/cgroup")
    assert taken.pools_file == Path("/etc/numalocal/pools.yaml")
    assert taken.http_address == config.Address("", 9461)


def test_the_agent_leaves_tainted_nodes_alone_and_is_evicted_last(
    agent: Mapping[str, Any],
) -> None:
    assert "tolerations" not in agent
    assert agent["priorityClassName"] == "system-node-critical"
    assert agent["containers"][0]["env"] == [
        {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "GRPC_VERBOSITY", "value": "NONE"},
    ]


def test_no_container_has_a_cpu_limit(
    agent: Mapping[str, Any], operator: Mapping[str, Any]
) -> None:
    for spec in (agent, operator):
        assert "cpu" not in spec["containers"][0]["resources"]["limits"]


def test_a_selector_finds_the_pods_of_its_own_part_only(objects: Objects) -> None:
    for kind, name in (("DaemonSet", "agent"), ("Deployment", "operator")):
        spec = objects[kind, f"numalocal-{name}"]["spec"]
        labels = spec["template"]["metadata"]["labels"]
        assert spec["selector"]["matchLabels"].items() <= labels.items()
        assert labels["app.kubernetes.io/component"] == name


def test_parts_can_be_placed_and_sized(render: Render) -> None:
    values = []
    for part in ("agent", "operator"):
        values += [
            f"--set={part}.nodeSelector.zone={part}",
            f"--set={part}.tolerations[0].key={part}",
            f"--set={part}.resources.limits.memory=1Gi",
        ]
    specs = [pod_spec(one) for one in render(*values) if one["kind"] in ("DaemonSet", "Deployment")]

    assert [one["nodeSelector"]["zone"] for one in specs] == ["agent", "operator"]
    assert [one["tolerations"] for one in specs] == [[{"key": "agent"}], [{"key": "operator"}]]
    assert [one["containers"][0]["resources"]["limits"]["memory"] for one in specs] == ["1Gi"] * 2
