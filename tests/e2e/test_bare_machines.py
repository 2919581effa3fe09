"""The binder and `numalocal run` on machines of their own, as root with cgroup version 2."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lab import bare, cluster

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
PAGES = 256 * MIB
"""What the example engine touches in these tests."""

Machine = Callable[..., str]

LOOK = """
import json, subprocess, sys, time
from pathlib import Path
from numalocal.host.observation import bytes_on_node, observe

def pages(pid):
    return dict(bytes_on_node(Path(f"/proc/{pid}/numa_maps").read_text()))

def touched(command, before=lambda pid: None, after=lambda pid: None):
    engine = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while sum(pages(engine.pid).values()) < 256 << 20 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    found = pages(engine.pid)
    after(engine.pid)
    moved = pages(engine.pid)
    engine.kill()
    engine.wait()
    return found, moved

ENGINE = ["numalocal-decode", "--weights", "256Mi", "--seconds", "0"]
"""


def shape(nodes: list[tuple[str, int]], cpus: int) -> list[str]:
    """Give QEMU's arguments for nodes of (CPUs, "" = none; MiB)."""
    made = ["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", f"{cpus}"]
    made += ["-m", f"{sum(size for _, size in nodes)}M"]
    for node, (own, size) in enumerate(nodes):
        made += ["-object", f"memory-backend-ram,id=ram{node},size={size}M", "-numa"]
        cpus_of_node = "".join(f",cpus={part}" for part in own.split(",") if part)
        made += [f"node,nodeid={node}{cpus_of_node},memdev=ram{node}"]
    return made


FOUR_NODES = shape([("0", 900), ("1", 700), ("2-3", 700), ("", 700)], 4)
"""Three nodes with CPUs, and one of memory alone."""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    image = cluster.build().node
    files = {"numalocal": ROOT / "core" / "numalocal"} | {
        name: ROOT / "build" / name for name in ("numalocal-bind", "numalocal-decode")
    }

    def script(arguments: list[str], text: str, **more: Path) -> str:
        return bare.run_script(image, arguments, text, {**files, **more}, tmp_path)

    return script


def in_python(text: str) -> str:
    return f"cat >look.py <<'END'\n{LOOK}\n{text}\nEND\nPYTHONPATH=. python3 look.py\n"


def parsed(printed: str) -> Any:
    return json.loads(printed.strip().splitlines()[-1])


def share(placed: Mapping[str, float], node: int) -> float:
    return placed.get(str(node), 0) / sum(placed.values())


def test_pages_lie_where_each_policy_puts_them(machine: Machine) -> None:
    """On four nodes, one of them without CPUs; cpu 0 is on node 0."""
    found = parsed(
        machine(
            FOUR_NODES,
            in_python(
                """
policies = {
    "none": [],
    "bind": ["--mems", "1", "--policy", "bind"],
    "bind to memory alone": ["--mems", "3", "--policy", "bind"],
    "preferred": ["--mems", "2", "--policy", "preferred"],
    "interleave": ["--mems", "0-3", "--policy", "interleave"],
    "weighted": ["--mems", "0-1", "--policy", "weighted-interleave"],
}
Path("/sys/kernel/mm/mempolicy/weighted_interleave/node0").write_text("3")
print(json.dumps({
    name: touched(["numalocal-bind", "exec", "--cpus", "0", *flags, "--", *ENGINE])[0]
    for name, flags in policies.items()
}))
"""
            ),
        )
    )

    assert all(sum(placed.values()) >= PAGES for placed in found.values())
    assert share(found["none"], 0) > 0.99
    assert share(found["bind"], 1) > 0.99
    assert share(found["bind to memory alone"], 3) > 0.99
    assert share(found["preferred"], 2) > 0.99
    assert all(0.24 < share(found["interleave"], node) < 0.27 for node in range(4))
    assert 0.74 < share(found["weighted"], 0) < 0.77


CHECKED = """
import os, subprocess

def checked(cpus, mems, policy, nodes, **more):
    plan = {
        "CPUS": cpus, "MEMS": mems, "RANKS": "1", "RANK_CPUS": cpus, "RANK_MEMS": mems,
        "MEMORY_POLICY": policy, "MEMORY_POLICY_NODES": nodes, **more,
    }
    command = ["numalocal-bind", "exec", "--cpus", cpus, "--mems", nodes, "--policy", policy]
    report = json.loads(subprocess.run(
        [*command, "--", "numalocal-bind", "check"],
        env=dict(os.environ, **{f"NUMALOCAL_{name}": value for name, value in plan.items()}),
        capture_output=True, text=True, check=True,
    ).stdout)
    return report["memoryPolicy"], report.get("overflow")
"""


def test_the_check_finds_each_policy_and_measures_what_an_overflow_costs(machine: Machine) -> None:
    """It measures where nearly all pages are on the nodes that it means them for."""
    found = parsed(
        machine(
            FOUR_NODES,
            in_python(
                f"""
{CHECKED}
asked = [
    ("bind", "1"), ("preferred", "3"), ("preferred", "0,3"),
    ("interleave", "0,2-3"), ("weighted-interleave", "1,3"),
]
policies = [checked("0", "0-3", *one)[0] for one in asked]
for _ in range(12):  # emulation takes its two seconds, now and then
    rates = checked("0", "0-3", "interleave", "0-1", MEMORY_OVERFLOW="1")[1]
    if None not in rates.values():
        break
print(json.dumps([asked, policies, rates]))
"""
            ),
        )
    )

    asked, policies, rates = found
    assert policies == [{"mode": mode, "nodes": nodes} for mode, nodes in asked]
    assert None not in rates.values(), rates
    assert all(rate > MIB for rate in rates.values())


def test_of_nodes_in_turn_a_full_one_leaves_its_part_to_the_others(machine: Machine) -> None:
    """What the check counts on: 700 MiB do not need 350 on a node of 300."""
    found = parsed(
        machine(
            shape([("0-1", 1200), ("", 300)], 2),
            in_python(
                """
engine = subprocess.Popen([
    "numalocal-bind", "exec", "--mems", "0-1", "--policy", "interleave", "--",
    "numalocal-decode", "--weights", "700Mi", "--seconds", "0",
], stdout=subprocess.DEVNULL)
deadline = time.monotonic() + 60
while sum(pages(engine.pid).values()) < 700 << 20 and time.monotonic() < deadline:
    time.sleep(0.1)
print(json.dumps([engine.poll(), pages(engine.pid)]))
engine.kill()
"""
            ),
        )
    )

    ended, placed = found
    assert ended is None
    assert sum(placed.values()) >= 700 * MIB
    assert 200 * MIB < placed["1"] < 300 * MIB


def test_pages_that_were_touched_move_with_the_cpuset(machine: Machine) -> None:
    """What the agent does to a container that it finds unbound: the kernel moves its memory."""
    before, after = parsed(
        machine(
            FOUR_NODES,
            in_python(
                """
from numalocal.host.cgroups import Cgroup
from numalocal.idset import IdSet

group = Cgroup("moved", IdSet.of([0]), IdSet.of([0]))

def narrow(pid):
    (group.path / "cpuset.mems").write_text("1")
    deadline = time.monotonic() + 60
    while (found := pages(pid)).get(1, 0) < 0.99 * sum(found.values()):
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)

command = group.command(["numalocal-decode", "--weights", "256Mi", "--seconds", "0"])
print(json.dumps(touched(command, after=narrow)))
group.remove()
assert not group.path.exists()
"""
            ),
        )
    )

    assert share(before, 0) > 0.99
    assert share(after, 1) > 0.99


def test_a_node_beyond_the_first_word_of_a_mask_is_bound(machine: Machine) -> None:
    """128 nodes: ids that need a second and a third word of the kernel's masks."""
    nodes = [("0-1", 700), *[("", 8)] * 127]
    nodes[70], nodes[127] = ("", 400), ("", 400)
    found = parsed(
        machine(
            shape(nodes, 2),
            in_python(
                """
print(json.dumps([
    touched(["numalocal-bind", "exec", "--mems", node, "--policy", "bind", "--", *ENGINE])[0]
    for node in ("70", "127")
]))
"""
            ),
        )
    )

    assert share(found[0], 70) > 0.99
    assert share(found[1], 127) > 0.99


WORKER = """
apiVersion: numalocal.io/v1alpha1
kind: CpuInferenceWorker
metadata: {name: decode}
spec:
  replicas: 2
  engine: {name: openmp, openMP: gnu}
  memory: {perRank: 200Mi}
  template:
    spec:
      containers:
        - name: engine
          command: [numalocal-decode, --weights, 128Mi, --seconds, "8"]
"""


def test_run_gives_each_replica_a_cgroup_of_its_own(machine: Machine, tmp_path: Path) -> None:
    worker = tmp_path / "worker.yaml"
    worker.write_text(WORKER)

    printed = machine(
        shape([("0-1", 900), ("2-3", 900)], 4),
        "export PYTHONPATH=.\n"
        "python3 -m numalocal.cli run -f worker.yaml &\n"
        "cd /sys/fs/cgroup\n"
        "until [ $(cat numalocal/*/cgroup.procs 2>/dev/null | wc -l) = 2 ]; do sleep 0.1; done\n"
        "for group in numalocal/*/; do"
        " echo group $(cat $group/cpuset.cpus.effective $group/cpuset.mems.effective); done\n"
        "wait $!\n"
        "ls -d /sys/fs/cgroup/numalocal/*/ 2>/dev/null | wc -l\n",
        **{"worker.yaml": worker},
    )

    assert "\ngroup 1 0\n" in printed
    assert "\ngroup 3 1\n" in printed
    assert "bound by a cgroup of its own, /sys/fs/cgroup/numalocal" in printed
    assert "allowed 0" in printed
    assert "allowed 1" in printed
    assert "verified: 2 replicas, every thread on its own CPUs" in printed
    assert printed.rstrip().splitlines()[-1] == "0"


TIERS = """
apiVersion: numalocal.io/v1alpha1
kind: CpuInferenceWorker
metadata: {name: decode}
spec:
  memory: MEMORY
  template:
    spec:
      containers:
        - name: engine
          command: [numalocal-decode, --weights, 256Mi, --seconds, "6"]
"""
ON_NODE_0 = "pools: [{name: cpuset, size: 1, reserve: 0, nodes: [0]}]\n"
MEMORY = {
    "overflow": "{perRank: 1000Mi, onOverflow: Interleave}",
    "refused": "{perRank: 1000Mi}",
    "tier alone": "{nodes: MemoryOnly}",
    "tier first": "{nodes: MemoryOnly, policy: Preferred}",
    "by weights": "{nodes: Near, policy: WeightedInterleave}",
}
"""By case what a worker on node 0 asks of its memory; node 3 has no CPUs."""


def test_run_takes_memory_from_where_a_worker_asks_for_it(machine: Machine, tmp_path: Path) -> None:
    files = {f"{number}.yaml": tmp_path / f"{number}.yaml" for number in range(len(MEMORY))}
    for path, asked in zip(files.values(), MEMORY.values(), strict=True):
        path.write_text(TIERS.replace("MEMORY", asked))
    pools = tmp_path / "pools.yaml"
    pools.write_text(ON_NODE_0)

    printed = machine(
        FOUR_NODES,
        "export PYTHONPATH=.\n"
        "echo 3 >/sys/kernel/mm/mempolicy/weighted_interleave/node0\n"
        "for worker in ?.yaml; do\n"
        "  echo === $worker\n"
        "  python3 -m numalocal.cli run -f $worker --pools pools.yaml || echo status $?\n"
        "done\n",
        **{"pools.yaml": pools, **files},
    )

    ran = dict(zip(MEMORY, printed.split("=== ")[1:], strict=True))
    found = {
        name: {node: float(size) for node, size in re.findall(r"N(\d)=([\d.]+) MiB", said)}
        for name, said in ran.items()
    }
    assert "status 1" in ran.pop("refused")
    assert all("\nverified: 1 replica, " in said for said in ran.values()), printed
    assert all(0.23 < share(found["overflow"], node) < 0.27 for node in range(4))
    assert share(found["tier alone"], 3) > 0.98
    assert share(found["tier first"], 3) > 0.98
    assert 0.73 < share(found["by weights"], 0) < 0.77
