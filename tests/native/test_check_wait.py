"""How check waits for an agent that was away: until it is bound, told to stop, or out of time."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

Bind = Callable[..., subprocess.CompletedProcess[str]]
Machine = Callable[..., Path]

NODE = {"MemTotal": 4096, "MemFree": 1024}
LIMIT_S = 50
"""Longest that anything here may take, less than a check waits; none of it takes two seconds."""
WAITING = (
    "numalocal-bind: check: this container is not bound: waiting up to 60 s for the numalocal "
    "agent of this node"
)
NOTE = (
    "NUMALOCAL_CPUS is not set in this container, so that its CPUs and NUMA nodes could be "
    "compared with its cgroup alone and not with its plan{}; the engine's container is "
    "created later, and the agent binds it then or refuses it"
)
CGROUP = "sys/fs/cgroup"
OWN = {"proc/self/cgroup": "0::/\n"}
SET = {**OWN, f"{CGROUP}/cpuset.cpus": "2-3\n", f"{CGROUP}/cpuset.mems": "0\n"}


def plan(cpus: str, mems: str = "0") -> dict[str, str]:
    return {
        "NUMALOCAL_CPUS": cpus,
        "NUMALOCAL_MEMS": mems,
        "NUMALOCAL_RANKS": "1",
        "NUMALOCAL_RANK_CPUS": cpus,
        "NUMALOCAL_RANK_MEMS": mems,
    }


class Waiting:
    """A check that waits, with its whole output once it has ended."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stderr is not None
        self.said = [process.stderr.readline().rstrip("\n")]

    def end(self) -> dict[str, Any]:
        out, said = self.process.communicate(timeout=LIMIT_S)
        self.said += said.splitlines()
        report: dict[str, Any] = json.loads(out)
        return report


@pytest.fixture
def start(binder: Path, tmp_path: Path) -> Iterator[Callable[..., Waiting]]:
    """Start a check with these arguments and only these variables, and wait until it waits."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Waiting:
        process = subprocess.Popen(
            [binder, "check", "--wait", "60", "--report", tmp_path / "report", *arguments],
            env=dict(env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return Waiting(process)

    yield run
    for one in started:
        if one.poll() is None:
            one.kill()
        one.communicate()


def allowed_nodes() -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("Mems_allowed_l")]
    return found[0] if found else "0"


def put(file: Path, text: str) -> None:
    """Write as the kernel does: no reader sees half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.new")
    beside.write_text(text)
    beside.rename(file)


def agent_binds(root: Path, cpus: str = "2-3", mems: str = "0") -> None:
    """Do to a container what the runtime does when the agent is back, one file after the other."""
    put(root / CGROUP / "cpuset.cpus", f"{cpus}\n")
    put(root / "proc/self/status", f"Cpus_allowed_list:\t{cpus}\nMems_allowed_list:\t0-1\n")
    put(root / CGROUP / "cpuset.mems", f"{mems}\n")
    put(root / "proc/self/status", f"Cpus_allowed_list:\t{cpus}\nMems_allowed_list:\t{mems}\n")


class TestAContainerWithAPlan:
    def test_is_verified_once_its_process_is_bound(
        self, start: Callable[..., Waiting], usable_cpus: list[int]
    ) -> None:
        if len(usable_cpus) < 2:
            pytest.skip("one CPU cannot be taken away")
        waiting = start(env=plan(str(usable_cpus[0]), allowed_nodes()))

        os.sched_setaffinity(waiting.process.pid, usable_cpus[:1])
        report = waiting.end()

        assert waiting.process.returncode == 0
        assert (report["verified"], report["cpus"]) == (True, str(usable_cpus[0]))
        assert waiting.said[0] == WAITING
        assert waiting.said[1].startswith("numalocal-bind: check: bound after ")
        assert len(waiting.said) == 2

    def test_that_is_bound_does_not_wait(self, bind: Bind, machine: Machine) -> None:
        checked = bind("check", "--wait", "60", "--root", machine(nodes={0: NODE}), env=plan("2-3"))

        assert (checked.returncode, checked.stderr) == (0, "")

    def test_is_refused_at_once_for_memory_that_the_agent_cannot_bring(
        self, bind: Bind, machine: Machine
    ) -> None:
        env = {**plan("2-3"), "NUMALOCAL_MEMORY_PER_RANK_BYTES": str(1 << 40)}

        checked = bind("check", "--wait", "60", "--root", machine(nodes={0: NODE}), env=env)

        assert (checked.returncode, checked.stderr) == (1, "")

    def test_that_nobody_can_read_is_refused_at_once(self, bind: Bind, machine: Machine) -> None:
        root = machine(nodes={0: NODE})

        checked = bind("check", "--wait", "60", "--root", root, env={"NUMALOCAL_CPUS": "x"})

        assert checked.returncode == 125
        assert "waiting" not in checked.stderr

    def test_bound_to_others_is_refused_as_without_waiting(
        self, bind: Bind, machine: Machine
    ) -> None:
        root = machine(cpus="0-7", nodes={0: NODE}, files=SET)

        waited = bind("check", "--wait", "1", "--root", root, env=plan("2-3"))

        assert (waited.returncode, waited.stdout) == (
            1,
            bind("check", "--root", root, env=plan("2-3")).stdout,
        )
        assert waited.stderr.splitlines()[1].startswith("numalocal-bind: check: not bound after 1.")

    def test_is_verified_once_its_repair_is_complete(
        self, start: Callable[..., Waiting], machine: Machine
    ) -> None:
        root = machine(cpus="0-7", mems="0-1", nodes={0: NODE, 1: NODE}, files=OWN)
        waiting = start("--root", root, env=plan("2-3"))

        agent_binds(root)

        assert waiting.end()["message"].startswith("bound to CPUs 2-3 and NUMA node 0; ")


class TestAContainerThatWasToldNoPlan:
    def unbound(self, machine: Machine, **files: str) -> Path:
        nodes = {0: NODE, 1: NODE}
        return machine(cpus="0-7", mems="0-1", nodes=nodes, files={**OWN, **files})

    def test_is_verified_by_its_cgroup_once_the_agent_is_back(
        self, start: Callable[..., Waiting], machine: Machine
    ) -> None:
        root = self.unbound(machine)
        waiting = start("--root", root)

        agent_binds(root)
        report = waiting.end()

        assert waiting.process.returncode == 0
        assert (report["verified"], report["cpus"], report["mems"]) == (True, "2-3", "0")
        assert report["message"] == (
            "bound late to CPUs 2-3 and NUMA node 0, by its cgroup, as the numalocal agent was "
            "away when this container was created; no memory per rank is asked for"
        )
        assert report["ranks"] == []
        assert NOTE.format(", and which rank has which is not known") in report["notes"]

    def test_says_its_only_rank(self, start: Callable[..., Waiting], machine: Machine) -> None:
        root = self.unbound(machine)
        asked = {"NUMALOCAL_RANKS": "1", "NUMALOCAL_MEMORY_PER_RANK_BYTES": "4096"}
        waiting = start("--root", root, env=asked)

        agent_binds(root)
        report = waiting.end()

        (rank,) = report["ranks"]
        assert rank == {
            "cpus": "2-3",
            "numaNode": 0,
            "memoryNodes": "0",
            "memoryBytes": 4096,
            "availableBytes": 1024 * 1024,
        }
        assert report["message"].endswith("; 1 rank of 4.0 KiB fits")
        assert NOTE.format("") in report["notes"]

    @pytest.mark.parametrize(
        ("ranks", "fits"), [({}, True), ({"NUMALOCAL_RANKS": "2"}, False)], ids=["one", "two"]
    )
    def test_is_refused_where_its_nodes_cannot_hold_its_ranks(
        self, bind: Bind, machine: Machine, ranks: Mapping[str, str], *, fits: bool
    ) -> None:
        root = machine(nodes={0: NODE}, files=SET)
        env = {"NUMALOCAL_MEMORY_PER_RANK_BYTES": str(600 << 10), **ranks}

        checked = bind("check", "--wait", "60", "--root", root, env=env)

        assert (checked.returncode == 0) is fits
        assert checked.stderr == ""
        if not fits:
            assert json.loads(checked.stdout)["message"].startswith(
                "ranks 0-1 ask for 1.2 MiB (600.0 KiB each) but NUMA node 0 has 1.0 MiB available"
            )

    def test_is_refused_without_waiting_though_its_cgroup_is_set(
        self, bind: Bind, machine: Machine
    ) -> None:
        checked = bind("check", "--root", machine(nodes={0: NODE}, files=SET))

        assert json.loads(checked.stdout)["message"].startswith("the node agent did not bind this")

    @pytest.mark.parametrize(
        "files",
        [
            pytest.param({}, id="no cgroup"),
            pytest.param(OWN, id="nothing set"),
            pytest.param({**SET, f"{CGROUP}/cpuset.mems": "\n"}, id="on the shared CPUs"),
            pytest.param({**SET, f"{CGROUP}/cpuset.cpus": "\n"}, id="nodes only"),
            pytest.param({**SET, f"{CGROUP}/cpuset.cpus": "2-4\n"}, id="other CPUs"),
            pytest.param({**SET, f"{CGROUP}/cpuset.mems": "0-1\n"}, id="other nodes"),
            pytest.param({**SET, f"{CGROUP}/cpuset.cpus": "x\n"}, id="no list"),
            pytest.param({**SET, "proc/self/cgroup": "4:cpuset:/\n"}, id="version 1"),
            pytest.param({**SET, "proc/self/cgroup": "damaged\n"}, id="damaged"),
        ],
    )
    def test_is_not_taken_for_bound_by_less_than_both_of_its_own_files(
        self, bind: Bind, machine: Machine, files: Mapping[str, str]
    ) -> None:
        root = machine(nodes={0: NODE}, files=files)

        checked = bind("check", "--wait", "0", "--root", root)

        assert (checked.returncode, checked.stderr) == (1, "")
        assert "NUMALOCAL_CPUS is not set" in json.loads(checked.stdout)["message"]

    def test_that_was_bound_before_the_first_look_is_verified(
        self, bind: Bind, machine: Machine
    ) -> None:
        checked = bind("check", "--wait", "0", "--root", machine(nodes={0: NODE}, files=SET))

        assert (checked.returncode, checked.stderr) == (0, "")

    def test_with_a_number_of_ranks_that_is_none_is_told_so(
        self, bind: Bind, machine: Machine
    ) -> None:
        root = machine(nodes={0: NODE}, files=SET)

        checked = bind("check", "--wait", "9", "--root", root, env={"NUMALOCAL_RANKS": "0"})

        assert checked.returncode == 125
        assert checked.stderr == (
            'numalocal-bind: check: NUMALOCAL_RANKS "0" is no count: write 1 to 8192\n'
        )


class TestASignal:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_ends_the_wait_at_once_with_a_report(
        self, start: Callable[..., Waiting], machine: Machine, number: signal.Signals
    ) -> None:
        waiting = start("--root", machine(cpus="0-7", nodes={0: NODE}))
        began_s = time.monotonic()

        waiting.process.send_signal(number)
        report = waiting.end()

        assert time.monotonic() - began_s < LIMIT_S
        assert waiting.process.returncode == 1
        assert report["verified"] is False
        assert waiting.said[1].endswith(f" s, when {number.name} came")

    def test_ends_the_wait_of_process_1(self, binder: Path, machine: Machine) -> None:
        """As such the kernel keeps from a process every signal that it has nothing for."""
        unshare = shutil.which("unshare")
        # Root needs no user namespace, which a chroot cannot have.
        apart = "-pf" if os.getuid() == 0 else "-rpf"
        if unshare is None or subprocess.run([unshare, apart, "true"], check=False).returncode:
            pytest.skip("no PID namespace can be had")
        root = machine(cpus="0-7", nodes={0: NODE})
        process = subprocess.Popen(
            [unshare, apart, "--kill-child", binder, "check", "--wait", "60", "--root", root],
            env={"NUMALOCAL_CPUS": "2-3", **plan("2-3")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        assert process.stderr.readline().rstrip("\n") == WAITING
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()

        os.kill(int(children[0]), signal.SIGTERM)
        out, said = process.communicate(timeout=LIMIT_S)

        assert process.returncode == 1
        assert json.loads(out)["verified"] is False
        assert "when SIGTERM came" in said


@pytest.mark.parametrize("seconds", ["", "-1", "1.5", "1e3", "3601", "60s", " 1", "9" * 5000])
def test_a_wait_that_is_no_number_of_seconds_is_refused(bind: Bind, seconds: str) -> None:
    refused = bind("check", "--wait", seconds)

    assert (refused.returncode, refused.stdout) == (125, "")
    assert refused.stderr == (
        f'numalocal-bind: check: --wait "{seconds[:60]}" is no number of seconds: write 0 to 3600; '
        "see numalocal-bind --help\n"
    )
