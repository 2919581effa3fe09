"""What the API server itself has counted: its audit log, of those who are measured alone."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

OPERATOR: Final = "system:serviceaccount:numalocal-system:numalocal-operator"
CONTROLLERS: Final = (
    "system:kube-controller-manager",
    "system:serviceaccount:kube-system:deployment-controller",
    "system:serviceaccount:kube-system:replicaset-controller",
)

LEASES: Final = "leases"
DISCOVERY: Final = "get kinds"
"""What asks for no object asks which kinds there are."""

Requests = Mapping[str, int]
"""How often by verb, resource and subresource: `create pods`, `patch deployments/status`."""


def flags(folder: Path) -> list[str]:
    """Give the API server's flags for a log in a folder; it loses no event, and costs all alike."""
    folder.mkdir(parents=True, exist_ok=True)
    policy = folder / "policy.json"
    policy.write_text(json.dumps(_policy((OPERATOR, *CONTROLLERS))))
    return [
        f"--audit-policy-file={policy}",
        f"--audit-log-path={log_of(folder)}",
        "--audit-log-mode=blocking",
        "--audit-log-maxsize=10000",
    ]


def log_of(folder: Path) -> Path:
    return folder / "audit.log"


def _policy(users: Sequence[str]) -> dict[str, Any]:
    ends = ["RequestReceived", "ResponseStarted"]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "rules": [
            {"level": "Metadata", "users": list(users), "omitStages": ends},
            {"level": "None"},
        ],
    }


class Audit:
    """Reads a log on, each line once."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read = 0

    def since(self) -> Requests:
        """Count the requests since the last call."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            lines = log.readlines()
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        self._read += sum(map(len, lines))
        return counted(lines)


def counted(lines: Iterable[bytes]) -> Requests:
    """Count what was asked for, but for watches: one is a request that lasts."""
    found: Counter[str] = Counter()
    for line in lines:
        event = json.loads(line)
        if event["verb"] == "watch":
            continue
        reference = event.get("objectRef")
        if reference is None:
            found[DISCOVERY] += 1
            continue
        below = f"/{reference['subresource']}" if "subresource" in reference else ""
        found[f"{event['verb']} {reference['resource']}{below}"] += 1
    return dict(found)


def but_leases(requests: Requests) -> int:
    """Count all but who leads: that is told by the clock, whatever there is to do."""
    return sum(count for what, count in requests.items() if LEASES not in what)


def at_rest(requests: Requests) -> Requests:
    """Leave out who leads, and lists: the sweep, which comes by the clock as well."""
    return {
        what: count
        for what, count in requests.items()
        if LEASES not in what and not what.startswith("list ")
    }
