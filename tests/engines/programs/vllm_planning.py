"""Let vLLM itself plan: `vllm_planning FOLDER`, the machine as JSON on standard input.

FOLDER has two of vLLM's files, vllm/utils/{cpu_resource_utils,ompmultiprocessing}.py; stand-ins
here are all else that they import.  The environment is this process's own.  What vLLM would ask
the kernel and lscpu comes with the request: `machine`, `lscpu`, `affinity`, `files` by their paths
(any other does not exist) and `memory_bytes`; and the number of `ranks`.
"""

import enum
import importlib
import io
import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from types import ModuleType, SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

RUNTIMES: Final = ("libiomp5.so", "libgomp.so.1", "")
"""What LD_PRELOAD may hold; vLLM takes it for the OpenMP runtime."""

CpuArchEnum = enum.Enum("CpuArchEnum", ["X86", "ARM", "POWERPC", "S390X", "RISCV", "OTHER"])
PREFIXES: Final = (
    ("x86", CpuArchEnum.X86),
    ("aarch64", CpuArchEnum.ARM),
    ("ppc", CpuArchEnum.POWERPC),
    ("s390x", CpuArchEnum.S390X),
    ("riscv", CpuArchEnum.RISCV),
)


def stand_in(name: str, **attributes: Any) -> ModuleType:
    """Make a module that holds these alone."""
    module = ModuleType(name)
    vars(module).update(attributes)
    sys.modules[name] = module
    return module


def load(folder: str, given: Mapping[str, Any]) -> tuple[Any, Any]:
    """Import vLLM's two modules, and nothing else of it."""
    architecture = next(
        (one for prefix, one in PREFIXES if given["machine"].startswith(prefix)), CpuArchEnum.OTHER
    )
    platform = SimpleNamespace(is_cpu=lambda: True, get_cpu_architecture=lambda: architecture)
    memory = SimpleNamespace(total=given["memory_bytes"], available=given["memory_bytes"])
    reserved = os.environ.get("VLLM_CPU_NUM_OF_RESERVED_CPU")
    envs = stand_in(
        "vllm.envs",
        VLLM_CPU_OMP_THREADS_BIND=os.environ.get("VLLM_CPU_OMP_THREADS_BIND", "auto"),
        VLLM_CPU_NUM_OF_RESERVED_CPU=None if reserved is None else int(reserved),
    )
    stand_in("vllm", __path__=[f"{folder}/vllm"], envs=envs)
    stand_in("vllm.utils", __path__=[f"{folder}/vllm/utils"])
    stand_in("vllm.logger", init_logger=logging.getLogger)
    stand_in("vllm.platforms", CpuArchEnum=CpuArchEnum, current_platform=platform)
    stand_in("psutil", virtual_memory=lambda: memory)
    sys.modules["regex"] = re
    resources = importlib.import_module("vllm.utils.cpu_resource_utils")
    return resources, importlib.import_module("vllm.utils.ompmultiprocessing")


class Kernel:
    """What vLLM sees of the machine; `affinity` is that of the process it believes to be."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.affinity: set[int] = set(given["affinity"])
        self._machine: str = given["machine"]
        self._lscpu = json.dumps({"cpus": given["lscpu"]})
        self._files: Mapping[str, str] = given["files"]

    def shown(self, stack: ExitStack) -> None:
        """Show it in place of this machine's own."""
        stack.enter_context(patch("builtins.open", self._open))
        stack.enter_context(patch("os.path.exists", self._files.__contains__))
        stack.enter_context(patch("os.sched_getaffinity", lambda _pid: self.affinity))
        stack.enter_context(patch("platform.machine", lambda: self._machine))
        stack.enter_context(patch("subprocess.check_output", lambda *_, **__: self._lscpu))

    def _open(self, path: str) -> io.StringIO:
        known = path.replace(f"/proc/{os.getpid()}/", "/proc/self/")
        if known not in self._files:
            raise FileNotFoundError(path)
        return io.StringIO(self._files[known])


def planned(processes: Any, ranks: int, preload: str) -> Any:
    """Make vLLM's own plan for the workers of an engine."""
    parallel = SimpleNamespace(
        local_world_size=ranks, data_parallel_rank_local=None, _api_process_count=1
    )
    config = SimpleNamespace(parallel_config=parallel, kv_transfer_config=None)
    with patch.dict(os.environ, {"LD_PRELOAD": preload}):
        return processes.OMPProcessManager(config)


def told(manager: Any, rank: int) -> Mapping[str, str]:
    """Give the variables that a rank's process is started with, beside its parent's."""
    before = dict(os.environ)
    with manager.configure_omp_envs(rank, rank):
        added = {name: value for name, value in os.environ.items() if before.get(name) != value}
    assert dict(os.environ) == before
    return added


def node_of(resources: Any, kernel: Kernel, cpus: list[int]) -> int | None:
    """Give the node of the first CPU that a worker has, once OpenMP has pinned its main thread."""
    if not cpus:
        return None
    with patch.object(kernel, "affinity", {cpus[0]}):
        return int(resources.get_allowed_cpu_list()[0].numa_node)


def main() -> None:
    """Answer one request."""
    given = json.load(sys.stdin)
    resources, processes = load(sys.argv[1], given)
    kernel = Kernel(given)
    ranks = range(given["ranks"])
    with ExitStack() as stack:
        kernel.shown(stack)
        managers = {preload: planned(processes, len(ranks), preload) for preload in RUNTIMES}
        lists = managers[""].cpu_lists
        nodes = resources.get_visible_memory_node()
        answer = {
            "cpu_lists": lists,
            "told": {
                preload: [told(one, rank) for rank in ranks] for preload, one in managers.items()
            },
            "visible_nodes": nodes,
            "first_nodes": [node_of(resources, kernel, cpus) for cpus in lists],
            "memory_bytes": [resources.get_memory_node_info(node).total_memory for node in nodes],
        }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
