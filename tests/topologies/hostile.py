"""Spoil a machine's files at random, and put them back: the same seed spoils the same files."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"

ADDED = (
    f"{CPU}/online",
    f"{CPU}/present",
    f"{CPU}/isolated",
    f"{CPU}/nohz_full",
    f"{CPU}/smt/control",
    f"{CPU}/cpu#/online",
    f"{CPU}/cpu#/cpu_capacity",
    f"{CPU}/cpu#/cpufreq/base_frequency",
    f"{CPU}/cpu#/regs/identification/midr_el1",
    f"{CPU}/cpu#/topology/thread_siblings",
    f"{CPU}/cpu#/topology/core_cpus_list",
    f"{CPU}/cpu#/topology/core_siblings_list",
    f"{CPU}/cpu#/topology/die_cpus_list",
    f"{CPU}/cpu#/topology/cluster_cpus",
    f"{CPU}/cpu#/topology/book_siblings_list",
    f"{CPU}/cpu#/cache/index3/level",
    f"{CPU}/cpu#/cache/index3/shared_cpu_list",
    f"{NODE}/online",
    f"{NODE}/has_normal_memory",
    "sys/bus/dax/drivers/kmem/dax#.0/target_node",
    f"{NODE}/node#/cpulist",
    f"{NODE}/node#/cpumap",
    f"{NODE}/node#/meminfo",
    f"{NODE}/node#/distance",
    f"{NODE}/node#/cpu#",
    f"{NODE}/node#/hugepages/hugepages-2048kB/nr_hugepages",
    "sys/devices/cpu_core/cpus",
    "sys/devices/cpu_atom/cpus",
    "sys/devices/cpu_lowpower/cpus",
    "sys/fs/cgroup/cpuset.cpus.effective",
    "sys/fs/cgroup/cpuset.mems.effective",
    "sys/fs/cgroup/cpuset.cpus.isolated",
    "sys/fs/cgroup/cpu.max",
    "sys/fs/cgroup/memory.max",
    "sys/fs/cgroup/memory.stat",
    "proc/self/cgroup",
    "proc/self/status",
    "proc/self/cpuset",
    "proc/mounts",
    "proc/meminfo",
    "proc/cpuinfo",
    "proc/sys/kernel/arch",
    "proc/driver/nvidia/gpus/0/numa_status",
)
"""Files that discovery reads; `#` is some id."""

TEXTS = (
    "",
    "0",
    "1",
    "-1",
    "-20",
    "0-3",
    "0,2,4",
    "3-1",
    "0-8191",
    "8192",
    "0-99999999999",
    "1,",
    "x",
    "on",
    "off",
    "(null)",
    "ffffffff",
    "00000000,0000000f",
    "f," * 500,
    "0," * 5000 + "0",
    "9" * 5000,
    "10 20 30 40",
    "10 -5",
    "0 0 0 0 0 0 0 0",
    "0x00000000410fd4f0",
    "0x" + "f" * 40,
    "\x00" * 20,
    "\x1b[2J\x1b]0;owned\x07",
    "\u202e\u0660\u0661\u00b2\u2028",
    "<svg onload=x>&amp;]]>",
    "Node 0 MemTotal: 99999999999999999999 kB",
    "Node 0 MemTotal: 1 kB\nNode 0 MemTotal: -1 kB\n: 5\nMemTotal",
    "MemTotal: 4096 kB\nHugePages_Total: 999999\nHugepagesize: 2048 kB",
    "Cpus_allowed_list:\t0-1\nMems_allowed_list:\t9",
    "Cpus_allowed_list:\t\nMems_allowed:\tzz",
    "0::/a/../../..",
    "0::/\x1b[31m\n5:cpuset:",
    "7:cpuset,cpu:/x\n0::/y\n:::",
    "c /sys/fs/cgroup cgroup2 rw\nc / cgroup cpuset 0\nc",
    "max 100000",
    "400000 0",
    "1" * 400 + " 100000",
    "Node: 1\nStatus: online",
)


@contextmanager
def spoilt(root: Path, random: Random) -> Iterator[list[str]]:
    """Do up to eight harms to the files below a root, say which, and undo them."""
    kept = Path(f"{root}.kept")
    kept.mkdir()
    done: list[tuple[Path, Path | None]] = []
    told = []
    files = sorted(path for path in root.rglob("*") if not path.is_dir() or path.is_symlink())
    try:
        for number in range(random.randint(1, 8)):
            target = _target(root, files, random)
            if not os.path.lexists(root) or any(one.is_symlink() for one in target.parents):
                continue
            undo = _put_aside(target, kept / str(number))
            done.append(undo)
            told.append(f"{target.relative_to(root)}: {_harm(target, files, random)}")
        yield told
    finally:
        for target, original in reversed(done):
            _remove(target)
            if original is not None:
                original.rename(target)
        shutil.rmtree(kept)


def _target(root: Path, files: list[Path], random: Random) -> Path:
    """Choose a file that is there, a folder above one, or one that may not be there yet."""
    path = random.choice(files)
    match random.randrange(8):
        case 0:
            folders = path.relative_to(root).parents
            return root / random.choice([one for one in folders if one.name] or [path])
        case 1 | 2 | 3:
            name = random.choice(ADDED)
            while "#" in name:
                name = name.replace("#", str(random.choice((0, 1, 2, 3, 5, 16, 1023, 8191))), 1)
            return root / name
        case _:
            return path


def _put_aside(target: Path, original: Path) -> tuple[Path, Path | None]:
    """Keep what is there; tell what to remove later, the first of the folders that are made."""
    if os.path.lexists(target):
        target.rename(original)
        return target, original
    made = target
    while not os.path.lexists(made.parent):
        made = made.parent
    if made.parent.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        return made, None
    # A file stands where a folder should: the harm is done to that.
    made.parent.rename(original)
    target.parent.mkdir(parents=True)
    return made.parent, original


def _harm(target: Path, files: list[Path], random: Random) -> str:
    kind = random.choice(("gone", "folder", "fifo", "loop", "device", "other", *["text"] * 6))
    match kind:
        case "gone":
            pass
        case "folder":
            target.mkdir()
        case "fifo":
            os.mkfifo(target)
        case "loop":
            target.symlink_to(target.name)
        case "device":
            target.symlink_to(random.choice(("/dev/zero", "/dev/tty", "/dev/null", "..")))
        case "other":
            other = random.choice(files)
            target.write_bytes(other.read_bytes() if other.is_file() else b"")
            return f"as {other.name}"
        case _:
            text = random.choice((*TEXTS, random.randbytes(random.randint(1, 40))))
            target.write_bytes(text if isinstance(text, bytes) else f"{text}\n".encode())
            return repr(text[:40])
    return kind


def _remove(target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
