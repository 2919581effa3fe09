"""The node's container runtimes: what they are built from, and how they are set."""

import re
import tomllib
from typing import Any

import pytest

from lab import runtimes
from lab.images import PAUSE
from lab.runtimes import RUNTIMES, Runtime

HERE = runtimes.RUNTIMES[0].files.parents[1]
NEWER, OLDER = RUNTIMES


def plugins(runtime: Runtime) -> dict[str, Any]:
    config = tomllib.loads((runtime.files / "etc/containerd/config.toml").read_text())
    found: dict[str, Any] = config["plugins"]
    return found


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda one: one.name)
def test_a_runtime_is_built_or_is_debians(runtime: Runtime) -> None:
    assert bool(runtime.packages) != bool(runtime.built)


@pytest.mark.parametrize(
    ("folder", "required"),
    [
        ("containerd", f"github.com/containerd/containerd/v2 {runtimes.CONTAINERD}"),
        ("runc", f"github.com/opencontainers/runc {runtimes.RUNC}"),
    ],
)
def test_the_go_module_names_the_version_that_is_told(folder: str, required: str) -> None:
    module = (HERE / folder / "go.mod").read_text()

    assert re.search(rf"^(require|\t){re.escape(required)}\b", module, re.MULTILINE) or (
        f"{required} // indirect\n" in module
    )


def test_the_newer_one_has_systemd_cgroups_our_pause_image_and_the_validator() -> None:
    set_ = plugins(NEWER)
    runtime = set_["io.containerd.cri.v1.runtime"]

    assert set_["io.containerd.cri.v1.images"]["pinned_images"] == {"sandbox": PAUSE}
    assert runtime["containerd"]["runtimes"]["runc"]["options"] == {"SystemdCgroup": True}
    assert set_["io.containerd.nri.v1.nri"] == {"default_validator": {"enable": True}}


def test_the_older_one_has_systemd_cgroups_our_pause_image_and_nri_on() -> None:
    set_ = plugins(OLDER)
    runtime = set_["io.containerd.grpc.v1.cri"]

    assert set_["io.containerd.nri.v1.nri"] == {"disable": False}
    assert runtime["sandbox_image"] == PAUSE
    assert runtime["containerd"]["runtimes"]["runc"]["options"] == {"SystemdCgroup": True}


def test_what_is_built_is_started_where_it_is_installed() -> None:
    unit = (NEWER.files / "etc/systemd/system/containerd.service").read_text()

    assert "\nExecStart=/usr/local/bin/containerd\n" in unit
    assert "\nDelegate=yes\nKillMode=process\n" in unit, "containers outlive a restart"
