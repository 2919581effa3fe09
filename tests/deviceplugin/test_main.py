import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from .fake_kubelet import FakeKubelet, FakePodResources
from .fake_runtime import FakeRuntime
from .nodes import N0, N1, make_machine, write_sysfs
from .waiting import PATIENCE_S, until

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
            "--http-address=",
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
                _, errors = process.communicate(timeout=PATIENCE_S)

                assert kubelet.plugin.ended.wait(PATIENCE_S)
            with pytest.raises(EOFError):
                session.answer()
        finally:
            process.kill()

    assert process.returncode == 0
    events = [line["message"] for line in lines(errors)]
    assert events[0] == "node is cut into CPU sets"
    assert {"registered", "registered with the container runtime", "synchronized"} <= set(events)
    assert events[-1] == "stopped"


def ended(process: "subprocess.Popen[str]") -> list[dict[str, Any]]:
    """Wait for a process that ends of itself, and give its log."""
    try:
        return lines(process.communicate(timeout=PATIENCE_S)[1])
    finally:
        process.kill()


def test_whatever_raises_the_process_ends_beside_threads_that_go_on() -> None:
    program = """
import threading
from numalocal_deviceplugin import __main__

def run():
    threading.Thread(target=threading.Event().wait).start()
    raise RuntimeError("no part")

__main__.start(run)
"""
    path = os.pathsep.join(str(ROOT / source) for source in ("core", "deviceplugin"))

    process = subprocess.run(
        [sys.executable, "-c", program],
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )

    assert process.returncode == 1
    assert "the agent failed" in process.stderr


def test_an_address_that_is_taken_ends_the_start_with_a_sentence(run_dir: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        FakePodResources(run_dir / "pods.sock"),
        start(run_dir, f"--http-address=127.0.0.1:{taken.getsockname()[1]}") as process,
    ):
        *_, last = ended(process)

    assert process.returncode == 1
    assert last["level"] == "error"
    assert last["err"].startswith("--http-address: cannot listen at 127.0.0.1:")


def test_a_mistake_in_the_command_line_ends_the_start_with_all_that_is_wrong(
    run_dir: Path,
) -> None:
    with start(run_dir, "--idle=no", "--nri-index=1") as process:
        try:
            _, errors = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()

    assert process.returncode == 2
    assert "--idle: 'no' must be one of shared, exclusive; --nri-index: '1' must be" in errors


def tells(process: "subprocess.Popen[str]", reasons: set[str]) -> bool:
    """Read the log until one of these is told; a process that never tells it is ended."""
    assert process.stderr is not None
    limit = threading.Timer(PATIENCE_S, process.kill)
    limit.start()
    try:
        for line in process.stderr:
            told = json.loads(line)
            if told["message"] == "not served" and told["reason"] in reasons:
                return True
    finally:
        limit.cancel()
    return False


@pytest.mark.parametrize(
    "pools", ["- {name: big, size: 64}\n", "- {name: Bad}\n"], ids=["unmet", "invalid"]
)
def test_pools_that_cannot_be_served_leave_the_process_up(run_dir: Path, pools: str) -> None:
    (run_dir / "pools.yaml").write_text(pools)

    with start(run_dir, f"--pools={run_dir / 'pools.yaml'}") as process:
        try:
            assert tells(process, {"PoolUnmet", "PoolsInvalid"})
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
