"""Where the API server has each kind of object that we speak of."""

from typing import Final

from numalocal import names
from numalocal_operator.observing.companions import BUDGET, SERVICE

GROUP: Final = names.DOMAIN
VERSION: Final = "v1alpha1"
PLURAL: Final = "cpuinferenceworkers"
PODS: Final = "pods"
NODES: Final = "nodes"
REVISIONS: Final = "controllerrevisions"
EVENTS: Final = "events"
COMPANIONS: Final = {SERVICE: "services", BUDGET: "poddisruptionbudgets"}
"""Of their kinds, the names in paths; those that have `names.LABEL_WORKER` are workers'."""
SELECTOR: Final = f"{names.LABEL_BOUND}=true"
"""Of the pods that are ours to look at: a label is all by which a server filters a watch."""

_PREFIX: Final = {
    PODS: "/api/v1",
    NODES: "/api/v1",
    EVENTS: "/api/v1",
    REVISIONS: "/apis/apps/v1",
    COMPANIONS[SERVICE]: "/api/v1",
    COMPANIONS[BUDGET]: "/apis/policy/v1",
}
_OURS: Final = f"/apis/{GROUP}/{VERSION}"


def path(plural: str, namespace: str = "", name: str = "") -> str:
    """Give the path of an object, or without a name of all in a namespace, or in every one."""
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"{_PREFIX.get(plural, _OURS)}{within}/{plural}" + (f"/{name}" if name else "")
