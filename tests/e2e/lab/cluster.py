"""The whole lab: build, up, down."""

import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab import binaries, control_plane, images, network, packages
from lab import node as machine
from lab.artifacts import cache, exclusive
from lab.choices import Choices, chosen
from lab.commands import LabError, step, wait_for
from lab.handle import Lab
from lab.image_store import image_store
from lab.node_image import node_image
from lab.processes import Processes
from lab.shape import Shape

__all__ = ["Lab", "boot_again", "build", "down", "running", "up"]

_BOOT_TIMEOUT_S = 300
_PROCESSES = ("qemu", "etcd", *(f"kube-{name}" for name in control_plane.SERVERS), "forward")


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """Folders and files of the cache that a lab is made from."""

    kubernetes: Path
    helm: Path
    node: Path
    images: Path


def build(choices: Choices | None = None) -> Built:
    """Build what the cache does not have of what is chosen; minutes where it is empty.

    Without choices they are the environment's.

    Raises:
        LabError: naming what failed and what it said.
    """
    choices = choices or chosen(os.environ)
    packages.require()
    # Compilers want the processor, images wait for packages.
    with ThreadPoolExecutor(1) as beside:
        archives = beside.submit(lambda: [images.pause_image(), *images.project_images()])
        programs = binaries.kubernetes(choices.kubernetes)
        node = node_image(programs, choices.runtime)
        helm = binaries.helm()
    return Built(
        kubernetes=programs,
        helm=helm,
        node=node,
        images=image_store(node / "root.tar", archives.result()),
    )


def running() -> Lab | None:
    """Give the lab that is up, or None."""
    state = _state()
    whole = all(_processes(state).alive(name) for name in _PROCESSES)
    return Lab(state) if whole and (state / "ready").exists() else None


def up(choices: Choices | None = None) -> Lab:
    """Start the lab, or give the one that runs with these choices and today's builds.

    What is left of a lab that has died is removed first.

    Raises:
        LabError: naming the step that failed and where its log is.
    """
    choices = choices or chosen(os.environ)
    built = build(choices)
    with exclusive("lab"):
        lab = running()
        made_of = f"{choices.shape} {built}"
        if lab is not None and (lab.state / "ready").read_text() == made_of:
            return lab
        _down()
        lab = Lab(_state())
        try:
            _start(lab, choices.shape, built)
        except BaseException:
            print(f"lab: logs are in {lab.state / 'run'}", file=sys.stderr)
            raise
        (lab.state / "ready").write_text(made_of)
        return lab


def down() -> None:
    """End what `up` started, and only that; nothing where nothing runs."""
    with exclusive("lab"):
        _down()


def boot_again(lab: Lab, *, timeout_s: float) -> None:
    """Wait for the machine's end, which is made after a time, and start it as it was started."""
    lab.processes.send("ssh", signal.SIGTERM)
    try:
        wait_for("the node's end", lambda: not lab.processes.alive("qemu"), timeout_s=timeout_s)
    except LabError:
        lab.processes.send("qemu", signal.SIGKILL)
        wait_for("the node's end", lambda: not lab.processes.alive("qemu"), timeout_s=20)
    lab.processes.start_again("qemu")
    _wait_for_shell(lab.processes, lab.shell, lambda: lab.processes.start_again("qemu"))
    lab.shell.share(lab.processes)


def _down() -> None:
    state = _state()
    _processes(state).stop_all()
    if network.exists():
        network.remove()
    shutil.rmtree(state, ignore_errors=True)


def _start(lab: Lab, shape: Shape, built: Built) -> None:
    lab.state.mkdir(parents=True)
    _link_programs(lab.state / "bin", built)
    processes = _processes(lab.state)
    with step("making the network and the certificates"):
        network.create()
        authority = control_plane.certificates(lab.state / "pki")
        machine.new_key(lab.shell.key)
    disks = machine.new_disks(built.node, built.images, authority, lab.state)

    def boot() -> None:
        machine.boot(processes, built.node, shape, disks)

    boot()
    with step("starting the control plane"):
        admin = lab.state / "admin.kubeconfig"
        admin.write_text(authority.kubeconfig("admin", control_plane.SERVER))
        control_plane.start(processes, built.kubernetes, authority, lab.state, admin)
        server = f"https://127.0.0.1:{_forward(processes)}"
        lab.kubeconfig.write_text(authority.kubeconfig("admin", server))
        lab.kubeconfig.chmod(0o600)
    with step("booting the node"):
        _wait_for_shell(processes, lab.shell, boot)
        lab.shell.share(processes)
    with step("waiting for the node to be Ready"):
        wait_for("node Ready", lambda: _node_ready(lab), timeout_s=_BOOT_TIMEOUT_S, interval_s=1)
    with step("waiting for kube-proxy"):
        wait_for("a service from the node", lambda: _service_answers(lab), timeout_s=120)


def _wait_for_shell(processes: Processes, shell: machine.Shell, boot: Callable[[], None]) -> None:
    """Wait for a shell on the node; boot anew where the kernel has panicked.

    QEMU's emulation of several CPUs can run an instruction that the kernel has just patched away
    (an int3 of a static key): now and then the guest panics in its first seconds.
    """

    def answers() -> bool:
        if not processes.alive("qemu"):
            boot()
        return shell.run("true", timeout_s=30) == ""

    log = processes.directory / "console.log"
    wait_for(f"a shell on the node (see {log})", answers, timeout_s=_BOOT_TIMEOUT_S, interval_s=2)


def _node_ready(lab: Lab) -> bool:
    conditions = lab.kubectl_json("get", "node", control_plane.NODE_NAME)["status"]["conditions"]
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _service_answers(lab: Lab) -> bool:
    """Connect as a pod would; a node says Ready before kube-proxy has written its rules."""
    address = f"/dev/tcp/{control_plane.KUBERNETES_SERVICE}/443"
    return lab.node(f"timeout 5 bash -c '<{address}'") == ""


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


def _link_programs(folder: Path, built: Built) -> None:
    folder.mkdir()
    (folder / "kubectl").symlink_to(built.kubernetes / "kubectl")
    (folder / "helm").symlink_to(built.helm / "helm")


def _state() -> Path:
    return cache() / "lab"


def _processes(state: Path) -> Processes:
    return Processes(state / "run")
