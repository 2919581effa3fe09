"""How the containers of a pod ended, or why they do not run: a pod's status in, sentences out."""

from collections.abc import Mapping
from typing import Any, Final

from numalocal import names
from numalocal.problems import printable

_MOST_RESTARTS: Final = (1 << 31) - 1
_MOST_LAST_WORDS: Final = 300
"""Characters of a container's termination message in a sentence."""


def failure(status: Mapping[str, Any]) -> str:
    """Say why a pod is over: what the kubelet says, and how its containers ended."""
    ends = [_ended(one) for one in _containers(status)]
    reason = status.get("reason") or status["phase"]
    why = status.get("message") or "no container of it runs any more"
    return "; ".join([f"{reason}: {why}", *(end for end in ends if end)])


def stuck(status: Mapping[str, Any]) -> str:
    """Say why a container of a live pod does not run; starting up is no reason."""
    for container in _containers(status):
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason") or ""
        if reason not in ("", "PodInitializing", "ContainerCreating"):
            why = f"container {container['name']}: {reason}: {waiting.get('message') or ''}"
            return "; ".join(one for one in (why, _ended_before(container)) if one)
        if ended := _ended(container):
            return ended
    return ""


def restarted(status: Mapping[str, Any]) -> str:
    """Say how the first container ended that runs again; empty where none does."""
    for container in _containers(status):
        running = (container.get("state") or {}).get("running") is not None
        if running and (before := _ended_before(container)):
            return f"{before}, and runs again"
    return ""


def for_good(raw: Mapping[str, Any], name: str) -> str:
    """Give the id of a container that has ended and that the kubelet starts no more, else ""."""
    status = raw.get("status") or {}
    ends = (
        (one.get("state") or {}).get("terminated") or {}
        for one in status.get("containerStatuses") or ()
        if one.get("name") == name
    )
    ended = next(ends, {})
    over = status.get("phase") in ("Failed", "Succeeded")
    if not over and _starts_again(raw.get("spec") or {}, name, ended.get("exitCode")):
        return ""
    return str(ended.get("containerID") or "").rpartition("://")[2]


def _starts_again(spec: Mapping[str, Any], name: str, exit_code: int | None) -> bool:
    """Tell whether a container of a live pod may start again; rules of its own may say so."""
    named = (one for one in spec.get("containers") or () if one.get("name") == name)
    container: Mapping[str, Any] = next(named, {})
    policy = container.get("restartPolicy") or spec.get("restartPolicy") or "Always"
    by_policy = policy == "Always" or (policy == "OnFailure" and exit_code != 0)
    return by_policy or bool(container.get("restartPolicyRules"))


def _containers(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    kinds = ("initContainerStatuses", "containerStatuses")
    return [one for kind in kinds for one in status.get(kind) or ()]


def _is_check(container: Mapping[str, Any]) -> bool:
    """Tell whether a container is the check, which has a report of its own."""
    return container.get("name") == names.CHECK_CONTAINER


def _ended(container: Mapping[str, Any]) -> str:
    """Say how a container ended that does not run; empty where it did well, or runs."""
    ended = (container.get("state") or {}).get("terminated") or {}
    return "" if not ended.get("exitCode") or _is_check(container) else _end(container, ended)


def _ended_before(container: Mapping[str, Any]) -> str:
    """Say how a container ended the last time, and how often; empty where it never did."""
    ended = (container.get("lastState") or {}).get("terminated")
    if not ended or _is_check(container):
        return ""
    return f"{_end(container, ended)}, {restarts(container)} restarts"


def _end(container: Mapping[str, Any], ended: Mapping[str, Any]) -> str:
    """Tell exit code, reason where it says more than that it ended, and last words."""
    reason = ended.get("reason") or ""
    named = "" if reason in ("", "Error", "Completed") else f" ({reason})"
    last = printable(str(ended.get("message") or "").strip(), _MOST_LAST_WORDS)
    words = f": {last}" if last else ""
    who = f"container {container.get('name')}"
    return f"{who} ended with exit code {ended.get('exitCode')}{named}{words}"


def restarts(container: Mapping[str, Any]) -> int:
    """Give how often a container was started again."""
    count = container.get("restartCount")
    return min(count, _MOST_RESTARTS) if type(count) is int and count > 0 else 0
