import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .fake_kubelet import FakeKubelet, FakePodResources
from .fake_runtime import FakeRuntime
from .nodes import N0, N1, make_machine, write_sysfs
from .waiting import until

ROOT = Path(__file__).parents[2]


def start(directory: Path, *arguments: str) -> "subprocess.Popen[str]":
    write_sysfs(directory / "root", make_machine())
    (directory / "dp").mkdir()
    path = os.pathsep.join(str(ROOT / source) for source in ("core", "deviceplugin"))
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "numalocal_deviceplugin",
            f"--root={directory / 'root'}",
            f"--device-plugin-dir={directory / 'dp'}",
            f"--pod-resources-socket={directory / 'pods.sock'}",
            f"--nri-socket={directory / 'nri.sock'}",
            *arguments,
        ],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_agents_own_cpuset_is_no_limit_of_the_node(run_dir: Path) -> None:
    """NRI confines the agent's own pod to shared CPUs, as it does every other's."""
    status = run_dir / "root/proc/self/status"
    status.parent.mkdir(parents=True)
    status.write_text("Cpus_allowed_list:\t0-1\nMems_allowed_list:\t0\n", encoding="utf-8")

    with FakePodResources(run_dir / "pods.sock"), start(run_dir) as process:
        try:
            with FakeKubelet(run_dir / "dp") as kubelet:
                until(lambda: {*(kubelet.devices or ())} == {N0, N1}, "the whole node")
        finally:
            process.kill()


def test_the_agent_serves_and_ends_cleanly_on_sigterm(run_dir: Path) -> None:
    with (
        FakePodResources(run_dir / "pods.sock"),
        FakeRuntime(run_dir / "nri.sock") as runtime,
        start(run_dir) as process,
    ):
        try:
            with FakeKubelet(run_dir / "dp") as kubelet:
                session = runtime.accept()
                session.register()
                session.synchronize()
                until(lambda: kubelet.devices == {N0: "Healthy", N1: "Healthy"}, "healthy")

                process.send_signal(signal.SIGTERM)
                _, errors = process.communicate(timeout=5)

                assert kubelet.plugin.ended.wait(2)
            with pytest.raises(EOFError):
                session.answer()
        finally:
            process.kill()

    assert process.returncode == 0
    events = [line["message"] for line in lines(errors)]
    assert events[0] == "node is cut into CPU sets"
    assert {"registered", "registered with the container runtime", "synchronized"} <= set(events)
    assert events[-1] == "stopped"


def test_pools_that_the_machine_cannot_give_end_the_start_with_a_sentence(run_dir: Path) -> None:
    pools = run_dir / "pools.yaml"
    pools.write_text("- {name: big, size: 64}\n")

    with start(run_dir, f"--pools={pools}") as process:
        _, errors = process.communicate(timeout=10)

    assert process.returncode == 1
    (line,) = lines(errors)
    assert line["level"] == "error"
    assert line["err"].startswith("pool big: no NUMA node has 64 cores left besides 1 reserved")
