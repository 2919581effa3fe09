"""containerd's image store as a disk: filled natively, as emulation would take minutes for it."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.artifacts import artifact, key
from lab.commands import run

_DISK_SIZE = "8G"
_IMPORT = """
set -eu
mkdir -p /var/lib/containerd /run/containerd
containerd >/store/containerd.log 2>&1 &
pid=$!
for attempt in $(seq 100); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done
for archive in /store/*.tar; do
    ctr --namespace k8s.io images import "$archive" >/dev/null || {
        tail -n 5 /store/containerd.log >&2
        exit 1
    }
done
kill $pid
wait $pid
"""


def image_store(root: Path, archives: Sequence[Path]) -> Path:
    """Give the disk with the archives imported, by the containerd of the node's root archive."""
    made_of = (root.parent.name, *(archive.parent.name for archive in archives))
    digest = key(*made_of, Path(__file__))
    name = f"store-{root.parent.name.rpartition('-')[0].removeprefix('node-')}"
    return artifact(name, digest, lambda folder: _build(folder, root, archives)) / "images.raw"


def _build(folder: Path, root: Path, archives: Sequence[Path]) -> None:
    tree = folder / "root"
    (tree / "store").mkdir(parents=True)
    run(["tar", "--extract", "--file", root, "--directory", tree, "--numeric-owner"])
    for archive in archives:
        shutil.copy(archive, tree / "store")
    # A mount namespace of its own: what containerd mounts ends with it.
    apart = ["unshare", "--mount", "--pid", "--fork", f"--mount-proc={tree}/proc"]
    run([*apart, "chroot", tree, "sh", "-c", _IMPORT])
    disk = folder / "images.raw"
    filled = tree / "var" / "lib" / "containerd"
    run(["mke2fs", "-q", "-t", "ext4", "-L", "images", "-d", filled, "-m", "0", disk, _DISK_SIZE])
    subprocess.run(["rm", "-rf", "--one-file-system", str(tree)], check=True)
