"""Keep a pod off nodes by their names, whatever else its affinity says."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from numalocal import names
from numalocal.worker.inject import Manifest

_PATH: Final = ("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
_TERMS: Final = "nodeSelectorTerms"


def keep_off(spec: Mapping[str, Any], nodes: Sequence[str]) -> Manifest:
    """Give a pod's spec with which no scheduler brings it to these nodes; what it says stays.

    Its terms are alternatives: each of them gets all names, once, however often a pod comes.  What
    has another shape than Kubernetes' own is the API server's to refuse.
    """
    tables = [spec]
    for name in _PATH:
        below = tables[-1].get(name)
        if not isinstance(below, Mapping | None):
            return dict(spec)
        tables.append(below or {})
    ours = [{"key": "metadata.name", "operator": "NotIn", "values": [name]} for name in nodes]
    terms = tables[-1].get(_TERMS)
    if tables[-2].get(_PATH[-1]) is None:
        terms = [{"matchFields": ours}]
    elif isinstance(terms, list):
        terms = [_without(one, ours) for one in terms]
    if not (ours and isinstance(terms, list)):
        return dict(spec)
    made: Manifest = {**tables.pop(), _TERMS: terms}
    for name, table in zip(reversed(_PATH), reversed(tables), strict=True):
        made = {**table, name: made}
    return made


def kept_off(nodes: Sequence[str]) -> dict[str, str]:
    """Give the annotation that says of a pod which nodes it is kept off; none where it is not."""
    return {names.ANNOTATION_KEPT_OFF: ",".join(nodes)} if nodes else {}


def _without(term: Any, ours: Sequence[Manifest]) -> Any:
    """Add to a term.  An empty one matches no node, and would then match all others."""
    if not isinstance(term, Mapping) or not (term.get("matchExpressions") or _fields(term)):
        return term
    fields = _fields(term)
    return {**term, "matchFields": [*fields, *(one for one in ours if one not in fields)]}


def _fields(term: Mapping[str, Any]) -> list[Any]:
    found = term.get("matchFields")
    return found if isinstance(found, list) else []
