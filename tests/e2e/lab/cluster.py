"""The whole lab: up, down, and the handle that the tests hold."""

import json
import os
import shutil
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import binaries, control_plane, images, network, packages
from lab import node as machine
from lab.artifacts import cache
from lab.commands import LabError, run, step, wait_for
from lab.image_store import image_store
from lab.node_image import node_image
from lab.processes import Processes
from lab.shape import TWO_NODES, Shape

_BOOT_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Lab:
    """A running lab.  `kubeconfig` works from the host; `programs` has kubectl and helm."""

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
        return self._shell().run(command, timeout_s=timeout_s)

    def restart(self, unit: str) -> None:
        """Restart a systemd unit of the node and wait until it is active."""
        self.node(f"systemctl restart {unit} && systemctl is-active {unit}", timeout_s=180)

    def collect_logs(self, folder: Path) -> None:
        """Copy what explains a failure: logs of both sides, pods and events."""
        folder.mkdir(parents=True, exist_ok=True)
        for log in (self.state / "run").glob("*.log"):
            shutil.copy(log, folder)
        for name, take in self._remote_logs().items():
            try:
                text = take()
            except LabError as error:
                text = str(error)
            (folder / f"{name}.log").write_text(text)

    def _remote_logs(self) -> dict[str, Any]:
        system = ("--namespace", "numalocal-system", "--all-containers", "--prefix", "--tail=-1")
        return {
            "kubelet": lambda: self.node("journalctl --no-pager --unit kubelet"),
            "containerd": lambda: self.node("journalctl --no-pager --unit containerd"),
            "kernel": lambda: self.node("journalctl --no-pager --dmesg"),
            "agent": lambda: self.kubectl(
                "logs", *system, "--selector", "app.kubernetes.io/component=agent"
            ),
            "operator": lambda: self.kubectl(
                "logs", *system, "--selector", "app.kubernetes.io/component=operator"
            ),
            "pods": lambda: self.kubectl("describe", "pods", "--all-namespaces"),
            "workers": lambda: self.kubectl("get", "ciw", "--all-namespaces", "--output", "yaml"),
            "events": lambda: self.kubectl("get", "events", "--all-namespaces"),
        }

    def _shell(self) -> machine.Shell:
        return machine.Shell(self.state / "node-key")

    def _run(
        self, program: str, arguments: Sequence[str], stdin: str | None, timeout_s: float
    ) -> str:
        env = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        path = self.state / "bin" / program
        return run([path, *arguments], stdin=stdin, timeout_s=timeout_s, env=env)


def running() -> Lab | None:
    """Give the lab that is up, or None."""
    state = _state()
    whole = all(_processes(state).alive(name) for name in ("qemu", "kube-apiserver", "forward"))
    return Lab(state) if whole and (state / "ready").exists() else None


def up(shape: Shape = TWO_NODES) -> Lab:
    """Start the lab, or give the one that runs with this shape and today's images.

    Raises:
        LabError: naming the step that failed and where its log is.
    """
    packages.require()
    programs, helm = binaries.kubernetes(), binaries.helm()
    image = node_image(programs)
    store = image_store(image / "root.tar", [images.pause_image(), *images.project_images()])
    made_of = f"{shape} {store}"
    lab = running()
    if lab is not None and (lab.state / "ready").read_text() == made_of:
        return lab
    down()
    lab = Lab(_state())
    state = lab.state
    state.mkdir(parents=True)
    _link_programs(state / "bin", programs, helm)
    try:
        _start(lab, shape, programs, image, store)
    except BaseException:
        print(f"lab: logs are in {state / 'run'}", file=sys.stderr)
        raise
    (state / "ready").write_text(made_of)
    return lab


def down() -> None:
    """End what `up` started, and only that; nothing where nothing runs."""
    state = _state()
    _processes(state).stop_all()
    if network.exists():
        network.remove()
    shutil.rmtree(state, ignore_errors=True)


def _start(lab: Lab, shape: Shape, programs: Path, image: Path, store: Path) -> None:
    processes = _processes(lab.state)
    with step("making the network and the certificates"):
        network.create()
        authority = control_plane.certificates(lab.state / "pki")
        shell = machine.new_shell(lab.state)
    disks = machine.new_disks(image, store, authority, lab.state)
    machine.boot(processes, image, shape, disks)
    admin = lab.state / "admin.kubeconfig"
    admin.write_text(authority.kubeconfig("admin", control_plane.SERVER))
    with step("starting the control plane"):
        control_plane.start(processes, programs, authority, lab.state, admin)
        port = _forward(processes)
        server = f"https://127.0.0.1:{port}"
        lab.kubeconfig.write_text(authority.kubeconfig("admin", server))
        lab.kubeconfig.chmod(0o600)
    with step("booting the node"):
        _boot(processes, shell, lambda: machine.boot(processes, image, shape, disks))
    with step("waiting for the node to be Ready"):
        wait_for("node Ready", lambda: _node_ready(lab), timeout_s=_BOOT_TIMEOUT_S, interval_s=1)


def _boot(processes: Processes, shell: machine.Shell, again: Callable[[], None]) -> None:
    """Wait for a shell on the node; boot anew where the kernel has panicked.

    QEMU's emulation of several CPUs can run an instruction that the kernel has just patched away
    (an int3 of a static key): the guest then panics in its first seconds, about one time in five.
    """

    def answers() -> bool:
        if not processes.alive("qemu"):
            again()
        return shell.run("true", timeout_s=30) == ""

    log = processes.directory / "console.log"
    wait_for(f"a shell on the node (see {log})", answers, timeout_s=_BOOT_TIMEOUT_S, interval_s=2)


def _node_ready(lab: Lab) -> bool:
    conditions = lab.kubectl_json("get", "node", control_plane.NODE_NAME)["status"]["conditions"]
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _forward(processes: Processes) -> int:
    """Open a port on the host's loopback that leads to the API server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        script = Path(__file__).parent / "forward.py"
        target = [network.CONTROL_PLANE, str(control_plane.PORT)]
        processes.start(
            "forward",
            [*network.ENTER, sys.executable, script, str(listener.fileno()), *target],
            pass_fds=[listener.fileno()],
        )
        port: int = listener.getsockname()[1]
        return port


def _link_programs(folder: Path, programs: Path, helm: Path) -> None:
    folder.mkdir()
    (folder / "kubectl").symlink_to(programs / "kubectl")
    (folder / "helm").symlink_to(helm / "helm")


def _state() -> Path:
    return cache() / "lab"


def _processes(state: Path) -> Processes:
    return Processes(state / "run")
