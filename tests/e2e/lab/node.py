"""The node: its keys as a disk, QEMU in the lab's namespace, and a shell into it."""

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.certificates import Authority
from lab.commands import run
from lab.control_plane import NODE_NAME, SERVER
from lab.network import ENTER, NODE, TAP
from lab.processes import Processes
from lab.shape import Shape, arguments

_APPEND = (
    "root=/dev/vda rw console=ttyS0 quiet loglevel=4 systemd.show_status=0 "
    f"systemd.hostname={NODE_NAME} mitigations=off nokaslr panic=-1 tsc=reliable"
)


@dataclass(frozen=True, slots=True)
class Shell:
    """Commands on the node, as root, by ssh."""

    key: Path

    def run(self, command: str, *, timeout_s: float = 120) -> str:
        """Run a shell command and return its standard output.

        Raises:
            LabError: where it fails, with the end of what it said.
        """
        return run([*self._ssh(), command], timeout_s=timeout_s)

    def share(self, processes: Processes) -> None:
        """Open the connection that all commands share from now on.

        A key exchange under emulation takes a second.  It is a process of the lab like any other,
        so it ends with it; where it has died, every command connects by itself.
        """
        processes.start("ssh", self._ssh("-o", "ControlMaster=yes", "-N"))

    def _ssh(self, *more: str) -> list[str]:
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "ConnectTimeout": "20",
            "ControlPath": str(self.key.with_name("ssh")),
        }
        flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        # No file of the user's: a connection that lives on its own would outlive the lab.
        return [*ENTER, "ssh", "-F", "none", "-i", str(self.key), *flags, *more, f"root@{NODE}"]


def new_key(private: Path) -> None:
    """Make a key pair; the public half lies beside the private one, with .pub."""
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", private])


def new_disks(image: Path, store: Path, authority: Authority, state: Path) -> list[str]:
    """Make fresh overlays of the node's disk and of its images, and the disk with its own keys.

    Returns QEMU's arguments for them, in the order in which the node names them.
    """
    config = state / "node-config.tar"
    config.write_bytes(config_disk(authority, (state / "node-key.pub").read_text()))
    return [
        *_overlay(image / "disk.raw", state / "node.qcow2"),
        *("-drive", f"file={config},if=virtio,format=raw,readonly=on"),
        *_overlay(store, state / "images.qcow2"),
    ]


def _overlay(disk: Path, overlay: Path) -> list[str]:
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", disk, "-F", "raw", overlay])
    return ["-drive", f"file={overlay},if=virtio,format=qcow2,cache=unsafe"]


def boot(processes: Processes, image: Path, shape: Shape, disks: list[str]) -> None:
    """Start QEMU in the lab's namespace; returns at once.  A kernel panic ends it."""
    command = command_line(image, shape, disks, processes.directory / "console.log")
    processes.start("qemu", [*ENTER, *command])


def command_line(image: Path, shape: Shape, disks: Sequence[str], console: Path) -> list[str]:
    """Give QEMU's command line."""
    command = ["qemu-system-x86_64", *arguments(shape), "-nodefaults", "-display", "none"]
    command += ["-no-reboot", "-serial", f"file:{console}"]
    command += ["-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd")]
    command += ["-append", _APPEND, *disks]
    command += ["-netdev", f"tap,id=net0,ifname={TAP},script=no,downscript=no"]
    return [*command, "-device", "virtio-net-pci,netdev=net0", "-device", "virtio-rng-pci"]


def config_disk(authority: Authority, public_key: str) -> bytes:
    """Pack the node's identity as a tar archive, padded to whole blocks for a disk."""
    folder = authority.folder
    files = {
        "etc/kubernetes/ca.crt": authority.certificate.read_text(),
        "etc/kubernetes/kubelet.crt": (folder / "kubelet.crt").read_text(),
        "etc/kubernetes/kubelet.key": (folder / "kubelet.key").read_text(),
        "etc/kubernetes/kubelet.kubeconfig": authority.kubeconfig("kubelet", SERVER),
        "etc/kubernetes/proxy.kubeconfig": authority.kubeconfig("proxy", SERVER),
        "root/.ssh/authorized_keys": public_key,
    }
    host_key = folder / "ssh_host_ed25519_key"
    new_key(host_key)
    files[f"etc/ssh/{host_key.name}"] = host_key.read_text()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            entry.mode = 0o600
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()
