"""What does each kind of fault."""

from collections.abc import Callable, Mapping
from random import Random

from faults import control_plane, machine, runtime, workloads
from lab.cluster import Lab

Injection = Callable[[Lab, Random], str]
"""Does a fault, undoes what must be undone, and says in a few words what it was."""

INJECTIONS: Mapping[str, Injection] = {
    "agent-away-engine-crash": runtime.crash_while_away,
    "agent-away-hostile-pod": runtime.lie_while_away,
    "agent-away-worker-deleted": runtime.delete_while_away,
    "agent-delete": runtime.delete_component("agent"),
    "agent-freeze": runtime.freeze_agent,
    "agent-kill": runtime.kill_component("agent"),
    "api-server-kill": control_plane.kill_api_server,
    "api-server-stop": control_plane.stop_api_server,
    "checkpoint-lost": runtime.lose_checkpoint,
    "containerd-kill": runtime.kill("containerd"),
    "containerd-restart": runtime.restart("containerd"),
    "containerd-stop": runtime.stop("containerd"),
    "cpu-offline": machine.take_cpus_offline,
    "disk-full": machine.fill_disk,
    "drift": workloads.drift,
    "engine-crash": workloads.crash_engine,
    "force-delete": workloads.force_delete,
    "hostile-pod": workloads.hostile_pod,
    "kubelet-kill": runtime.kill("kubelet"),
    "kubelet-restart": runtime.restart("kubelet"),
    "kubelet-stop": runtime.stop("kubelet"),
    "killed-while-starting": runtime.kill_while_starting,
    "network-loss": machine.lose_network,
    "operator-delete": runtime.delete_component("operator"),
    "operator-kill": runtime.kill_component("operator"),
    "power-cut": machine.cut_power,
    "reboot": machine.reboot,
    "worker-deleted": workloads.delete_worker,
}
