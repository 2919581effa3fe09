"""The built programs as callables, and machines of any shape as folders."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
NATIVE = REPOSITORY / "native"
BUILD = REPOSITORY / "build"
TIMEOUT_S = 60
STACK = "7ffc0a1e5000"


@pytest.fixture(scope="session", autouse=True)
def usual_signals() -> None:
    """Let what the tests start take the signals that a shell's `&` or nohup has ignored."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session")
def native_build() -> Path:
    """Build everything native, sanitized programs included; answers the build folder."""
    made = subprocess.run(
        ["make", "-s", "-C", str(NATIVE), f"BUILD={BUILD}", "all", "sanitized"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return BUILD


@pytest.fixture(scope="session", params=["static", "sanitized"])
def binder(native_build: Path, request: pytest.FixtureRequest) -> Path:
    """The binder as shipped, and the binder that stops at the first bad access."""
    folder = native_build / "asan" if request.param == "sanitized" else native_build
    return folder / "numalocal-bind"


@pytest.fixture
def bind(binder: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the binder with these arguments, only these variables, and perhaps a launcher."""

    def run(
        *arguments: str | Path,
        env: Mapping[str, str] | None = None,
        launcher: tuple[str, ...] = (),
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*launcher, str(binder), *map(str, arguments)],
            env={"PATH": os.environ["PATH"], **(env or {})},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    return run


@pytest.fixture
def fake_root(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """Lay out kernel files (path -> content) below a root of their own."""

    def lay_out(files: Mapping[str, str]) -> Path:
        root = tmp_path / "root"
        for path, content in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        return root

    return lay_out


@pytest.fixture
def machine(fake_root: Callable[[Mapping[str, str]], Path]) -> Callable[..., Path]:
    """Lay out what check reads: CPUs, nodes, a policy, and each node's meminfo in kB."""

    def lay_out(
        *,
        cpus: str = "2-3",
        mems: str = "0",
        policy: str = "default",
        nodes: Mapping[int, Mapping[str, int]],
        files: Mapping[str, str] | None = None,
    ) -> Path:
        status = f"Name:\tcheck\nCpus_allowed_list:\t{cpus}\nMems_allowed_list:\t{mems}\n"
        meminfo = {
            f"sys/devices/system/node/node{node}/meminfo": "".join(
                f"Node {node} {key + ':':<16}{value:>8} kB\n" for key, value in fields.items()
            )
            for node, fields in nodes.items()
        }
        maps = f"55d0c0e8a000 default file=/usr/bin/check mapped=2\n{STACK} {policy} stack\n"
        own = {"proc/self/status": status, "proc/self/numa_maps": maps}
        return fake_root({**own, **meminfo, **(files or {})})

    return lay_out


@pytest.fixture
def usable_cpus() -> list[int]:
    """The CPUs that this test run may use, lowest first."""
    return sorted(os.sched_getaffinity(0))
