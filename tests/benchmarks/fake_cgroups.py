"""The cgroups of a fake node's containers."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

from ..deviceplugin.node import cgroup_files


class FakeCgroups:
    """Each has what the runtime was told last."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: dict[str, Path] = {}
        root.mkdir(parents=True)
        (root / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")

    def make(self, one: nri.Container, cpu: nri.LinuxCPU) -> None:
        slices, prefix, name = one.linux.cgroups_path.split(":")
        parts = slices.removesuffix(".slice").split("-")
        folders = [f"{'-'.join(parts[: end + 1])}.slice" for end in range(len(parts))]
        self._folders[one.id] = self._root.joinpath(*folders, f"{prefix}-{name}.scope")
        cgroup_files.write(self._folders[one.id])
        self._set(one.id, cpu)

    def update(self, updates: Iterable[nri.ContainerUpdate]) -> None:
        for one in updates:
            if one.container_id in self._folders:
                self._set(one.container_id, one.linux.resources.cpu)

    def remove(self, one: nri.Container) -> None:
        shutil.rmtree(self._folders.pop(one.id))

    def _set(self, container_id: str, cpu: nri.LinuxCPU) -> None:
        for name, ids in (("cpuset.cpus.effective", cpu.cpus), ("cpuset.mems.effective", cpu.mems)):
            if ids:
                (self._folders[container_id] / name).write_text(f"{ids}\n")
