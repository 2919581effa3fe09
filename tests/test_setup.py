"""setup/packages.sh on machines that lack something and where it may not install."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
Packages = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    """Run it where these programs are all that there is, and no apt-get."""

    def run(*arguments: str, programs: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
        for program in ("dirname", "id", "sh", "sort", *programs):
            found = shutil.which(program)
            assert found is not None
            (tmp_path / program).symlink_to(found)
        command = [str(ROOT / "setup" / "packages.sh"), *arguments]
        env = {"PATH": str(tmp_path)}
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize(
    ("what", "programs", "missing"),
    [
        ("run", (), "gcc libc6-dev libnuma-dev python3-venv"),
        ("test", (), "gcc git libc6-dev libnuma-dev numactl openssh-client openssl python3-venv"),
        (
            "test",
            ("git", "ssh"),
            "gcc libc6-dev libnuma-dev numactl openssh-client openssl python3-venv",
        ),
        (
            "toolchains",
            (),
            "clang gcc-aarch64-linux-gnu gcc-powerpc64le-linux-gnu gcc-s390x-linux-gnu "
            "libc6-dev-arm64-cross libc6-dev-ppc64el-cross libc6-dev-s390x-cross libclang-rt-dev "
            "qemu-user-static",
        ),
    ],
)
def test_each_missing_package_is_named_once_with_what_to_do(
    packages: Packages, what: str, programs: tuple[str, ...], missing: str
) -> None:
    done = packages(what, programs=programs)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"missing: {missing}; install with: sudo apt-get install -y {missing}\n"


@pytest.mark.parametrize("arguments", [[], ["sideways"]])
def test_a_wrong_call_is_answered_with_the_usage(packages: Packages, arguments: list[str]) -> None:
    done = packages(*arguments)

    assert (done.returncode, done.stderr) == (2, "usage: packages.sh run|test|toolchains\n")
