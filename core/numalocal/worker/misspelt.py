"""Fields of a pod that Kubernetes would drop in silence, told where it is clear what was meant.

A Deployment with such a field is refused by kubectl; a worker's template passes through as it
stands, and on a bare machine nobody else reads it.  What no known field is near to may be newer
than these lists, which are those of Kubernetes 1.37.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Final

from numalocal import hints
from numalocal.fields import Fields, joined
from numalocal.problems import printable

_MOST: Final = 10
"""Fields that are told: nobody reads more."""
_MOST_LOOKED_AT: Final = 100
"""Fields of one pod that known ones are compared with, which takes its time."""

_CONTAINER: Final = frozenset(
    {
        "args",
        "command",
        "env",
        "envFrom",
        "image",
        "imagePullPolicy",
        "lifecycle",
        "livenessProbe",
        "name",
        "ports",
        "readinessProbe",
        "resizePolicy",
        "resources",
        "restartPolicy",
        "restartPolicyRules",
        "securityContext",
        "startupProbe",
        "stdin",
        "stdinOnce",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "tty",
        "volumeDevices",
        "volumeMounts",
        "workingDir",
    }
)
_POD: Final = frozenset(
    {
        "activeDeadlineSeconds",
        "affinity",
        "automountServiceAccountToken",
        "containers",
        "dnsConfig",
        "dnsPolicy",
        "enableServiceLinks",
        "ephemeralContainers",
        "evictionResponders",
        "hostAliases",
        "hostIPC",
        "hostname",
        "hostnameOverride",
        "hostNetwork",
        "hostPID",
        "hostUsers",
        "imagePullSecrets",
        "initContainers",
        "nodeName",
        "nodeSelector",
        "os",
        "overhead",
        "preemptionPolicy",
        "priority",
        "priorityClassName",
        "readinessGates",
        "resourceClaims",
        "resources",
        "restartPolicy",
        "runtimeClassName",
        "schedulerName",
        "schedulingGates",
        "schedulingGroup",
        "securityContext",
        "serviceAccount",
        "serviceAccountName",
        "setHostnameAsFQDN",
        "shareProcessNamespace",
        "subdomain",
        "terminationGracePeriodSeconds",
        "tolerations",
        "topologySpreadConstraints",
        "volumes",
        "workloadRef",
    }
)


def notes(spec: Fields, containers: Sequence[Fields]) -> tuple[str, ...]:
    """Say of a pod's fields which ones were meant, a sentence each."""
    unknown = [*_unknown(spec, _POD)]
    for one in containers:
        unknown += _unknown(one, _CONTAINER)
    found = (
        f"{printable(joined(fields.path, name))} is no field of Kubernetes, which drops it: "
        f"did you mean {near}?"
        for fields, name, known in unknown[:_MOST_LOOKED_AT]
        if (near := hints.nearest(name, known))
    )
    return tuple(islice(found, _MOST))


def _unknown(fields: Fields, known: Collection[str]) -> Iterator[tuple[Fields, str, list[str]]]:
    return ((fields, name, sorted(known)) for name in fields.names() if name not in known)
