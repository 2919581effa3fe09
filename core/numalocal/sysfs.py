"""The only reader of /sys and /proc, under a root that tests and captures can move."""

import re
from dataclasses import dataclass
from pathlib import Path

from numalocal.errors import ListInvalid, MachineUnreadable
from numalocal.idset import IdSet

_CPU = Path("sys/devices/system/cpu")
_NODE = Path("sys/devices/system/node")
_MEMINFO_LINE = re.compile(r"(?:Node\s+\d+\s+)?([^:]+):\s+(\d+)(\s+kB)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sysfs:
    """A root directory that holds `sys` and `proc`; `/` on a live machine."""

    root: Path = Path("/")

    def online_cpus(self) -> IdSet:
        """Read /sys/devices/system/cpu/online.

        Raises:
            MachineUnreadable: where it is missing or malformed.
        """
        return self._list(_CPU / "online")

    def thread_siblings(self, cpu: int) -> IdSet | None:
        """Read cpuN/topology/thread_siblings_list: the online CPUs of one core, itself included.

        None where the kernel gives no topology for it.
        """
        return self._optional_list(_CPU / f"cpu{cpu}" / "topology" / "thread_siblings_list")

    def topology_id(self, cpu: int, name: str) -> int | None:
        """Read a number such as `core_id` from cpuN/topology; None where absent or -1."""
        text = self._optional(_CPU / f"cpu{cpu}" / "topology" / name)
        if text is None or not text.strip().isdigit():
            return None
        return int(text)

    def node_ids(self) -> IdSet:
        """List the nodeN directories; empty where the kernel knows no NUMA."""
        directory = self.root / _NODE
        if not directory.is_dir():
            return IdSet()
        names = (entry.name for entry in directory.iterdir())
        return IdSet.of(int(name[4:]) for name in names if re.fullmatch(r"node\d+", name))

    def node_cpus(self, node: int) -> IdSet:
        """Read nodeN/cpulist; empty for a memory-only node."""
        return self._list(_NODE / f"node{node}" / "cpulist")

    def node_distances(self, node: int) -> tuple[int, ...]:
        """Read nodeN/distance: one number per online node, in the order of node ids."""
        text = self._optional(_NODE / f"node{node}" / "distance") or ""
        return tuple(int(word) for word in text.split())

    def node_meminfo(self, node: int) -> dict[str, int]:
        """Read nodeN/meminfo: bytes by name, plain counts (HugePages_Total) as they are."""
        return self._meminfo(_NODE / f"node{node}" / "meminfo")

    def meminfo(self) -> dict[str, int]:
        """Read /proc/meminfo: bytes by name, plain counts as they are."""
        return self._meminfo(Path("proc/meminfo"))

    def huge_page_bytes(self, node: int) -> int:
        """Sum nodeN/hugepages over all page sizes, reserved pages whether used or not."""
        directory = self.root / _NODE / f"node{node}" / "hugepages"
        if not directory.is_dir():
            return 0
        total = 0
        for pool in directory.iterdir():
            match = re.fullmatch(r"hugepages-(\d+)kB", pool.name)
            count = self._optional(pool.relative_to(self.root) / "nr_hugepages")
            if match and count:
                total += int(match[1]) * 1024 * int(count)
        return total

    def _meminfo(self, path: Path) -> dict[str, int]:
        values: dict[str, int] = {}
        for line in (self._optional(path) or "").splitlines():
            if match := _MEMINFO_LINE.match(line):
                values[match[1]] = int(match[2]) * (1024 if match[3] else 1)
        return values

    def _optional(self, path: Path) -> str | None:
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise MachineUnreadable(f"{self.root / path}: {error.strerror}") from error

    def _optional_list(self, path: Path) -> IdSet | None:
        text = self._optional(path)
        if text is None:
            return None
        try:
            return IdSet.parse(text)
        except ListInvalid as error:
            raise MachineUnreadable(f"{self.root / path}: {error}") from error

    def _list(self, path: Path) -> IdSet:
        ids = self._optional_list(path)
        if ids is None:
            raise MachineUnreadable(
                f"{self.root / path} is missing: is {self.root} the root of a Linux machine?"
            )
        return ids
