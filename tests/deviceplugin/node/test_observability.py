"""Documents, dashboard and alerts say nothing that an agent does not really answer."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml

from numalocal_deviceplugin.refusals import Reason

from .scrapes import busy_node, samples

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "numalocal"
DASHBOARD = json.loads((CHART / "dashboards" / "numalocal.json").read_text())
RULES = [
    rule
    for group in yaml.safe_load((CHART / "alerts" / "numalocal.yaml").read_text())["groups"]
    for rule in group["rules"]
]
TARGETS = [target for panel in DASHBOARD["panels"] for target in panel["targets"]]
DOCUMENT = (ROOT / "docs" / "metrics.md").read_text()
WRITTEN = [
    text
    for text in re.findall(r"`([^`\n]*numalocal_[^`\n]*)`|^(sum.*)$", DOCUMENT, re.MULTILINE)
    for text in text
    if text
]

EVERY_TARGET = {"cluster", "instance", "job"}
"""Labels that Prometheus itself gives to everything, the first where it has several clusters."""

Answered = Mapping[str, Mapping[str, set[str]]]
"""By name of a series the labels that it has, with their values."""


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Answered:
    found: dict[str, dict[str, set[str]]] = {"up": {}}  # Prometheus' own, of every target
    for one in samples(busy_node(tmp_path_factory.mktemp("cgroups"))):
        labels = found.setdefault(one.name, {})
        for label, value in one.labels.items():
            labels.setdefault(label, set()).add(value)
    return found


def labels_of(expression: Any, answered: Answered) -> set[str]:
    """Give the labels that a result can have; fail where it is made of what is not there."""
    match expression:
        case promql.VectorSelector():
            labels = selected(expression, answered)
        case promql.MatrixSelector():
            labels = selected(expression.vector_selector, answered)
        case promql.ParenExpr() | promql.UnaryExpr():
            labels = labels_of(expression.expr, answered)
        case promql.AggregateExpr():
            labels = aggregated(expression, answered)
        case promql.BinaryExpr():
            labels = combined(expression, answered)
        case promql.Call():
            of_arguments = [labels_of(one, answered) for one in expression.args]
            labels = called(expression.func.name, set().union(*of_arguments))
        case _:
            assert isinstance(expression, promql.NumberLiteral)
            labels = set()
    return labels


def selected(selector: promql.VectorSelector, answered: Answered) -> set[str]:
    assert selector.name is not None
    assert selector.name in answered
    labels = answered[selector.name]
    for matcher in selector.matchers.matchers:
        assert matcher.name in labels
        wanted = set(matcher.value.split("|"))
        assert "$" in matcher.value or wanted & labels[matcher.name], matcher.value
    return {*labels, *EVERY_TARGET}


def called(function: str, labels: set[str]) -> set[str]:
    if function == "absent":
        return set()
    if function == "histogram_quantile":
        assert "le" in labels
        return labels - {"le"}
    assert function in {"rate", "increase", "time", "max_over_time"}
    return labels


def aggregated(expression: promql.AggregateExpr, answered: Answered) -> set[str]:
    inner = labels_of(expression.expr, answered)
    told = set(expression.modifier.labels) if expression.modifier else set()
    assert told <= inner
    without = expression.modifier and expression.modifier.type == promql.AggModifierType.Without
    return inner - told if without else told


def combined(expression: promql.BinaryExpr, answered: Answered) -> set[str]:
    left, right = labels_of(expression.lhs, answered), labels_of(expression.rhs, answered)
    modifier = expression.modifier
    if modifier is None or modifier.matching is None:
        assert not left or not right or left == right
        return left | right
    # By fewer two agents are taken for one, and Prometheus has an error in place of a result.
    assert EVERY_TARGET <= set(modifier.matching.labels) <= left & right
    brought = set(modifier.group_labels or ())
    assert brought <= right
    return left | brought


def parsed(expression: str) -> Any:
    """Parse what Grafana would send: its interval is a duration then."""
    return promql.parse(expression.replace("$__rate_interval", "5m"))


def used(text: str) -> set[str]:
    """Give the labels that a legend or a sentence shows."""
    return set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", text))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_is_of_what_an_agent_answers(rule: Mapping[str, Any], answered: Answered) -> None:
    labels = labels_of(parsed(rule["expr"]), answered)

    assert used(rule["annotations"]["summary"]) <= labels
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert re.fullmatch(r"\d+m", rule["for"])


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: str(target["legendFormat"]))
def test_a_panel_shows_what_an_agent_answers(target: Mapping[str, Any], answered: Answered) -> None:
    labels = labels_of(parsed(target["expr"]), answered)

    assert used(target["legendFormat"]) <= labels


def test_variables_of_the_dashboard_are_labels_that_an_agent_answers(answered: Answered) -> None:
    queries = [one["query"]["query"] for one in DASHBOARD["templating"]["list"][1:]]

    assert queries
    for query in queries:
        asked = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
        assert asked is not None
        assert asked[2] in labels_of(parsed(asked[1]), answered)


def test_the_document_speaks_of_what_an_agent_answers(answered: Answered) -> None:
    asked = [text for text in WRITTEN if not text.endswith("_seconds")]

    assert len(asked) > 30
    for text in asked:
        labels_of(parsed(text), answered)


def selectors(expression: Any) -> Iterator[promql.VectorSelector]:
    found: list[promql.VectorSelector] = []

    def visit(one: Any) -> None:
        if isinstance(one, promql.MatrixSelector):
            found.append(one.vector_selector)
        elif isinstance(one, promql.VectorSelector):
            found.append(one)

    promql.walk(expression, visit)
    return iter(found)


def test_everything_that_an_agent_answers_is_shown_somewhere(answered: Answered) -> None:
    expressions: Iterable[str] = [one["expr"] for one in (*RULES, *TARGETS)]
    shown = {one.name for text in expressions for one in selectors(parsed(text))}
    left = {"runtime_info", "runtime_synchronized", "bound_containers", "bound_containers_not_read"}

    series = {name for name in answered if not name.endswith(("_bucket", "_sum", "_count"))}
    assert series - shown == {f"numalocal_{name}" for name in left}


def test_whatever_is_refused_raises_an_alert_unless_it_is_meant() -> None:
    matchers = [
        matcher
        for rule in RULES
        for selector in selectors(parsed(rule["expr"]))
        for matcher in selector.matchers.matchers
        if matcher.name == "reason"
    ]

    alarming = {reason for one in matchers for reason in one.value.split("|")}
    assert alarming == set(Reason) - {Reason.NOT_ENFORCED}


def test_an_agent_that_is_asked_in_vain_raises_an_alert_that_names_its_node(
    answered: Answered,
) -> None:
    (rule,) = (one for one in RULES if one["alert"] == "NumalocalAgentDown")

    expression = parsed(rule["expr"])

    assert {one.name for one in selectors(expression)} == {"up", "numalocal_build_info"}
    assert labels_of(expression, answered) == {*EVERY_TARGET, "node"}


def test_panels_and_alerts_have_names_of_their_own_and_lie_beside_each_other() -> None:
    titles = [panel["title"] for panel in DASHBOARD["panels"]]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    alerts = [rule["alert"] for rule in RULES]

    for some in (titles, places, alerts):
        assert len(set(some)) == len(some)


def test_documents_dashboard_and_alerts_are_what_the_table_makes() -> None:
    check = [sys.executable, str(ROOT / "setup" / "metrics.py"), "--check"]

    done = subprocess.run(check, capture_output=True, text=True, check=False)

    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize(
    "wrong",
    [
        "numalocal_cpu_set",
        'numalocal_cpu_sets{state="held"}',
        'numalocal_cpu_sets{node="a"}',
        "sum by (node) (numalocal_cpu_sets)",
        "numalocal_cpu_sets * on (node) numalocal_build_info",
        "numalocal_lent_cpus * on (instance) group_left (node) numalocal_build_info",
        "sum without (node) (numalocal_lent_cpus)",
        "histogram_quantile(0.9, numalocal_cpu_sets)",
    ],
)
def test_what_no_agent_answers_would_be_found(wrong: str, answered: Answered) -> None:
    with pytest.raises(AssertionError):
        labels_of(parsed(wrong), answered)
