import json

import yaml

from .conftest import CHART, Document, Helm, Render

DASHBOARD = "--set=metrics.dashboard.enabled=true"
ALERTS = "--set=metrics.alerts.enabled=true"


def of_kind(documents: list[Document], kind: str) -> list[Document]:
    return [one for one in documents if one["kind"] == kind]


def test_neither_dashboard_nor_alerts_are_there_unless_wanted(render: Render) -> None:
    made = list(render())

    assert not [one for one in made if one["metadata"]["name"] == "numalocal-dashboard"]
    assert not of_kind(made, "PrometheusRule")


def test_the_dashboard_is_found_by_grafanas_sidecar_and_is_the_file(render: Render) -> None:
    (made,) = (one for one in render(DASHBOARD) if one["metadata"]["name"] == "numalocal-dashboard")

    assert made["kind"] == "ConfigMap"
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    shown = json.loads(made["data"]["numalocal.json"])
    assert shown == json.loads((CHART / "dashboards" / "numalocal.json").read_text())


def test_the_alerts_are_the_file_with_the_labels_that_a_prometheus_wants(render: Render) -> None:
    (made,) = of_kind(
        list(render(ALERTS, "--set=metrics.alerts.labels.release=kps")), "PrometheusRule"
    )

    assert made["metadata"]["labels"]["release"] == "kps"
    assert made["spec"] == yaml.safe_load((CHART / "alerts" / "numalocal.yaml").read_text())


def test_both_at_once_are_two_objects(render: Render) -> None:
    assert len(list(render(DASHBOARD, ALERTS))) == len(list(render())) + 2


def test_a_pod_monitor_asks_every_agent_and_keeps_the_labels_of_whom_it_tells(
    render: Render,
) -> None:
    made = list(
        render(
            "--set=metrics.podMonitor.enabled=true",
            "--set=metrics.podMonitor.labels.release=kps",
            "--set=metrics.podMonitor.interval=1m",
        )
    )
    (monitor,) = of_kind(made, "PodMonitor")
    (agent,) = of_kind(made, "DaemonSet")
    pod = agent["spec"]["template"]
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]

    assert monitor["metadata"]["labels"]["release"] == "kps"
    chosen = monitor["spec"]["selector"]["matchLabels"]
    assert chosen.items() <= pod["metadata"]["labels"].items()
    assert endpoint == {"port": "http", "path": "/metrics", "interval": "1m", "honorLabels": True}
    assert pod["spec"]["containers"][0]["ports"][0]["name"] == "http"
    assert not of_kind(list(render()), "PodMonitor")


def test_labels_may_be_left_out(render: Render) -> None:
    made = list(render(ALERTS, "--set=metrics.alerts.labels=null"))

    assert len(of_kind(made, "PrometheusRule")) == 1


def test_every_agent_says_where_it_is_scraped(render: Render) -> None:
    made = of_kind(list(render("--set=agent.httpPort=9999")), "DaemonSet")

    for one in made:
        template = one["spec"]["template"]
        annotations = template["metadata"]["annotations"]
        ports = template["spec"]["containers"][0]["ports"]
        assert annotations["prometheus.io/scrape"] == "true"
        assert annotations["prometheus.io/port"] == "9999" == str(ports[0]["containerPort"])
        assert annotations["prometheus.io/path"] == "/metrics"


def test_an_unknown_value_of_the_metrics_is_refused(helm: Helm) -> None:
    for path in ("metrics", "metrics.alerts", "metrics.dashboard"):
        made = helm("template", "numalocal", CHART, f"--set={path}.nothing=1")
        assert "'nothing' not allowed" in made.stderr
