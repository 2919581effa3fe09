"""Where a pod may land: its own words and a node in, the first thing in the way out.

Mirrors what the scheduler's filters do: NodeUnschedulable, NodeAffinity and TaintToleration
(pkg/scheduler/framework/plugins), by k8s.io/component-helpers/scheduling/corev1/nodeaffinity and
ToleratesTaint of k8s.io/api/core/v1/toleration.go, as of v1.36.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from numalocal_operator.observing.nodes import Node, Taint

Raw = Mapping[str, Any]

NOT_SELECTED: Final = "not selected by nodeSelector or node affinity"
_CORDONED: Final = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")
"""Who tolerates it may land on a cordoned node, whether it has the taint yet or not."""
_KEEPS_OFF: Final = ("NoSchedule", "NoExecute")
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,64}", re.ASCII)
"""What strconv.ParseInt takes, of up to 64 bits."""
_DECIMAL: Final = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
"""What a taint or toleration must be to be compared (content.IsDecimalInteger)."""
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Requirement:
    """One expression of a node selector term."""

    key: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """One node selector term: all its expressions must hold; one without any matches nothing."""

    labels: tuple[Requirement, ...]
    fields: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class Toleration:
    """A toleration; empty texts stand for what is left out."""

    key: str
    operator: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a pod says of nodes.  `terms` are of its required affinity, None = it has none."""

    selector: tuple[tuple[str, str], ...] = ()
    terms: tuple[Term, ...] | None = None
    tolerations: tuple[Toleration, ...] = ()


def constraints(spec: Any) -> Constraints:
    """Read the spec of a pod.  What has another shape the API server refuses: it says nothing."""
    selector = _table(_table(spec).get("nodeSelector"))
    affinity = _table(_table(_table(spec).get("affinity")).get("nodeAffinity"))
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return Constraints(
        selector=tuple(sorted((str(key), str(value)) for key, value in selector.items())),
        terms=tuple(_terms(required)) if isinstance(required, Mapping) else None,
        tolerations=tuple(
            Toleration(*(str(one.get(field) or "") for field in Toleration.__slots__))
            for one in _tables(_table(spec).get("tolerations"))
        ),
    )


def obstacle(asked: Constraints, node: Node) -> str:
    """Say what keeps a pod off a node whatever else it has; empty where nothing does."""
    if not node.ready:
        return "not ready"
    if node.unschedulable and not _is_tolerated(_CORDONED, asked.tolerations):
        return "cordoned"
    if not is_selected(asked, node):
        return NOT_SELECTED
    for taint in node.taints:
        if taint.effect in _KEEPS_OFF and not _is_tolerated(taint, asked.tolerations):
            return f"taint {taint} not tolerated"
    return ""


def is_selected(asked: Constraints, node: Node) -> bool:
    """Tell whether selector and affinity mean a node, whatever else keeps a pod off it."""
    if any(node.labels.get(key) != value for key, value in asked.selector):
        return False
    return asked.terms is None or any(_matches(term, node) for term in asked.terms)


def _matches(term: Term, node: Node) -> bool:
    """Compare with a term.  One that cannot be read matches nothing, and spoils no other."""
    return (
        bool(term.labels or term.fields)
        and all(_holds(one, node.labels) for one in term.labels)
        and all(_names(one, node.name) for one in term.fields)
    )


def _holds(one: Requirement, labels: Mapping[str, str]) -> bool:
    """Compare labels with an expression, as labels.Requirement does."""
    value = labels.get(one.key)
    match one.operator:
        case "In":
            return value in one.values
        case "NotIn":
            return bool(one.values) and value not in one.values
        case "Exists":
            return value is not None and not one.values
        case "DoesNotExist":
            return value is None and not one.values
        case "Gt" | "Lt":
            return len(one.values) == 1 and _compare(one.operator, value, one.values[0], _INTEGER)
        case _:
            return False


def _names(one: Requirement, name: str) -> bool:
    """Compare a node's name with an expression on fields, of which there is no other."""
    if one.key != "metadata.name" or len(one.values) != 1:
        return False
    return {"In": name == one.values[0], "NotIn": name != one.values[0]}.get(one.operator, False)


def _is_tolerated(taint: Taint, tolerations: Sequence[Toleration]) -> bool:
    return any(_tolerates(one, taint) for one in tolerations)


def _tolerates(one: Toleration, taint: Taint) -> bool:
    """Compare a toleration with a taint.

    Gt and Lt are believed: an API server that does not know them takes no pod with them.
    """
    if one.effect not in ("", taint.effect) or one.key not in ("", taint.key):
        return False
    match one.operator:
        case "" | "Equal":
            return one.value == taint.value
        case "Exists":
            return True
        case "Gt" | "Lt":
            return _compare(one.operator, taint.value, one.value, _DECIMAL)
        case _:
            return False


def _compare(operator: str, has: str | None, asked: str, shape: re.Pattern[str]) -> bool:
    if has is None or not (shape.fullmatch(has) and shape.fullmatch(asked)):
        return False
    one, other = int(has), int(asked)
    if not (_LEAST <= one <= _MOST and _LEAST <= other <= _MOST):
        return False
    return one > other if operator == "Gt" else one < other


def _terms(required: Raw) -> Iterator[Term]:
    for term in _tables(required.get("nodeSelectorTerms")):
        yield Term(
            tuple(_requirements(term.get("matchExpressions"))),
            tuple(_requirements(term.get("matchFields"))),
        )


def _requirements(listed: Any) -> Iterator[Requirement]:
    for one in _tables(listed):
        values = one.get("values")
        yield Requirement(
            str(one.get("key", "")),
            str(one.get("operator", "")),
            tuple(map(str, values)) if isinstance(values, list) else (),
        )


def _table(value: Any) -> Raw:
    return value if isinstance(value, Mapping) else {}


def _tables(value: Any) -> Iterator[Raw]:
    if isinstance(value, list):
        yield from (one for one in value if isinstance(one, Mapping))
