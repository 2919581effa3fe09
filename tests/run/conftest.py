"""`numalocal run` as a user starts it, with the binder and the example engine as built."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Timer

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "PYTHONPATH": str(ROOT / "core"),
    "PYTHONUNBUFFERED": "1",
}
UNTIL_S = 60
"""How long is waited for a line, or for an end that comes at once where the machine is not busy."""
Run = Callable[..., subprocess.CompletedProcess[str]]

WORKER = """
apiVersion: numalocal.io/v1alpha1
kind: CpuInferenceWorker
metadata: {{name: test}}
spec:
  replicas: {replicas}
  engine: {{name: openmp, openMP: gnu}}
  memory: {{perRank: {memory}}}
  template:
    spec:
      containers:
        - name: engine
          command: {command}
"""


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    subprocess.run(["make", "-s", "-C", str(ROOT / "native"), "all"], check=True)


@pytest.fixture
def numalocal(tmp_path: Path, measured: dict[str, str]) -> Run:
    def run(*arguments: str | Path, timeout_s: float = UNTIL_S) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "numalocal.cli", *map(str, arguments)],
            cwd=tmp_path,
            env={**ENVIRONMENT, **measured},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    return run


class Running:
    """A run in the background: its lines, signals to it, and how it ended."""

    def __init__(self, folder: Path, command: list[str], environment: dict[str, str]) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

    def until(self, text: str, count: int = 1) -> str:
        """Read lines until so many have had the text; give the last."""
        assert self.process.stdout is not None
        late = Timer(UNTIL_S, self.process.kill)
        late.start()
        try:
            for line in self.process.stdout:
                self.lines.append(line)
                count -= text in line
                if count == 0:
                    return line
        finally:
            late.cancel()
        raise AssertionError(f"no {text!r} in {''.join(self.lines)}")

    def end(self, timeout_s: float) -> tuple[int, str]:
        """Wait for the end; give the exit status and the last line."""
        rest, _ = self.process.communicate(timeout=timeout_s)
        self.lines += rest.splitlines(keepends=True)
        return self.process.returncode, self.lines[-1].rstrip()

    def processes(self) -> list[int]:
        """Find what works in this test's folder now, zombies left out."""
        found = []
        for process in Path("/proc").iterdir():
            with suppress(OSError):
                if process.name.isdigit() and (process / "cwd").readlink() == self.folder:
                    found.append(int(process.name))
        return found

    def kill_all(self) -> None:
        """Kill what works here, until nothing does: an engine that ends still holds its CPUs."""
        deadline = time.monotonic() + UNTIL_S
        while pids := self.processes():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert time.monotonic() < deadline, pids
            time.sleep(0.01)


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path, measured: dict[str, str]) -> Iterator[Start]:
    """Start `numalocal` in the background; whatever works in the test's folder is ended after."""
    started: list[Running] = []

    def begin(
        *arguments: str | Path,
        before: tuple[str, ...] = (),
        program: tuple[str, ...] = (sys.executable, "-m", "numalocal.cli"),
        environment: dict[str, str] | None = None,
    ) -> Running:
        command = [*before, *program, *map(str, arguments)]
        started.append(Running(tmp_path, command, environment or {**ENVIRONMENT, **measured}))
        return started[-1]

    yield begin
    for one in started:
        one.kill_all()
        one.process.communicate()


@pytest.fixture
def one_core_sets(tmp_path: Path) -> Path:
    """Cut this machine so that two replicas fit on two cores."""
    path = tmp_path / "pools.yaml"
    path.write_text("pools: [{name: cpuset, size: 1, reserve: 0}]\n")
    return path


@pytest.fixture
def worker(tmp_path: Path) -> Callable[..., Path]:
    def write(command: str, memory: str = "64Mi", replicas: int = 1) -> Path:
        path = tmp_path / "worker.yaml"
        text = WORKER.format(command=command, memory=memory, replicas=replicas)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def program(worker: Callable[..., Path]) -> Callable[..., Path]:
    """Write a worker whose engine is one of our programs that misbehave."""

    def write(name: str, *arguments: object, replicas: int = 1) -> Path:
        words = [f"'{word}'" for word in (PROGRAMS / f"{name}.py", *arguments)]
        return worker(f"[python3, {', '.join(words)}]", replicas=replicas)

    return write
