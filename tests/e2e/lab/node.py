"""The node: its keys as a disk, QEMU in the lab's namespace, and a shell into it."""

import io
import tarfile
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
    f"systemd.hostname={NODE_NAME} mitigations=off nokaslr panic=-1"
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

    def _ssh(self) -> list[str]:
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "ConnectTimeout": "20",
            # One connection for all commands: a key exchange under emulation takes a second.
            "ControlMaster": "auto",
            "ControlPath": f"{self.key.parent}/ssh-%C",
            "ControlPersist": "600",
        }
        flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return [*ENTER, "ssh", "-i", str(self.key), *flags, f"root@{NODE}"]


def new_shell(state: Path) -> Shell:
    """Make the key pair that opens the node."""
    private = state / "node-key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", private])
    return Shell(private)


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
    command = ["qemu-system-x86_64", *arguments(shape), "-nodefaults", "-display", "none"]
    command += ["-no-reboot", "-serial", f"file:{processes.directory}/console.log"]
    command += ["-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd")]
    command += ["-append", _APPEND, *disks]
    command += ["-netdev", f"tap,id=net0,ifname={TAP},script=no,downscript=no"]
    command += ["-device", "virtio-net-pci,netdev=net0", "-device", "virtio-rng-pci"]
    processes.start("qemu", [*ENTER, *command])


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
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host_key])
    files[f"etc/ssh/{host_key.name}"] = host_key.read_text()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            entry.mode = 0o600
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()
