"""A machine without a cluster: the node's kernel and disk, any NUMA shape, one script."""

import re
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

from lab.commands import LabError, run

_APPEND = (
    "root=/dev/vda rw console=ttyS0 quiet loglevel=4 init=/etc/lab/bare "
    "mitigations=off nokaslr panic=-1 tsc=reliable"
)
_STATUS = re.compile(r"^ended with status (\d+)\s*\Z", re.MULTILINE)
_ATTEMPTS = 3


def run_script(
    image: Path,
    shape: list[str],
    script: str,
    files: Mapping[str, Path],
    folder: Path,
    *,
    timeout_s: float = 240,
) -> str:
    """Boot a machine, run a shell script in it as root, and return what it printed.

    `image` is the node's, `shape` QEMU's arguments for CPUs, memory and NUMA nodes.  `files` are
    put beside the script, which is run in their folder; folders are taken whole.  `folder` keeps
    disk and logs.

    Raises:
        LabError: where the machine does not come up, or the script fails, with what it said.
    """
    disk = folder / "script.tar"
    with tarfile.open(disk, "w") as archive:
        path = folder / "script"
        path.write_text(script, encoding="utf-8")
        for name, source in {"script": path, **files}.items():
            archive.add(source, name, filter=_without_caches)
    for _ in range(_ATTEMPTS):  # emulation panics now and then: see cluster.py
        printed = _boot(image, shape, disk, folder, timeout_s)
        if match := _STATUS.search(printed):
            if match[1] == "0":
                return printed[: match.start()]
            raise LabError(f"the script ended with status {match[1]}: {printed[-2000:]}")
    raise LabError(f"the machine did not end its script; its logs are in {folder}")


def _boot(image: Path, shape: list[str], disk: Path, folder: Path, timeout_s: float) -> str:
    overlay, out = folder / "disk.qcow2", folder / "out.log"
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", image / "disk.raw", "-F", "raw", overlay])
    command = ["qemu-system-x86_64", *shape, "-nodefaults", "-display", "none", "-no-reboot"]
    command += ["-serial", f"file:{folder / 'console.log'}", "-serial", f"file:{out}"]
    command += ["-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd")]
    command += ["-append", _APPEND]
    command += ["-drive", f"file={overlay},if=virtio,format=qcow2,cache=unsafe"]
    command += ["-drive", f"file={disk},if=virtio,format=raw,readonly=on"]
    with subprocess.Popen(command) as machine:
        try:
            machine.wait(timeout_s)
        except subprocess.TimeoutExpired:
            machine.kill()
    return out.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n")


def _without_caches(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else entry
