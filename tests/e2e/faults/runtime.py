"""Faults of kubelet, containerd, agent and operator."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

from faults import workloads
from faults.cluster import SYSTEM
from lab.cluster import Lab
from lab.commands import LabError, wait_for

_CHECKPOINT = "/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint"
_NOWHERE = {"numalocal.io/away": "true"}


def restart(unit: str) -> Callable[[Lab, Random], str]:
    def fault(lab: Lab, random: Random) -> str:
        lab.restart(unit)
        return f"{unit} restarted"

    return fault


def kill(unit: str) -> Callable[[Lab, Random], str]:
    def fault(lab: Lab, random: Random) -> str:
        lab.node(f"systemctl kill --kill-whom=main --signal=KILL {unit}")
        return f"{unit} killed"

    return fault


def stop(unit: str) -> Callable[[Lab, Random], str]:
    def fault(lab: Lab, random: Random) -> str:
        seconds = random.randint(1, 15)
        lab.node(f"systemctl stop {unit}; sleep {seconds}; systemctl start {unit}")
        return f"{unit} stopped for {seconds} s"

    return fault


def lose_checkpoint(lab: Lab, random: Random) -> str:
    """Let the kubelet forget which devices it gave to whom, and maybe an engine crash meanwhile.

    No set is offered as long as its holder runs, so the engines are made anew, as the agent says.
    """
    crash = random.random() < 0.5
    lab.node("systemctl stop kubelet")
    said = f"; {workloads.crash_engine(lab, random)}" if crash else ""
    lab.node(f"rm -f {_CHECKPOINT}; systemctl start kubelet")
    seconds = random.randint(0, 30)
    time.sleep(seconds)
    workloads.delete_engines(lab)
    return f"device checkpoint removed{said}; all engines deleted after {seconds} s"


def kill_component(component: str) -> Callable[[Lab, Random], str]:
    def fault(lab: Lab, random: Random) -> str:
        times = random.choice([1, 1, 2])
        for number in range(times):
            time.sleep(number * random.uniform(0, 8))
            workloads.kill_container(lab, _container(lab, component))
        return f"{component} killed" + (" twice" if times == 2 else "")

    return fault


def delete_component(component: str) -> Callable[[Lab, Random], str]:
    def fault(lab: Lab, random: Random) -> str:
        force = ("--force", "--grace-period=0") if random.random() < 0.5 else ()
        where = ("--namespace", SYSTEM, "--wait=false")
        selector = ("--selector", f"app.kubernetes.io/component={component}")
        lab.kubectl("delete", "pod", *where, *selector, *force)
        return f"{component} deleted" + (" by force" if force else "")

    return fault


def freeze_agent(lab: Lab, random: Random) -> str:
    """Stop the agent's process; the runtime waits for it, and gives up."""
    seconds = random.randint(2, 12)
    procs = f"{workloads.cgroup(_container(lab, 'agent'))}/cgroup.procs"
    lab.node(f"pids=$(cat {procs}); kill -STOP $pids; sleep {seconds}; kill -CONT $pids || true")
    return f"agent stopped for {seconds} s"


def crash_while_away(lab: Lab, random: Random) -> str:
    with agent_away(lab):
        said = workloads.crash_engine(lab, random)
        time.sleep(random.uniform(0, 15))
    return f"agent away; {said}"


def delete_while_away(lab: Lab, random: Random) -> str:
    with agent_away(lab):
        said = workloads.delete_worker(lab, random)
        time.sleep(random.uniform(0, 15))
    return f"agent away; {said}"


def lie_while_away(lab: Lab, random: Random) -> str:
    with agent_away(lab):
        said = workloads.hostile_pod(lab, random)
        time.sleep(random.uniform(5, 15))
    return f"agent away; {said}"


def kill_while_starting(lab: Lab, random: Random) -> str:
    """Kill the agent, the kubelet or containerd at some moment of an engine's start."""
    said = workloads.delete_worker(lab, random)
    seconds = random.uniform(0, 12)
    time.sleep(seconds)
    victim = random.choice(["agent", "agent", "containerd", "kubelet"])
    if victim == "agent":
        workloads.kill_container(lab, _container(lab, victim))
    else:
        kill(victim)(lab, random)
    return f"{said}; {victim} killed {seconds:.1f} s later"


@contextmanager
def agent_away(lab: Lab) -> Iterator[None]:
    """Let the DaemonSet have no node; the agent comes back at the end."""

    def select(nodes: dict[str, str | None]) -> None:
        patch = json.dumps({"spec": {"template": {"spec": {"nodeSelector": nodes}}}})
        where = ("--namespace", SYSTEM, "daemonset/numalocal-agent")
        lab.kubectl("patch", *where, "--type=merge", "--patch", patch)

    select(dict(_NOWHERE))
    try:
        wait_for("the agent's end", lambda: _gone(lab), timeout_s=90)
        yield
    finally:
        select(dict.fromkeys(_NOWHERE))


def _gone(lab: Lab) -> bool:
    """Tell whether there is none: of two, one ends and the other begins."""
    selector = ("--selector", "app.kubernetes.io/component=agent")
    return not lab.kubectl_json("get", "pods", "--namespace", SYSTEM, *selector)["items"]


def _container(lab: Lab, component: str) -> str:
    """Give the id of a component's container, started again where it has just ended."""
    found = ""

    def running() -> bool:
        nonlocal found
        selector = ("--selector", f"app.kubernetes.io/component={component}")
        pods = lab.kubectl_json("get", "pods", "--namespace", SYSTEM, *selector)["items"]
        for pod in pods:
            for one in pod["status"].get("containerStatuses", ()):
                if "running" in one["state"]:
                    found = one["containerID"].removeprefix("containerd://")
        return bool(found)

    wait_for(f"{component} running", running, timeout_s=90)
    if not found:
        raise LabError(f"{component} has no container")
    return found
