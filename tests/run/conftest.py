"""`numalocal run` as a user starts it, with the binder and the example engine as built."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]

WORKER = """
apiVersion: numalocal.io/v1alpha1
kind: CpuInferenceWorker
metadata: {{name: test}}
spec:
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
    def run(*arguments: str | Path, timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "numalocal.cli", *map(str, arguments)],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "core"), **measured},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    return run


@pytest.fixture
def worker(tmp_path: Path) -> Callable[..., Path]:
    def write(command: str, memory: str = "64Mi") -> Path:
        path = tmp_path / "worker.yaml"
        path.write_text(WORKER.format(command=command, memory=memory), encoding="utf-8")
        return path

    return write
