"""Faults of pods and containers: crashes, deletions, hostile ones, cpusets written by hand."""

import json
from random import Random

from faults import population
from faults.hostile import documents
from faults.population import ANNOTATED, HOSTILE, WORKER
from lab.cluster import Lab
from lab.commands import LabError

_LABELS = {WORKER: f"numalocal.io/worker={WORKER}", ANNOTATED: f"app={ANNOTATED}"}


def crash_engine(lab: Lab, random: Random) -> str:
    """End every process of an engine, as a crash or the kernel's OOM killer does."""
    app = random.choice(list(_LABELS))
    name, identity = engine(lab, app)
    kill_container(lab, identity)
    return f"{name} killed"


def delete_worker(lab: Lab, random: Random) -> str:
    name, _ = engine(lab, random.choice(list(_LABELS)))
    lab.kubectl("delete", "pod", name, "--wait=false")
    return f"{name} deleted"


def delete_engines(lab: Lab) -> None:
    """Delete all pods that have a set; who made them makes others."""
    for selector in _LABELS.values():
        lab.kubectl("delete", "pods", "--selector", selector, "--wait=false")


def force_delete(lab: Lab, random: Random) -> str:
    """Delete pods that ignore SIGTERM: they run on for their grace, and nobody speaks of them."""
    apps = [random.choice(list(_LABELS))] if random.random() < 0.7 else list(_LABELS)
    names = [engine(lab, app)[0] for app in apps]
    lab.kubectl("delete", "pod", *names, "--force", "--grace-period=0", "--wait=false")
    return f"{' and '.join(names)} deleted by force"


def drift(lab: Lab, random: Random) -> str:
    """Write another cpuset, by systemd or by hand; for an ordinary pod one of an engine."""
    app = random.choice([*_LABELS, population.ORDINARY])
    _, identity = engine(lab, app)
    # Never another engine's set alone: that would be us who gave CPUs twice.
    cpus = random.choice(["0-7", "0", "0-3", "1,6-7"])
    if random.random() < 0.5:
        scope = f"cri-containerd-{identity}.scope"
        lab.node(f"systemctl set-property --runtime {scope} AllowedCPUs={cpus}")
        return f"{app} moved to CPUs {cpus} by systemd"
    lab.node(f"echo {cpus} > {cgroup(identity)}/cpuset.cpus")
    return f"{app} moved to CPUs {cpus} in its cgroup"


def hostile_pod(lab: Lab, random: Random) -> str:
    """Create a pod that lies; it stays until `sweep`."""
    what, pod = random.choice(documents())
    try:
        population.apply(lab, pod)
    except LabError as error:
        return f"{what}: refused ({str(error)[-60:].strip()})"
    return what


def sweep(lab: Lab) -> None:
    """Remove hostile pods."""
    where = ("--selector", f"app={HOSTILE}", "--grace-period=1", "--ignore-not-found")
    lab.kubectl("delete", "pods", *where)


def engine(lab: Lab, app: str) -> tuple[str, str]:
    """Give the name and the container's id of the one pod of an app that runs."""
    selector = _LABELS.get(app, f"app={app}")
    found = lab.kubectl_json("get", "pods", "--selector", selector)["items"]
    running = [
        (one["metadata"]["name"], status["containerID"].removeprefix("containerd://"))
        for one in found
        for status in one["status"].get("containerStatuses", ())
        if "running" in status["state"]
    ]
    if len(running) != 1:
        raise LabError(f"{app} has {len(running)} containers that run: {json.dumps(running)}")
    return running[0]


def kill_container(lab: Lab, identity: str) -> None:
    lab.node(f"echo 1 > {cgroup(identity)}/cgroup.kill")


def cgroup(identity: str) -> str:
    """Give a pattern of the shell for a container's cgroup."""
    return f"$(find /sys/fs/cgroup/kubepods.slice -type d -name 'cri-containerd-{identity}.scope')"
