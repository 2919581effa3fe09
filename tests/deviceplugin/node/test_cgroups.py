import os
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from numalocal.idset import IdSet
from numalocal_deviceplugin.correcting import Cpuset
from numalocal_deviceplugin.node import cgroups
from numalocal_deviceplugin.node.cgroups import Tree
from numalocal_deviceplugin.refusals import Reason

from ..descriptors import open_files


def make(root: Path, path: str, cpus: str | None = None, mems: str | None = None) -> Path:
    folder = root / path
    folder.mkdir(parents=True, exist_ok=True)
    if cpus is not None:
        (folder / "cpuset.cpus.effective").write_text(f"{cpus}\n")
    if mems is not None:
        (folder / "cpuset.mems.effective").write_text(f"{mems}\n")
    return folder


def wanted(cpus: str, mems: str = "") -> Cpuset:
    return Cpuset(IdSet.parse(cpus), IdSet.parse(mems))


POD = "kubepods-burstable-pod1.slice"
NESTED = f"kubepods.slice/kubepods-burstable.slice/{POD}"


def read(root: Path, parts: tuple[str, ...], *, mems: bool = True) -> Cpuset | None:
    with closing(Tree(root)) as tree:
        return tree.cpuset(parts, mems=mems)


@pytest.mark.parametrize(
    ("told", "path"),
    [
        (f"{POD}:cri-containerd:abc", f"{NESTED}/cri-containerd-abc.scope"),
        (f"{POD}:crio:abc", f"{NESTED}/crio-abc.scope"),
        ("kubelet-kubepods-podx.slice:cri-containerd:a",
         "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podx.slice/cri-containerd-a.scope"),
        ("kubepods-podab_cd.slice:p:a", "kubepods.slice/kubepods-podab_cd.slice/p-a.scope"),
        ("-.slice:p:a", "p-a.scope"),
        (":p:a", "system.slice/p-a.scope"),
        ("a.slice::b", "a.slice/b.scope"),
        ("a.slice:p:a-b.slice", "a.slice/a-b.slice"),
        ("/kubepods/burstable/pod1/abc", "kubepods/burstable/pod1/abc"),
        ("/kubelet/kubepods/pod1/abc", "kubelet/kubepods/pod1/abc"),
        ("kubepods//pod1/abc/", "kubepods/pod1/abc"),
        ("/kubepods/a:b", "kubepods/a:b"),
    ],
)  # fmt: skip
def test_what_the_runtime_tells_is_a_path_below_the_root(told: str, path: str) -> None:
    assert cgroups.parts_of(told) == tuple(path.split("/"))


@pytest.mark.parametrize(
    "told",
    [
        "", "/", "../x", "/a/../../etc", "a/./b", "a\0b", "x" * 1025, "/x" * 600,
        "a.slice:b", "a.slice:b:c:d", "a:b:c", "a.slice:b:", ".slice:b:c", "--.slice:b:c",
        "a--b.slice:b:c", "-a.slice:b:c", "a-.slice:b:c", "a/b.slice:p:c", "a.slice:../..:c",
        "a.slice:p:/../..",
    ],
)  # fmt: skip
def test_what_is_no_path_of_a_cgroup_is_none(told: str) -> None:
    assert cgroups.parts_of(told) is None


@given(st.text(alphabet="ab.-:/\0é", max_size=30))
@example("..")
@example("a.slice:..:..")
def test_nothing_that_is_told_leads_out_of_the_tree(told: str) -> None:
    for part in cgroups.parts_of(told) or ():
        assert part not in ("", ".", "..")
        assert "/" not in part
        assert "\0" not in part


def test_what_the_kernel_lets_a_cgroup_use_is_read(tmp_path: Path) -> None:
    make(tmp_path, NESTED, "2-3,7", "1")

    parts = tuple(NESTED.split("/"))

    assert read(tmp_path, parts) == Cpuset(IdSet.parse("2-3,7"), IdSet.parse("1"))
    assert read(tmp_path, parts, mems=False) == Cpuset(IdSet.parse("2-3,7"), IdSet())


def test_a_cgroup_that_has_gone_is_none(tmp_path: Path) -> None:
    make(tmp_path, "a", "0-7", "0")

    assert read(tmp_path, ("a", "b")) is None


def test_a_cgroup_without_a_cpuset_uses_what_is_above(tmp_path: Path) -> None:
    make(tmp_path, "a", "0-3", "0")
    make(tmp_path, "a/b/c")

    assert read(tmp_path, ("a", "b", "c")) == Cpuset(IdSet.parse("0-3"), IdSet.parse("0"))


def test_a_tree_without_cpusets_tells_nothing(tmp_path: Path) -> None:
    make(tmp_path, "a/b")

    assert read(tmp_path, ("a", "b")) is None


@pytest.mark.parametrize("text", ["x", "9-1", "1-99999999", "\xff", "0-7\n" * 30000])
def test_a_file_that_is_no_list_tells_nothing(tmp_path: Path, text: str) -> None:
    make(tmp_path, "a", text, "0")

    assert read(tmp_path, ("a",)) is None


def test_the_topmost_cgroup_that_leaves_too_little_is_found(tmp_path: Path) -> None:
    make(tmp_path, "a", "0-7")
    make(tmp_path, "a/b", "2-7")
    make(tmp_path, "a/b/c", "2-5")
    make(tmp_path, "a/b/c/d", "2-5")

    found = cgroups.narrowest_above(tmp_path, ("a", "b", "c", "d"), wanted("0-1"))

    assert found == (tmp_path / "a/b/cpuset.cpus.effective", "CPU 2-7")
    assert cgroups.narrowest_above(tmp_path, ("a", "b", "c", "d"), wanted("2-3")) is None


def test_the_topmost_cgroup_that_leaves_too_few_memory_nodes_is_found(tmp_path: Path) -> None:
    make(tmp_path, "a", "0-7", "0-2")
    make(tmp_path, "a/b", "0-7", "0")
    make(tmp_path, "a/b/c", "0-7", "0")

    found = cgroups.narrowest_above(tmp_path, ("a", "b", "c"), wanted("0-1", "0,2"))

    assert found == (tmp_path / "a/b/cpuset.mems.effective", "memory of NUMA node 0")
    assert cgroups.narrowest_above(tmp_path, ("a", "b", "c"), wanted("0-1", "0")) is None
    assert cgroups.narrowest_above(tmp_path, ("a", "b", "c"), wanted("0-1")) is None


def test_its_own_files_are_not_above_a_cgroup(tmp_path: Path) -> None:
    make(tmp_path, "a", "0-7")
    make(tmp_path, "a/b", "2")

    assert cgroups.narrowest_above(tmp_path, ("a", "b"), wanted("3")) is None


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"cgroup.controllers": "cpuset cpu io memory pids\n"}, None),
        ({"cgroup.controllers": "cpu io memory pids\n"}, "does not name cpuset"),
        ({"cgroup.controllers": ""}, "does not name cpuset"),
        ({"cpuset/cpuset.cpus": "0-7\n"}, "is not cgroup version 2"),
        ({"unified/cgroup.controllers": "", "cpuset/cpuset.cpus": "0"}, "is not cgroup version 2"),
    ],
    ids=["v2", "no cpuset", "no controller", "v1", "hybrid"],
)
def test_a_tree_that_cannot_bind_is_refused(
    tmp_path: Path, files: dict[str, str], sentence: str | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    found = cgroups.why_unusable(tmp_path)

    if sentence is None:
        assert found is None
    else:
        assert found is not None
        assert found.reason is Reason.CGROUP_V1
        assert sentence in found.message


def test_a_tree_that_is_not_mounted_is_not_refused(tmp_path: Path) -> None:
    assert cgroups.why_unusable(tmp_path / "none") is None


def test_a_link_in_the_tree_is_not_followed(tmp_path: Path) -> None:
    make(tmp_path, "outside", "5", "0")
    root = make(tmp_path, "tree", "0-7", "0")
    (root / "link").symlink_to("../outside")

    assert read(root, ("link",)) is None


@given(asked=st.lists(st.lists(st.sampled_from("abx"), max_size=4).map(tuple), max_size=12))
def test_folders_are_the_same_in_whatever_order_they_are_asked_for(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[str, ...]]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for path in ("a/a/b", "a/b", "b/a/a/a"):
        (root / path).mkdir(parents=True)
    before = open_files()

    with closing(Tree(root)) as tree:
        for parts in asked:
            folder = tree.folder(parts)
            there = root.joinpath(*parts)
            assert (folder is not None) == there.is_dir()
            assert folder is None or os.fstat(folder).st_ino == there.stat().st_ino
        assert open_files() <= before + 5

    assert open_files() == before


def test_a_folder_that_is_below_one_asked_for_before_is_opened_in_it(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / "slice" / name).mkdir(parents=True)

    with closing(Tree(tmp_path)) as tree:
        tree.folder(("slice", "one"))
        (tmp_path / "slice").rename(tmp_path / "moved")

        assert tree.folder(("slice", "other")) is not None
        assert tree.folder(("moved", "other")) is not None
        assert tree.folder(("slice", "other")) is None
