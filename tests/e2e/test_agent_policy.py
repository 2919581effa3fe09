"""Where the kubelet pins CPUs itself, the agent offers nothing and touches nobody."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from annotated import Annotated, pod, template
from installed import SETS as OFFERED
from installed import sets
from lab.cluster import Lab
from lab.commands import wait_for
from node_cpus import cpus_of, on
from numalocal.idset import IdSet

EVERY = IdSet.parse("0-7")
CONFIG = "/etc/kubernetes/kubelet.json"
STATIC = {"cpuManagerPolicy": "static", "reservedSystemCPUs": "0"}


@contextmanager
def static_policy(lab: Lab) -> Iterator[None]:
    """Let the kubelet pin CPUs; it refuses to start where the state of another policy is left."""
    before = lab.node(f"cat {CONFIG}")

    def restart(config: str) -> None:
        lab.node("systemctl stop kubelet; rm -f /var/lib/kubelet/cpu_manager_state")
        lab.node(f"cat > {CONFIG} <<'END'\n{config}\nEND\nsystemctl start kubelet")
        wait_for("the kubelet", lambda: lab.node(_HEALTHY).endswith("ok"), timeout_s=120)

    restart(json.dumps(json.loads(before) | STATIC))
    try:
        yield
    finally:
        restart(before)


_HEALTHY = (
    "exec 3<>/dev/tcp/127.0.0.1/10248; printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
)


def test_under_the_static_policy_nothing_is_offered_and_nobody_is_moved(
    lab: Lab, annotated: Annotated
) -> None:
    with static_policy(lab):
        # Without sets is also a kubelet with which the agent has yet to register.
        wait_for("the refusal", lambda: "KubeletPinsCpus" in refused(lab), timeout_s=120)
        wait_for("no CPU sets", lambda: sets(lab) in {"", "0"}, timeout_s=120)
        annotated.create(pod("ordinary", template("ordinary", asks={})))
        wait_for("an ordinary pod", lambda: running(annotated, "ordinary"), timeout_s=120)
        (found,) = annotated.pods("ordinary")

        # What the static policy itself leaves to everybody who has no CPUs of its own.
        assert cpus_of(lab, found["metadata"]["uid"]) == EVERY

    wait_for("the node's CPU sets", lambda: sets(lab) == OFFERED, timeout_s=120)
    wait_for("the shared CPUs", on(lab, found["metadata"]["uid"], EVERY), timeout_s=60)


def refused(lab: Lab) -> set[str]:
    """Give the reasons for which the node serves nobody."""
    (found,) = lab.kubectl_json("get", "nodecputopologies")["items"]
    return {one["reason"] for one in found["status"].get("refusals", ())}


def running(annotated: Annotated, name: str) -> bool:
    return any(one["status"]["phase"] == "Running" for one in annotated.pods(name))
