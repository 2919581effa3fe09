"""The node's disk, kernel and initrd: Debian with systemd, a container runtime and our kubelet."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.artifacts import artifact, key
from lab.commands import LabError, run
from lab.runtimes import Runtime

FILES = Path(__file__).parent / "node" / "files"
SUITE = "trixie"
_DISK_SIZE = "12G"
_PACKAGES = (
    "systemd",
    "systemd-sysv",
    "udev",
    "dbus",
    "kmod",
    "procps",
    "iproute2",
    "nftables",
    "openssh-server",
    "containernetworking-plugins",
    "libgomp1",
    "python3-psutil",
    "python3-yaml",
    "linux-image-cloud-amd64",
)
_UNITS = ("lab-config", "kubelet", "kube-proxy", "containerd", "systemd-networkd", "ssh")
_MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "systemd-networkd-wait-online.service",
    "systemd-timesyncd.service",
    "getty@tty1.service",
)


def node_image(kubernetes: Path, runtime: Runtime) -> Path:
    """Give the folder with `disk.raw`, `root.tar` (the same files), `vmlinuz` and `initrd`.

    There is one for each version of Kubernetes and of the runtime.
    """
    programs = runtime.programs()
    made_of = (kubernetes.name, *(one.name for one in programs))
    digest = key(FILES, runtime.files, *made_of, Path(__file__))
    name = f"node-{runtime.name}-{kubernetes.name.rpartition('-')[0]}"
    return artifact(name, digest, lambda folder: _build(folder, kubernetes, runtime, programs))


def _build(folder: Path, kubernetes: Path, runtime: Runtime, programs: Sequence[Path]) -> None:
    root = folder / "root"
    tar = folder / "root.tar"
    run(
        [
            "mmdebstrap",
            "--variant=minbase",
            f"--include={','.join((*_PACKAGES, *runtime.packages))}",
            # Documentation and locales only slow the disk down.
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            f"--customize-hook=copy-in {FILES}/etc {runtime.files}/etc /",
            *(f'--customize-hook=install {one}/* "$1"/usr/local/bin' for one in programs),
            f'--customize-hook=chroot "$1" systemctl enable {" ".join(_UNITS)}',
            f'--customize-hook=chroot "$1" systemctl mask {" ".join(_MASKED)}',
            '--customize-hook=rm -f "$1"/etc/ssh/ssh_host_*',
            f'--customize-hook=install {kubernetes}/kubernetes "$1"/usr/local/bin/kubelet',
            '--customize-hook=ln "$1"/usr/local/bin/kubelet "$1"/usr/local/bin/kube-proxy',
            '--customize-hook=mkdir -p "$1"/root/.ssh',
            SUITE,
            str(tar),
        ]
    )
    root.mkdir()
    run(["tar", "--extract", "--file", tar, "--directory", root, "--numeric-owner"])
    _take_boot_files(root / "boot", folder)
    disk = folder / "disk.raw"
    run(["mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", root, "-m", "0", disk, _DISK_SIZE])
    subprocess.run(["rm", "-rf", "--one-file-system", str(root)], check=True)


def _take_boot_files(boot: Path, folder: Path) -> None:
    for prefix, name in (("vmlinuz-", "vmlinuz"), ("initrd.img-", "initrd")):
        found = sorted(boot.glob(f"{prefix}*"))
        if len(found) != 1:
            raise LabError(f"{boot}: {len(found)} files {prefix}*, one was expected")
        (folder / name).write_bytes(found[0].read_bytes())
