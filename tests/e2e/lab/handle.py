"""What the tests hold of a running lab."""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lab.commands import LabError, run
from lab.node import Shell
from lab.processes import Processes

_UNITS = ("kubelet", "containerd", "kube-proxy")


@dataclass(frozen=True, slots=True)
class Lab:
    """A running lab.  `kubeconfig` works from the host."""

    state: Path

    @property
    def kubeconfig(self) -> Path:
        """The administrator's configuration, for the forwarded port on the host's loopback."""
        return self.state / "kubeconfig"

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout_s: float = 120) -> str:
        """Run kubectl as the cluster's administrator."""
        return self._run("kubectl", arguments, stdin, timeout_s)

    def kubectl_json(self, *arguments: str) -> Any:
        """Run kubectl with JSON output, and parse it."""
        return json.loads(self.kubectl(*arguments, "--output", "json"))

    def helm(self, *arguments: str, timeout_s: float = 300) -> str:
        """Run helm as the cluster's administrator."""
        return self._run("helm", arguments, None, timeout_s)

    def node(self, command: str, *, timeout_s: float = 120) -> str:
        """Run a shell command on the node as root."""
        return self.shell.run(command, timeout_s=timeout_s)

    def restart(self, unit: str) -> None:
        """Restart a systemd unit of the node and wait until it is active."""
        self.node(f"systemctl restart {unit} && systemctl is-active {unit}", timeout_s=180)

    def collect_logs(self, folder: Path) -> None:
        """Copy what explains a failure: logs of both sides, pods and events.

        What cannot be had leaves the reason in its file.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for log in (self.state / "run").glob("*.log"):
            shutil.copy(log, folder)
        for name, take in self._remote_logs().items():
            try:
                text = take()
            except LabError as error:
                text = str(error)
            (folder / f"{name}.log").write_text(text)

    @property
    def processes(self) -> Processes:
        """What runs on this side."""
        return Processes(self.state / "run")

    @property
    def shell(self) -> Shell:
        """A shell into the node."""
        return Shell(self.state / "node-key")

    def _remote_logs(self) -> Mapping[str, Callable[[], str]]:
        everywhere = "--all-namespaces"
        asked = {
            "pods": ("describe", "pods", everywhere),
            "nodes": ("describe", "nodes"),
            "workers": ("get", "ciw", everywhere, "--output", "yaml"),
            "topologies": ("get", "nct", "--output", "yaml"),
            "events": ("get", "events", everywhere, "--sort-by", ".lastTimestamp"),
        }
        for component in ("agent", "operator"):
            asked[component] = _logs(component)
            # Of the container before, where one has ended and was started anew.
            asked[f"{component}-previous"] = (*_logs(component), "--previous")
        read = {unit: f"journalctl --no-pager --unit {unit}" for unit in _UNITS}
        read["kernel"] = "journalctl --no-pager --dmesg"
        return {
            **{name: partial(self.kubectl, *arguments) for name, arguments in asked.items()},
            **{name: partial(self.node, command) for name, command in read.items()},
        }

    def _run(
        self, program: str, arguments: Sequence[str], stdin: str | None, timeout_s: float
    ) -> str:
        env = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        path = self.state / "bin" / program
        return run([path, *arguments], stdin=stdin, timeout_s=timeout_s, env=env)


def _logs(component: str) -> tuple[str, ...]:
    selector = f"app.kubernetes.io/component={component}"
    every = ("--all-containers", "--prefix", "--tail=-1", "--ignore-errors")
    return ("logs", "--namespace", "numalocal-system", "--selector", selector, *every)
