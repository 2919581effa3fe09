"""What the kernel says of a running process tree: CPUs and nodes allowed, pages per node."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from numalocal.idset import IdSet, union

_ALLOWED = re.compile(r"^(Cpus|Mems)_allowed_list:\s*(\S*)$", re.MULTILINE)
_NODE_PAGES = re.compile(r"\bN(\d+)=(\d+)")
_PAGE_KIB = re.compile(r"\bkernelpagesize_kB=(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at a process and its descendants.

    `thread_cpus` has the allowed CPUs of every thread (Cpus_allowed_list), in no useful order.
    `mems` are the nodes its cpuset allows (Mems_allowed_list).  `bytes_on_node` counts private
    memory only (`anon=` mappings of /proc/PID/numa_maps): shared files lie where their first
    reader was.  It is empty where the kernel knows no NUMA.
    """

    thread_cpus: tuple[IdSet, ...]
    mems: IdSet
    bytes_on_node: Mapping[int, int]

    @property
    def cpus(self) -> IdSet:
        """CPUs that any thread may use."""
        return union(self.thread_cpus)


def observe(pid: int, proc: Path = Path("/proc")) -> Observation | None:
    """Look at a process and all its descendants; None once it is gone."""
    threads: list[IdSet] = []
    mems = IdSet()
    placed: Counter[int] = Counter()
    for process in _tree(pid, proc):
        try:
            for task in sorted((process / "task").iterdir()):
                cpus, nodes = _allowed(task)
                threads.append(cpus)
                mems |= nodes
            placed.update(bytes_on_node((process / "numa_maps").read_text(encoding="utf-8")))
        except (FileNotFoundError, ProcessLookupError):
            continue  # a process that ended, or a kernel without NUMA
    if not threads:
        return None
    return Observation(thread_cpus=tuple(threads), mems=mems, bytes_on_node=dict(placed))


def bytes_on_node(numa_maps: str) -> Counter[int]:
    """Sum a process's private memory by node.

    The format is the kernel's: Documentation/filesystems/proc.rst, `numa_maps`.
    """
    placed: Counter[int] = Counter()
    for line in numa_maps.splitlines():
        if " anon=" not in line:
            continue
        size = _PAGE_KIB.search(line)
        page_bytes = int(size[1]) * 1024 if size else 4096
        for node, pages in _NODE_PAGES.findall(line):
            placed[int(node)] += int(pages) * page_bytes
    return placed


def _allowed(task: Path) -> tuple[IdSet, IdSet]:
    lists = dict(_ALLOWED.findall((task / "status").read_text(encoding="utf-8")))
    return IdSet.parse(lists.get("Cpus", "")), IdSet.parse(lists.get("Mems", ""))


def _tree(pid: int, proc: Path) -> Iterator[Path]:
    """Yield the directory of a process and of each descendant."""
    process = proc / str(pid)
    try:
        children = [
            int(child)
            for task in (process / "task").iterdir()
            for child in (task / "children").read_text(encoding="ascii").split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return
    yield process
    for child in children:
        yield from _tree(child, proc)
