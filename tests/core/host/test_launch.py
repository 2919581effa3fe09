"""Replicas of a binder that binds nothing: what is started is ended."""

import os
import subprocess
import sys
from pathlib import Path

CORE = Path(__file__).parents[3] / "core"
BINDER = """#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""
START = """
import os, sys, time
from pathlib import Path
from numalocal.errors import LaunchFailed
from numalocal.host import launch, processes
from numalocal.host.placement import Placement
from numalocal.host.replica import Replica
from numalocal.idset import IdSet
from numalocal.sets.assignment import Assignment
from numalocal.sets.cpusets import CpuSet
from numalocal.sets.memoryask import MemoryPolicy
from numalocal.sets.reach import Reach

cpus = IdSet(os.sched_getaffinity(0))
one = CpuSet(
    id="a", pool="p", cpus=cpus, present=cpus, numa_node=0, memory_nodes=IdSet([0]), memory_bytes=1
)
lines = []

def replica(*command, **environment):
    placement = Placement(
        replica=0,
        assignment=Assignment.of([one]),
        reach=Reach(
            mems=IdSet([0]),
            policy=MemoryPolicy.BIND,
            policy_nodes=IdSet(),
            rank_mems=(IdSet([0]),),
        ),
        command=command,
        environment={"NUMALOCAL_RANK_CPUS": str(cpus), **environment},
        notes=(),
    )
    return Replica(Path(sys.argv[1]), placement, lines.append, cgroup=None, inherited=2)

def started(replicas):
    while len(lines) < replicas:
        time.sleep(0.01)
"""


def in_python(folder: Path, code: str) -> str:
    binder = folder / "binder"
    binder.write_text(BINDER)
    binder.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", START + code, str(binder)],
        env={**os.environ, "PYTHONPATH": str(CORE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_start_that_fails_leaves_no_other_replica(tmp_path: Path) -> None:
    code = """
def fails():
    started(2)  # so that what must not be left is there
    return replica("sleep", "60", **{"A=B": "no name of a variable"})

sleeper = lambda: replica("sh", "-c", "(sleep 60 &); echo ready; exec sleep 60")
try:
    launch.start([sleeper, sleeper, fails])
except LaunchFailed as error:
    print(error)
print(processes.children(os.getpid()))
"""
    said, left = in_python(tmp_path, code).splitlines()

    assert said.endswith("/binder: cannot be started: illegal environment variable name")
    assert left == "[]"


def test_a_fault_while_looking_leaves_no_replica(tmp_path: Path) -> None:
    code = """
def asked():
    started(1)
    raise RuntimeError("a fault")

replicas = launch.start([lambda: replica("sh", "-c", "echo ready; exec sleep 60")])
try:
    launch.watch(replicas, asked, print)
except RuntimeError as error:
    print(error, processes.children(os.getpid()))
"""
    assert in_python(tmp_path, code) == "a fault []\n"


def test_an_orphan_that_hides_whose_it_is_counts_for_all_that_run(tmp_path: Path) -> None:
    code = """
daemon = "env -i /bin/sleep 60 & echo ready; sleep 1.5"
replicas = launch.start([lambda: replica("sh", "-c", f"({daemon} &) ; sleep 2.5")])
launch.watch(replicas, lambda: 0, print)
look = replicas[0].evidence
print(look.looks > 0, look.fullest.threads, processes.children(os.getpid()))
"""
    assert in_python(tmp_path, code) == "True 4 []\n"
