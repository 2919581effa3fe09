"""What the kernel says of running processes: CPUs and nodes allowed, pages per node."""

import errno
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from numalocal.idset import IdSet

_MEMS = re.compile(rb"^Mems_allowed_list:\s*(\S*)$", re.MULTILINE)
_NODE_PAGES = re.compile(r"\bN(\d+)=(\d+)")
_PAGE_KIB = re.compile(r"\bkernelpagesize_kB=(\d+)")
_ANON_PAGES = re.compile(r" anon=(\d+)")
_POLICY = re.compile(r"^(weighted \S+|prefer \(many\)\S*|\S+)")
_GONE = (errno.ENOENT, errno.ESRCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A thread that may run on CPUs outside its set, which are `cpus`; `name` is the thread's."""

    pid: int
    thread: int
    name: str
    cpus: IdSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at the processes of a replica.

    `cpus` are those that any of the `threads` may use (sched_getaffinity), whatever each used
    last.  `strays` counts the threads that may leave the set, `stray` is one of them.  `mems` are
    the nodes that the cpuset allows (Mems_allowed_list).  `bytes_on_node` counts private memory
    only (`anon=` of /proc/PID/numa_maps): pages of files lie where their first reader was.  It is
    empty where the kernel knows no NUMA.  `bytes_by_policy` counts the same by the memory
    policy that holds there, in the kernel's words: `default`, `interleave:0-1`.  `unread` says what
    could not be looked at, a sentence each.
    """

    threads: int
    cpus: IdSet
    mems: IdSet
    bytes_on_node: Mapping[int, int]
    bytes_by_policy: Mapping[str, int] = field(default_factory=dict)
    strays: int = 0
    stray: Stray | None = None
    unread: tuple[str, ...] = ()


def observe(pids: Iterable[int], allowed: IdSet, proc: Path = Path("/proc")) -> Observation | None:
    """Look at processes that should stay on the CPUs allowed; None where all are gone."""
    look = _Look(allowed, proc)
    for pid in pids:
        look.at_process(pid)
    return look.observation()


def bytes_on_node(numa_maps: str) -> Counter[int]:
    """Sum a process's private memory by node.

    The format is the kernel's: Documentation/filesystems/proc.rst, `numa_maps`.
    """
    placed: Counter[int] = Counter()
    for (_, node), size_bytes in _private(numa_maps).items():
        placed[node] += size_bytes
    return placed


def bytes_by_policy(numa_maps: str) -> Counter[str]:
    """Sum the same by the policy of each mapping: its own, or that of the process."""
    placed: Counter[str] = Counter()
    for (policy, _), size_bytes in _private(numa_maps).items():
        placed[policy] += size_bytes
    return placed


def _private(numa_maps: str) -> Counter[tuple[str, int]]:
    """Sum private memory by policy and node.

    Mappings that are alike but for their address are read once: a process may have 100,000.  The
    kernel escapes blanks, newlines and `=` in names of files, and nothing else: what other text
    takes for the end of a line is none here.
    """
    alike = Counter(line.partition(" ")[2] for line in numa_maps.split("\n") if " anon=" in line)
    placed: Counter[tuple[str, int]] = Counter()
    for mapping, times in alike.items():
        for policy, node, size_bytes in _of_mapping(mapping):
            placed[policy, node] += size_bytes * times
    return placed


def _of_mapping(mapping: str) -> Iterator[tuple[str, int, int]]:
    """Give policy, node and bytes of a mapping's private memory, node by node.

    Of a file that is mapped privately the pages not yet written to are the file's.  A mapping has
    one line for both and does not say which are where: what cannot be but private is counted.
    """
    anon, size, policy = (one.search(mapping) for one in (_ANON_PAGES, _PAGE_KIB, _POLICY))
    page_bytes = int(size[1]) * 1024 if size else 4096
    on_node = [(int(node), int(pages)) for node, pages in _NODE_PAGES.findall(mapping)]
    of_file = sum(pages for _, pages in on_node) - (int(anon[1]) if anon else 0)
    for node, pages in on_node:
        if pages > of_file:
            yield policy[1] if policy else "", node, (pages - of_file) * page_bytes


class _Look:
    """A look that is being taken, process by process."""

    def __init__(self, allowed: IdSet, proc: Path) -> None:
        self._allowed = frozenset(allowed)
        self._proc = proc
        self._knows_numa = (proc / "self" / "numa_maps").exists()
        self._threads = 0
        self._cpus: set[int] = set()
        self._mems = IdSet()
        self._placed: Counter[int] = Counter()
        self._policies: Counter[str] = Counter()
        self._strays: list[Stray] = []
        self._unread: list[str] = []

    def observation(self) -> Observation | None:
        if self._threads == 0 and not self._unread:
            return None
        return Observation(
            threads=self._threads,
            cpus=IdSet(self._cpus),
            mems=self._mems,
            bytes_on_node=dict(self._placed),
            bytes_by_policy=dict(self._policies),
            strays=len(self._strays),
            stray=self._strays[0] if self._strays else None,
            unread=tuple(self._unread),
        )

    def at_process(self, pid: int) -> None:
        folder = self._proc / str(pid)
        try:
            threads = sorted(int(task.name) for task in os.scandir(folder / "task"))
        except OSError as error:
            self._missed(pid, "threads and memory", error)
            return
        for thread in threads:
            try:
                self._at_thread(pid, thread)
            except OSError as error:
                self._missed(pid, "threads", error)
        try:
            self._at_memory(folder, threads)
        except OSError as error:
            self._missed(pid, "memory", error)

    def _at_thread(self, pid: int, thread: int) -> None:
        # A hundred times quicker than /proc/PID/task/TID/status, and no process may hide it.
        cpus = os.sched_getaffinity(thread)
        if outside := cpus - self._allowed:
            task = self._proc / str(pid) / "task" / str(thread)
            if not task.exists():
                return  # it has ended, and its id may be another's by now
            self._strays.append(
                Stray(pid=pid, thread=thread, name=_name(task), cpus=IdSet(outside))
            )
        self._threads += 1
        self._cpus |= cpus

    def _at_memory(self, folder: Path, threads: Sequence[int]) -> None:
        if found := _MEMS.search((folder / "status").read_bytes()):
            self._mems |= IdSet.parse(found[1].decode())
        if self._knows_numa:
            for (policy, node), size_bytes in _private(_numa_maps(folder, threads)).items():
                self._placed[node] += size_bytes
                self._policies[policy] += size_bytes

    def _missed(self, pid: int, what: str, error: OSError) -> None:
        """Note what may not be read; a process that has ended meanwhile is no matter."""
        if error.errno not in _GONE or (error.errno == errno.ENOENT and _exists(pid)):
            why = "/proc hides it" if error.errno == errno.ENOENT else error.strerror
            name = _name(self._proc / str(pid))
            self._unread.append(f"the {what} of {name} (pid {pid}) could not be looked at: {why}")


def _numa_maps(folder: Path, threads: Sequence[int]) -> str:
    """Read a process's pages; by another thread where its first has ended before the rest."""
    for thread in threads:
        try:
            pages = (folder / "task" / str(thread) / "numa_maps").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if pages:
            # Names of files may be in any encoding.
            return pages.decode("utf-8", "replace")
    return ""


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _name(folder: Path) -> str:
    """Give the name of a process or thread, quoted: the kernel keeps 15 bytes of it, whatever."""
    try:
        return repr((folder / "comm").read_bytes().decode("utf-8", "replace").removesuffix("\n"))
    except OSError:
        return "a process"
