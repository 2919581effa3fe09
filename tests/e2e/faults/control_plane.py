"""Faults of the control plane."""

import signal
import time
from random import Random

from lab.cluster import Lab
from lab.commands import wait_for
from lab.control_plane import SERVERS

_API_SERVER = "kube-apiserver"


def stop_api_server(lab: Lab, random: Random) -> str:
    """Let nobody have an answer for a while."""
    seconds = random.randint(2, 20)
    lab.processes.send(_API_SERVER, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        lab.processes.send(_API_SERVER, signal.SIGCONT)
    _wait_for_server(lab)
    return f"API server stopped for {seconds} s"


def kill_api_server(lab: Lab, random: Random) -> str:
    seconds = random.randint(0, 10)
    lab.processes.send(_API_SERVER, signal.SIGKILL)
    wait_for("its end", lambda: not lab.processes.alive(_API_SERVER), timeout_s=20)
    time.sleep(seconds)
    lab.processes.start_again(_API_SERVER)
    _wait_for_server(lab)
    return f"API server killed, and away for {seconds} s"


def revive(lab: Lab) -> None:
    """Start again what has ended of itself, as the kubelet of a control plane's node does.

    A scheduler ends on purpose where it has missed too much, "Scheduler cache is corrupted".
    """
    for server in SERVERS:
        name = f"kube-{server}"
        if not lab.processes.alive(name):
            lab.processes.start_again(name)


def _wait_for_server(lab: Lab) -> None:
    ready = ("get", "--raw", "/readyz")
    wait_for("the API server", lambda: lab.kubectl(*ready) == "ok", timeout_s=120)
