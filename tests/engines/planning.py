"""Ask what vLLM itself would do in a container: its planning, as setup/vllm.sh fetches it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from numalocal.idset import IdSet
from numalocal.machine.model import Machine

VERSIONS: Final = tuple(
    (Path(__file__).parent / "vllm-versions.txt").read_text(encoding="utf-8").split()
)
"""Oldest first."""
PROGRAMS: Final = Path(__file__).parent
_MEMINFO: Final = ("MemTotal", "MemFree", "Active(file)", "Inactive(file)", "SReclaimable")


def cache() -> Path:
    """Give the folder of what the set-up scripts install."""
    return Path(os.environ.get("NUMALOCAL_CACHE") or Path.home() / ".cache" / "numalocal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What an engine's process may use of a machine."""

    machine: Machine
    cpus: IdSet
    mems: IdSet
    limit_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What vLLM would do; all by rank.

    `told` are the variables of each rank's process by what LD_PRELOAD holds, `visible_nodes` the
    nodes that it believes to have, `first_nodes` that of the first CPU of each rank, None where it
    has none, and `memory_bytes` the memory of each visible node of which it takes its fraction.
    """

    cpu_lists: Sequence[Sequence[int]]
    told: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    visible_nodes: Sequence[int]
    first_nodes: Sequence[int | None]
    memory_bytes: Sequence[int]

    @property
    def memory_nodes(self) -> list[int | None]:
        """Give the node to which each worker binds its memory.

        That of its first CPU (vllm/v1/worker/cpu_worker.py); vLLM counts s390x's books as nodes,
        and takes the first visible node where there is none of that number.
        """
        seen = set(self.visible_nodes)
        return [
            node if node is None or node in seen else self.visible_nodes[0]
            for node in self.first_nodes
        ]


def ask(version: str, container: Container, ranks: int, told: Mapping[str, str]) -> Answer:
    """Let one version of vLLM plan in a container with these variables."""
    folder = cache() / "vllm-planning" / version
    if not (folder / "vllm").is_dir():
        pytest.skip("run `make test-engines`")
    done = subprocess.run(
        [sys.executable, "-m", "programs.vllm_planning", str(folder)],
        input=json.dumps(_request(container, ranks)),
        env={**told, "PYTHONPATH": str(PROGRAMS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Answer(**json.loads(done.stdout))


def _request(container: Container, ranks: int) -> dict[str, Any]:
    machine = container.machine
    files = {"/proc/self/status": f"Name:\tvllm\nMems_allowed_list:\t{container.mems}\n"}
    for node in machine.nodes:
        path = f"/sys/devices/system/node/node{node.id}/meminfo"
        files[path] = _meminfo(node.id, node.memory_bytes or 0)
    if container.limit_bytes is not None:
        files["/sys/fs/cgroup/memory.max"] = f"{container.limit_bytes}\n"
        files["/sys/fs/cgroup/memory.current"] = "4096\n"
    return {
        "machine": machine.architecture,
        "lscpu": _lscpu(machine),
        "affinity": list(container.cpus),
        "files": files,
        "memory_bytes": sum(node.memory_bytes or 0 for node in machine.nodes),
        "ranks": ranks,
    }


def _meminfo(node: int, size: int) -> str:
    """Write a node's memory, of which half is free."""
    kib = dict.fromkeys(_MEMINFO, 0) | {"MemTotal": size >> 10, "MemFree": size >> 11}
    return "".join(f"Node {node} {name + ':':<15}{value:8} kB\n" for name, value in kib.items())


def _lscpu(machine: Machine) -> list[dict[str, int]]:
    """List the online CPUs as `lscpu --json` does, which numbers cores from 0 over the machine."""
    sockets = [package.cpus for package in machine.packages]
    return [
        {
            "cpu": cpu,
            "core": number,
            "node": core.numa_nodes.first,
            "socket": _place(cpu, sockets),
            "book": _place(cpu, machine.books),
        }
        for number, core in enumerate(machine.cores)
        for cpu in core.cpus & machine.online
    ]


def _place(cpu: int, groups: Sequence[IdSet]) -> int:
    return next((number for number, cpus in enumerate(groups) if cpu in cpus), 0)
