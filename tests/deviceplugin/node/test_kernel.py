from pathlib import Path

from numalocal.machine.sysfs import Sysfs
from numalocal_deviceplugin.abilities import Kernel
from numalocal_deviceplugin.node.kernel import kernel


def test_a_kernel_is_known_by_the_files_that_it_has(tmp_path: Path) -> None:
    (tmp_path / "sys/kernel/mm/mempolicy/weighted_interleave").mkdir(parents=True)

    assert kernel(Sysfs(tmp_path), "6.12.0") == Kernel("6.12.0", weights=True, demotes=False)


def test_an_older_kernel_has_fewer(tmp_path: Path) -> None:
    (tmp_path / "sys/kernel/mm/numa").mkdir(parents=True)
    (tmp_path / "sys/kernel/mm/numa/demotion_enabled").write_text("false\n")

    assert kernel(Sysfs(tmp_path), "5.15.0") == Kernel("5.15.0", weights=False, demotes=True)


def test_a_tree_without_any_is_a_kernel_that_can_neither(tmp_path: Path) -> None:
    assert kernel(Sysfs(tmp_path / "gone"), "") == Kernel()
