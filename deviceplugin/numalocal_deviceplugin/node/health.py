"""What the kubelet's probes and people are told: /livez and /readyz."""

from collections.abc import Iterable
from typing import Final

from numalocal.problems import escaped
from numalocal_deviceplugin.facts import RequiredPlugins
from numalocal_deviceplugin.node.http import Response
from numalocal_deviceplugin.refusals import NOTHING_IS_GIVEN, Reason
from numalocal_deviceplugin.snapshot import Snapshot

PATIENCE_S: Final = 60.0
"""How long after the start it may take until kubelet and container runtime have answered."""

_VALIDATOR: Final = {
    RequiredPlugins.UNKNOWN: "unknown; it is seen when a container is created, with NRI 0.12",
    RequiredPlugins.ENFORCED: "on: no container of ours is created while the agent is away",
    RequiredPlugins.NOT_ENFORCED: "off: a container of ours starts unbound while the agent is away",
}

_UNDECIDED: Final = frozenset({Reason.POLICY_UNKNOWN, Reason.RUNTIME_AWAY, Reason.NOT_REGISTERED})
"""What every start begins with."""


def livez(stale: Iterable[str]) -> Response:
    """Say that all parts are heard, or which are not."""
    lines = list(stale)
    return Response(500 if lines else 200, _text(lines or ["ok"]))


def readyz(now: Snapshot, age_s: float) -> Response:
    """Say whether the agent has come to serve the node, or to refuse it, and all that it refuses.

    An agent that refuses for good is ready: a rollout must not wait for a node that has no NRI.
    """
    waits = age_s < PATIENCE_S and is_undecided(now)
    lines = ["not ready yet" if waits else "ready", *_runtime(now)]
    lines += [
        f"{one.reason}{f' {one.subject}' if one.subject else ''}: {one.message}"
        for one in now.refusals
    ]
    return Response(503 if waits else 200, _text(lines))


def is_undecided(now: Snapshot) -> bool:
    """Tell whether nothing is refused yet but what a start begins with."""
    reasons = {one.reason for one in now.refusals}
    return bool(reasons & _UNDECIDED) and not reasons & (NOTHING_IS_GIVEN - _UNDECIDED)


def _runtime(now: Snapshot) -> Iterable[str]:
    runtime = now.facts.runtime
    known = f"{runtime.told.name} {runtime.told.version}".strip() or "unknown"
    yield f"container runtime: {known}, {runtime.phase.value}"
    yield f"default validator: {_VALIDATOR[now.required_plugins]}"
    able = now.node.abilities
    why = f" ({able.message})" if able.message else ""
    yield f"memory policies: {', '.join(able.policies)}{why}"


def _text(lines: Iterable[str]) -> bytes:
    """One line each: what they quote is anybody's."""
    return "".join(f"{escaped(line)}\n" for line in lines).encode()
