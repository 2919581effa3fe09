"""Machines that are not here, and where numalocal places a vLLM on them."""

from functools import cache
from typing import Any, Final

from captured import TRUTHS, unpacked
from numalocal.host.placement import Placement, place
from numalocal.machine.discovery import discover
from numalocal.machine.model import Machine
from numalocal.machine.sysfs import Sysfs
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool, Size
from numalocal.worker.spec import Worker, parse_worker
from simulated import MACHINES, written

X86, ARM, POWER, S390X = "cpus-256", "graviton4", "power9-smt8", "s390x-drawers"
NAMES: Final = {
    X86: "x86_64",
    "24em64t-2n6c2t": "x86_64",
    ARM: "aarch64",
    "128arm-2pa2n8cluster4co": "aarch64",
    POWER: "ppc64le",
    "256ppc-8n8s4t": "ppc64le",
    S390X: "s390x",
    "20s390-2g6s4c": "s390x",
}
"""One simulated machine and one captured of each architecture, which not every capture tells."""


@cache
def machine_named(name: str) -> Machine:
    root = unpacked(name) if name in TRUTHS else written(MACHINES[name])
    return discover(Sysfs(root))._replace(architecture=NAMES[name])


def worker(ranks: int = 1, *, image: str = "vllm", **spec: Any) -> Worker:
    engine = {"name": "engine", "image": image, "command": ["vllm", "serve"]}
    template = {"spec": {"containers": [engine]}}
    given = {"engine": {"name": "vllm"}, "ranks": ranks, "template": template, **spec}
    return parse_worker({"metadata": {"name": "test"}, "spec": given})


def placed(one: Worker, machine: Machine, size: Size) -> tuple[Placement, ...]:
    return place(one, machine, partition(machine, [Pool(name="cpuset", size=size, reserve=0)]))
