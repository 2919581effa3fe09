"""Machines laid out as a dictionary of files, small ones that people have met in the field.

`simulated` tells what a whole machine is made of, and its answer; here a few lines say what is odd
about a machine, and any file can be changed before it is written.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from simulated.text import listed, masked

CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"
CGROUP = "sys/fs/cgroup"
GIB_KB = 1 << 20

Files = dict[str, str | None]
"""Text by path; None is a directory without anything in it."""


def far(cores: int, threads: int = 2) -> list[tuple[int, ...]]:
    """Number the first threads of all cores before the second ones."""
    return [tuple(core + thread * cores for thread in range(threads)) for core in range(cores)]


def near(cores: int, threads: int = 2, first: int = 0) -> list[tuple[int, ...]]:
    """Number the threads of a core side by side."""
    return [
        tuple(first + core * threads + thread for thread in range(threads)) for core in range(cores)
    ]


def single(cores: int) -> list[tuple[int, ...]]:
    return near(cores, threads=1)


def machine(
    cores: Sequence[tuple[int, ...]],
    *,
    nodes: Mapping[int, Iterable[int]] | None = None,
    memory_gib: Mapping[int, int] | None = None,
    offline: Iterable[int] = (),
    smt: str | None = None,
    capacity: Callable[[int], int] | None = None,
    base_khz: Callable[[int], int] | None = None,
    distance: Callable[[int, int], int] = lambda one, other: 10 if one == other else 20,
) -> Files:
    """Lay out a machine; `nodes` maps ids to places in `cores`, one node has all without it."""
    nodes = nodes or {0: range(len(cores))}
    gone = set(offline)
    cpus = sorted(cpu for core in cores for cpu in core)
    files: Files = {f"{CPU}/present": listed(cpus), f"{CPU}/possible": listed(cpus)}
    files[f"{CPU}/online"] = listed(set(cpus) - gone)
    if smt:
        files[f"{CPU}/smt/control"] = smt
    for place, core in enumerate(cores):
        for cpu in core:
            files |= _cpu(cpu, core, place, gone)
            if capacity and cpu not in gone:
                files[f"{CPU}/cpu{cpu}/cpu_capacity"] = str(capacity(place))
            if base_khz and cpu not in gone:
                files[f"{CPU}/cpu{cpu}/cpufreq/base_frequency"] = str(base_khz(place))
    sizes = {node: (memory_gib or {}).get(node, 64) for node in nodes}
    files[f"{NODE}/online"] = listed(nodes)
    for node, places in nodes.items():
        own = [cpu for place in places for cpu in cores[place]]
        directory = f"{NODE}/node{node}"
        files[f"{directory}/cpulist"] = listed(set(own) - gone)
        files[f"{directory}/distance"] = " ".join(str(distance(node, other)) for other in nodes)
        files[f"{directory}/meminfo"] = f"Node {node} MemTotal: {sizes[node] * GIB_KB} kB"
        files |= {f"{directory}/cpu{cpu}": None for cpu in own}
    files["proc/meminfo"] = f"MemTotal: {sum(sizes.values()) * GIB_KB} kB"
    return files


def _cpu(cpu: int, core: tuple[int, ...], place: int, gone: set[int]) -> Files:
    if cpu in gone:
        return {f"{CPU}/cpu{cpu}/online": "0"}
    topology = f"{CPU}/cpu{cpu}/topology"
    return {
        f"{CPU}/cpu{cpu}/online": "1",
        f"{topology}/core_id": str(place),
        f"{topology}/physical_package_id": "0",
        f"{topology}/thread_siblings_list": listed(set(core) - gone),
    }


def confined(cpus: str, *, group: str = "/", effective: str | None = None) -> Files:
    """Give the files of a process with an affinity, in a cgroup of version 2."""
    files: Files = {
        "proc/self/status": f"Name:\tx\nCpus_allowed_list:\t{cpus}\nMems_allowed_list:\t0",
        "proc/self/cgroup": f"0::{group}",
    }
    if effective is not None:
        files[f"{CGROUP}{group}".rstrip("/") + "/cpuset.cpus.effective"] = effective
    return files


def with_masks_alone(files: Files, width: int) -> Files:
    """Turn the lists of siblings, caches and nodes into masks under the kernel's newer names."""
    renamed = {
        "thread_siblings_list": "core_cpus",
        "core_siblings_list": "package_cpus",
        "shared_cpu_list": "shared_cpu_map",
        "cpulist": "cpumap",
    }
    made: Files = {}
    for path, text in files.items():
        folder, _, name = path.rpartition("/")
        if name in renamed and text is not None:
            made[f"{folder}/{renamed[name]}"] = masked(_ids(text), width)
        else:
            made[path] = text
    return made


def _ids(text: str) -> list[int]:
    ends = [part.partition("-") for part in text.split(",") if part]
    return [one for low, _, high in ends for one in range(int(low), int(high or low) + 1)]


def lay_out(root: Path, files: Files) -> Path:
    """Write the files below a directory."""
    for name, text in files.items():
        path = root / name
        (path if text is None else path.parent).mkdir(parents=True, exist_ok=True)
        if text is not None:
            path.write_text(f"{text}\n", encoding="utf-8")
    return root
