"""How tools read an object: the rules of kstatus (cli-utils), which Flux and Helm use.

1. An object that is being deleted is Terminating.
2. One whose `status.observedGeneration` is not its generation is InProgress.
3. In the order of the list, the first condition that is Reconciling=True makes it InProgress, the
   first that is Stalled=True makes it Failed.
4. Of a kind without rules of its own a condition Ready=True makes it Current, any other Ready
   InProgress; older versions skip this step.
5. Everything else is Current.
"""

from collections.abc import Mapping
from typing import Any

CURRENT, FAILED, IN_PROGRESS = "Current", "Failed", "InProgress"


def computed(worker: Mapping[str, Any], *, knows_ready: bool = True) -> str:
    """Say what kstatus says; `knows_ready` is False for its older versions."""
    metadata, status = worker["metadata"], worker.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    observed = status.get("observedGeneration")
    if observed is not None and observed != metadata.get("generation", observed):
        return IN_PROGRESS
    conditions = status.get("conditions") or []
    for one in conditions:
        if (one["type"], one["status"]) == ("Reconciling", "True"):
            return IN_PROGRESS
        if (one["type"], one["status"]) == ("Stalled", "True"):
            return FAILED
    ready = [one["status"] for one in conditions if one["type"] == "Ready"]
    if knows_ready and ready:
        return CURRENT if ready[0] == "True" else IN_PROGRESS
    return CURRENT


def hold(status: Mapping[str, Any], generation: int) -> None:
    """Hold a status of ours against the rules: all versions must read the same, and it be so.

    A message must fit the schema, too.
    """
    worker = {"metadata": {"generation": generation}, "status": status}
    found = {one["type"]: one["status"] for one in status["conditions"]}
    newer, older = (computed(worker, knows_ready=one) for one in (True, False))

    assert newer == older, found
    assert (newer == CURRENT) == (found["Ready"] == "True"), found
    assert (newer == FAILED) == (found["Stalled"] == "True"), found
    held = [kind for kind in ("Ready", "Reconciling", "Stalled") if found[kind] == "True"]
    assert len(held) == 1, found
    assert not (found["Ready"] == "True" and found["Degraded"] == "True")
    assert all(0 < len(one["message"]) <= 32_768 for one in status["conditions"])
    assert len(found) == len(status["conditions"])
