"""Machines and plans as nobody would write them: random, and the same again for the same seed."""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

GIB = 1 << 30
NODE = "sys/devices/system/node"
MOUNT = "sys/fs/cgroup"

NUMBERS = ("0", "1", "-1", "max", "8589934592", "9223372036854771712", "18446744073709551616", "x")
USUAL_LISTS = ("0", "1", "0-1", "2-3")
LISTS = ("0", "0-1", "2-3", "0,2", "1-0", "8191", "8192", "0-8191", "", "-", ",", "0-", "9" * 400)
POLICIES = ("preferred", "interleave", "weighted-interleave", "bind", "none")
SPOILS: tuple[bytes, ...] = (
    b"",
    b"\0",
    b"\n\n\n",
    b"\x1b[31m\x9b\r",
    bytes(range(256)),
    b"9" * 5000,
    b"a" * 70_000,
)


class Hostile:
    """One random tree and environment after the other, in one folder.

    Where nothing is spoilt, all are texts in files, whatever they say.
    """

    def __init__(self, seed: int, folder: Path, *, spoilt: bool = True) -> None:
        self._chance = random.Random(seed)
        self._folder = folder
        self._spoilt = spoilt
        self._cpus = self._mems = ""

    def roots(self, count: int) -> Iterator[Path]:
        """Lay out machine after machine; each is gone when the next comes."""
        for _ in range(count):
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir()
            self._machine()
            (self._folder / "environ").write_bytes(self._environment())
            yield self._folder

    def _machine(self) -> None:
        self._cpus, self._mems = self._list(0.03), self._list(0.03)
        allowed = f"Cpus_allowed_list:\t{self._cpus}\nMems_allowed_list:\t{self._mems}\n"
        self._lay("proc/self/status", allowed, absent=0.01, spoilt=0.02)
        self._lay("proc/meminfo", self._meminfo(""), absent=0.3)
        if self._chance.random() < 0.8:
            self._lay(f"{NODE}/online", self._list(0.2), absent=0.3)
            for node in range(self._chance.choice((0, 2, 4, 4))):
                self._node(node)
        self._lay("proc/self/numa_maps", self._maps(), absent=0.2)
        self._cgroups()

    def _maps(self) -> str:
        word = self._chance.choice(("default", "interleave", "bind", "prefer (many)", "local", "x"))
        flags = self._chance.choice(("", "", "=", "=static", "=static|balancing", "=y"))
        nodes = self._chance.choice(("", f":{self._mems}", f":{self._list(0.5)}"))
        mark = self._chance.choice((" stack", " stack", " stack N0=1", " heap", ""))
        return f"1000 default\n7ffc000 {word}{flags}{nodes}{mark}\n"

    def _node(self, node: int) -> None:
        folder = f"{NODE}/node{node}"
        self._lay(f"{folder}/meminfo", self._meminfo(f"Node {node} "))
        for size in self._some(("2048", "1048576", "x", "99999999999999999999")):
            pages = self._number("512")
            self._lay(f"{folder}/hugepages/hugepages-{size}kB/nr_hugepages", pages)

    def _meminfo(self, start: str) -> str:
        names = ("MemTotal", "MemFree", "MemAvailable", "Hugetlb", "Active(file)", "SReclaimable")
        return "".join(
            f"{start}{name}: {self._number('67108864')} kB\n"
            for name in names
            if self._chance.random() < 0.97
        )

    def _cgroups(self) -> None:
        paths = (
            "/",
            "/a",
            "/a/b",
            "/docker/x",
            "/../x",
            "/a//b/" if self._spoilt else "/a/b/",
            self._number("/x"),
        )
        lines = (f"0::{self._chance.choice(paths)}", f"4:memory:{self._chance.choice(paths)}")
        joined = f"5:blkio,memory:{self._chance.choice(paths)}"
        own = "\n".join(self._some((*lines, joined, self._number("1:name=systemd:/"))))
        self._lay("proc/self/cgroup", own, absent=0.1)
        for mount in self._some(("", "/unified", "/memory", "/memory,blkio", "/cpu,memory")):
            for level in self._some(("", "/a", "/a/b", "/x", "/docker/x")):
                self._level(f"{MOUNT}{mount}{level}")

    def _level(self, folder: str) -> None:
        for name in self._some(("memory.max", "memory.high", "memory.limit_in_bytes")):
            self._lay(f"{folder}/{name}", self._number(str(64 * GIB)))
        for name in self._some(("memory.current", "memory.usage_in_bytes", "cgroup.procs")):
            self._lay(f"{folder}/{name}", self._number(str(64 * GIB)))
        for name in self._some(("cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us")):
            self._lay(f"{folder}/{name}", self._number("50000 100000"))
        if self._chance.random() < 0.7:
            self._lay(f"{folder}/cpuset.cpus", self._cpus)
            self._lay(f"{folder}/cpuset.mems", self._mems)
        stat = f"inactive_file {self._chance.choice(NUMBERS)}\ntotal_active_file 1\n"
        self._lay(f"{folder}/memory.stat", stat, absent=0.5)
        self._lay(f"{folder}/memory.use_hierarchy", self._chance.choice(NUMBERS), absent=0.7)

    def _list(self, odd: float) -> str:
        return self._chance.choice(LISTS if self._chance.random() < odd else USUAL_LISTS)

    def _number(self, usual: str) -> str:
        return usual if self._chance.random() < 0.95 else self._chance.choice(NUMBERS)

    def _some(self, values: tuple[str, ...]) -> list[str]:
        return [one for one in values if self._chance.random() < 0.5]

    def _lay(self, path: str, text: str, *, absent: float = 0.03, spoilt: float = 0.02) -> None:
        """Write a file; sometimes none, or one that is none of the kernel's."""
        file = self._folder / path
        chance = self._chance.random()
        if chance < absent:
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            if self._spoilt and chance > 1 - spoilt:
                self._spoil(file)
            else:
                file.write_text(text + self._chance.choice(("\n", "\n", "\n", "")))
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            return  # something hostile is there already

    def _spoil(self, file: Path) -> None:
        spoils: tuple[Callable[[], object], ...] = (
            file.mkdir,
            lambda: os.mkfifo(file),
            lambda: file.symlink_to(self._chance.choice(("/dev/zero", "nowhere", file.name, "/"))),
            lambda: file.write_bytes(bytes(10 << 20)),
            lambda: file.write_bytes(self._chance.choice(SPOILS)),
        )
        self._chance.choice(spoils)()

    def _environment(self) -> bytes:
        ranks = self._chance.choice((1, 1, 2, 3, 700))
        entries = {
            "CPUS": self._cpus,
            "MEMS": self._mems,
            "RANKS": self._number(str(ranks)),
            "RANK_CPUS": self._parts(self._cpus, ranks),
            "RANK_MEMS": self._parts(self._mems[:1], ranks),
            "RANK_COMPUTE_CPUS": self._parts(self._cpus, ranks),
            "MEMORY_PER_RANK_BYTES": self._number(str(GIB)),
            "ENFORCEMENT": self._number(self._chance.choice(("Required", "BestEffort"))),
            "MEMORY_POLICY": self._number(self._chance.choice(POLICIES)),
            "MEMORY_POLICY_NODES": self._mems,
            "MEMORY_OVERFLOW": "1",
        }
        kept = {name: one for name, one in entries.items() if self._chance.random() < 0.97}
        if self._chance.random() < 0.1:
            kept.pop("CPUS", None)
        raw = {name: value.encode() for name, value in kept.items()}
        if kept and self._chance.random() < 0.1:
            name = self._chance.choice(list(kept))
            raw[name] = self._chance.choice(SPOILS).replace(b"\0", b"\1")
        return b"".join(b"NUMALOCAL_%s=%s\0" % (key.encode(), one) for key, one in raw.items())

    def _parts(self, usual: str, count: int) -> str:
        odd = self._chance.choice((0, 0, 0.01))
        return "|".join(
            usual if self._chance.random() > odd else self._list(0.5) for _ in range(count)
        )
