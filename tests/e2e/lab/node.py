"""The node: its keys as a disk, QEMU in the lab's namespace, and a shell into it."""

import io
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from lab.certificates import Authority
from lab.commands import LabError, run
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

    def run(self, command: str, *, timeout_s: float = 120, stdin: Path | None = None) -> str:
        """Run a shell command and return its standard output.

        Raises:
            LabError: where it fails, with the end of what it said.
        """
        with (stdin or Path("/dev/null")).open("rb") as given:
            try:
                done = subprocess.run(
                    [*self._ssh(), command],
                    stdin=given,
                    capture_output=True,
                    timeout=timeout_s,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise LabError(f"on the node: {command}: no end after {timeout_s:.0f} s") from error
        if done.returncode != 0:
            said = (done.stderr + done.stdout).decode(errors="replace").strip()[-2000:]
            raise LabError(f"on the node: {command}: status {done.returncode}: {said}")
        return done.stdout.decode(errors="replace")

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


def new_disks(image: Path, authority: Authority, state: Path) -> tuple[Path, Path]:
    """Make a fresh overlay of the node's disk, and the disk with the node's own keys."""
    overlay = state / "node.qcow2"
    backing = ["-b", image / "disk.raw", "-F", "raw"]
    run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, overlay])
    config = state / "node-config.tar"
    config.write_bytes(config_disk(authority, (state / "node-key.pub").read_text()))
    return overlay, config


def boot(processes: Processes, image: Path, shape: Shape, disks: tuple[Path, Path]) -> None:
    """Start QEMU in the lab's namespace; returns at once.  A kernel panic ends it."""
    overlay, config = disks
    command = ["qemu-system-x86_64", *arguments(shape), "-nodefaults", "-display", "none"]
    command += ["-no-reboot", "-serial", f"file:{processes.directory}/console.log"]
    command += ["-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd")]
    command += ["-append", _APPEND]
    command += ["-drive", f"file={overlay},if=virtio,format=qcow2,cache=unsafe"]
    command += ["-drive", f"file={config},if=virtio,format=raw,readonly=on"]
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
