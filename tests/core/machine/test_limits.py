"""What cgroups leave to the reading process, on trees as hosts and containers show them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.machine.discovery import discover
from numalocal.machine.discovery.findings import Findings
from numalocal.machine.discovery.limits import limits_of_mount, read_limits
from numalocal.machine.model import CpuQuota, Limits, MemoryLimit
from numalocal.machine.sysfs import Sysfs

GIB = 1 << 30
V2, V1 = "sys/fs/cgroup", "sys/fs/cgroup/memory"
NONE_OF_V1 = 9223372036854771712

Files = dict[str, str]


def tree(root: Path, own: str | None, files: Files) -> Sysfs:
    told = {"proc/self/cgroup": own} if own is not None else {}
    for name, text in {**told, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="ascii")
    return Sysfs(root)


def limits(root: Path, own: str | None, files: Files) -> Limits:
    findings = Findings()
    read = read_limits(tree(root, own, files), findings)
    assert findings.all() == ()
    return read


@pytest.mark.parametrize(
    ("own", "files", "path"),
    [
        pytest.param("0::/", {f"{V2}/memory.max": "8"}, "memory.max", id="own namespace"),
        pytest.param("0::/a/b", {f"{V2}/a/b/memory.max": "8"}, "a/b/memory.max", id="own group"),
        pytest.param(
            "0::/a/b",
            {f"{V2}/a/b/memory.max": "max", f"{V2}/a/memory.high": "8", f"{V2}/a/memory.max": "9"},
            "a/memory.high",
            id="memory.high of the parent",
        ),
        pytest.param(
            "0::/a/b",
            {f"{V2}/a/b/memory.max": "8", f"{V2}/a/memory.max": "8", f"{V2}/memory.max": "8"},
            "a/b/memory.max",
            id="of equals the nearest",
        ),
        pytest.param(
            "0::/a",
            {f"{V2}/a/memory.max": "8", f"{V2}/a/memory.high": "8"},
            "a/memory.max",
            id="of equals the hard one",
        ),
        pytest.param(
            "0::/system.slice/docker-1.scope",
            {f"{V2}/memory.max": "8"},
            "memory.max",
            id="the host's path, the container's files",
        ),
        pytest.param(
            "0::/kubepods/pod/x",
            {f"{V2}/x/memory.max": "8", f"{V2}/memory.max": "9"},
            "x/memory.max",
            id="a tail of the host's path",
        ),
        pytest.param(
            "0::/../other", {f"{V2}/memory.max": "8"}, "memory.max", id="out of the namespace"
        ),
        pytest.param(
            "9:memory:/docker/x\n0::/",
            {f"{V1}/docker/x/memory.limit_in_bytes": "8", f"{V1}/memory.limit_in_bytes": "9"},
            "memory/docker/x/memory.limit_in_bytes",
            id="version 1",
        ),
        pytest.param(
            "9:memory:/docker/x",
            {f"{V1}/memory.limit_in_bytes": "8"},
            "memory/memory.limit_in_bytes",
            id="version 1 in a container",
        ),
        pytest.param(
            "4:blkio,memory:/x",
            {"sys/fs/cgroup/blkio,memory/x/memory.limit_in_bytes": "8"},
            "blkio,memory/x/memory.limit_in_bytes",
            id="version 1, controllers that share a mount",
        ),
        pytest.param(
            "3:cpuset:/\n0::/a",
            {f"{V2}/unified/a/memory.max": "8", f"{V2}/cpuset/cpuset.cpus": "0"},
            "unified/a/memory.max",
            id="hybrid with memory in version 2",
        ),
    ],
)
def test_the_tightest_memory_limit_of_the_chain_is_found_with_its_file(
    tmp_path: Path, own: str, files: Files, path: str
) -> None:
    memory = limits(tmp_path, own, files).memory

    assert memory == MemoryLimit(path=f"/sys/fs/cgroup/{path}", limit_bytes=8, left_bytes=8)


@pytest.mark.parametrize(
    ("own", "files"),
    [
        pytest.param("0::/", {}, id="no file"),
        pytest.param(None, {f"{V2}/memory.max": "8"}, id="no cgroup told"),
        pytest.param("0::/", {f"{V2}/memory.max": "max", f"{V2}/cpu.max": "max 100000"}, id="max"),
        pytest.param("0::/", {f"{V2}/memory.max": "9" * 5000}, id="more than can be"),
        pytest.param("0::/b", {f"{V2}/a/memory.max": "8"}, id="somebody else's"),
        pytest.param(
            "2:cpu,cpuacct:/\n9:memory:/",
            {
                f"{V1}/memory.limit_in_bytes": str(NONE_OF_V1),
                f"{V2}/cpu,cpuacct/cpu.cfs_quota_us": "-1",
                f"{V2}/cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            id="version 1's word for none",
        ),
        pytest.param(
            "9:memory:/a",
            {
                f"{V1}/a/memory.limit_in_bytes": str(NONE_OF_V1),
                f"{V1}/memory.limit_in_bytes": "8",
                f"{V1}/memory.use_hierarchy": "0",
            },
            id="a level of version 1 that does not count what is below",
        ),
    ],
)
def test_there_may_be_no_limit(tmp_path: Path, own: str | None, files: Files) -> None:
    read = limits(tmp_path, own, files)

    assert (read.cpu, read.memory) == (None, None)


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({"memory.current": "5"}, 3),
        ({"memory.current": "9"}, 0),
        ({"memory.current": "5", "cgroup.procs": "17"}, 8),
        ({"memory.current": "5", "cgroup.procs": "17\n18"}, 3),
        ({"memory.current": "5", "cgroup.procs": "-1"}, 3),
        (
            {
                "memory.current": "7",
                "memory.stat": "anon 1\ninactive_file 2\nactive_file 1\nslab_reclaimable 1\nodd",
            },
            5,
        ),
        ({"memory.current": "1", "memory.stat": "inactive_file 4"}, 8),
        ({"memory.current": "7", "memory.stat": f"inactive_file {1 << 64}\nactive_file 1"}, 2),
    ],
    ids=[
        "used",
        "overdrawn",
        "alone",
        "not alone",
        "nobody",
        "page cache",
        "cache alone",
        "no 64 bits",
    ],
)
def test_what_is_left_is_the_limit_less_what_cannot_be_given_back(
    tmp_path: Path, files: Files, left: int
) -> None:
    told = {f"{V2}/a/{name}": text for name, text in files.items()}

    memory = limits(tmp_path, "0::/a", {f"{V2}/a/memory.max": "8", **told}).memory

    assert memory is not None
    assert memory.left_bytes == left


def test_least_left_decides_and_not_the_least_limit(tmp_path: Path) -> None:
    files = {f"{V2}/a/memory.max": "8", f"{V2}/memory.max": "10", f"{V2}/memory.current": "7"}

    memory = limits(tmp_path, "0::/a", files).memory

    assert memory == MemoryLimit(path="/sys/fs/cgroup/memory.max", limit_bytes=10, left_bytes=3)


def test_a_process_alone_in_a_group_above_is_no_reason_to_count_nothing(tmp_path: Path) -> None:
    files = {
        f"{V2}/a/cgroup.procs": "1\n2",
        f"{V2}/memory.max": "8",
        f"{V2}/memory.current": "5",
        f"{V2}/cgroup.procs": "17",
    }

    memory = limits(tmp_path, "0::/a", files).memory

    assert memory is not None
    assert memory.left_bytes == 3


@pytest.mark.parametrize(
    ("own", "files", "quota"),
    [
        pytest.param(
            "0::/",
            {f"{V2}/cpu.max": "400000 100000"},
            CpuQuota("/sys/fs/cgroup/cpu.max", 400000, 100000),
            id="version 2",
        ),
        pytest.param(
            "0::/a/b",
            {
                f"{V2}/a/b/cpu.max": "800000 100000",
                f"{V2}/a/cpu.max": "150000 50000",
                f"{V2}/cpu.max": "max 100000",
            },
            CpuQuota("/sys/fs/cgroup/a/cpu.max", 150000, 50000),
            id="the smallest ratio, not the smallest number",
        ),
        pytest.param(
            "2:cpu,cpuacct:/docker/x\n0::/",
            {
                f"{V2}/cpu,cpuacct/docker/x/cpu.cfs_quota_us": "250000",
                f"{V2}/cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000",
            },
            CpuQuota("/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us", 250000, 100000),
            id="version 1",
        ),
        pytest.param(
            "2:cpu:/docker/x",
            {f"{V2}/cpu/cpu.cfs_quota_us": "50000", f"{V2}/cpu/cpu.cfs_period_us": "100000"},
            CpuQuota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", 50000, 100000),
            id="version 1 in a container",
        ),
    ],
)
def test_the_tightest_quota_of_the_chain_is_found_with_its_file(
    tmp_path: Path, own: str, files: Files, quota: CpuQuota
) -> None:
    assert limits(tmp_path, own, files).cpu == quota


@pytest.mark.parametrize(
    ("quota_us", "whole", "written"),
    [
        (400000, 4, "4 CPUs"),
        (250000, 2, "2.5 CPUs"),
        (100000, 1, "1 CPU"),
        (50000, 1, "0.5 CPUs"),
        (1000, 1, "0.01 CPUs"),
    ],
)
def test_a_quota_keeps_so_many_threads_busy(quota_us: int, whole: int, written: str) -> None:
    quota = CpuQuota("/sys/fs/cgroup/cpu.max", quota_us, 100000)

    assert (quota.whole_cpus, str(quota)) == (whole, written)


@pytest.mark.parametrize(
    ("own", "name", "text", "message"),
    [
        (
            "0::/",
            "memory.max",
            "much",
            'says "much", which is no memory limit: it must be max or a',
        ),
        ("0::/", "memory.high", "-1", 'says "-1", which is no memory limit'),
        ("0::/", "memory.max", "", 'says "", which is no memory limit'),
        ("0::/", "memory.max", "x" * 5000, f'says "{"x" * 40}", which is no memory limit'),
        ("0::/", "cpu.max", "many 100000", "says 'many 100000', which is no quota and its period"),
        ("0::/", "cpu.max", "400000", "says '400000', which is no quota and its period"),
        ("0::/", "cpu.max", "400000 0", "says '400000 0', which is no quota and its period"),
        ("0::/", "cpu.max", "", "says '', which is no quota and its period"),
        ("1:cpu:/", "cpu.cfs_quota_us", "5", "says '5', which is no quota and its period"),
        ("0:/a", "none", "", "says '0:/a', not ID:CONTROLLERS:PATH; left out"),
    ],
)
def test_what_cannot_be_read_is_a_finding_and_no_limit(
    tmp_path: Path, own: str, name: str, text: str, message: str
) -> None:
    findings = Findings()

    read = read_limits(tree(tmp_path, own, {f"{V2}/{name}": text}), findings)

    (finding,) = findings.all()
    assert message in finding.message
    assert (read.cpu, read.memory) == (None, None)
    assert read.unread == (findings.all() if name.startswith("memory") else ())


def test_a_file_that_may_not_be_read_is_a_finding(tmp_path: Path) -> None:
    sysfs = tree(tmp_path, "0::/", {f"{V2}/memory.high": "8"})
    (tmp_path / V2 / "memory.max").mkdir()
    findings = Findings()

    read = read_limits(sysfs, findings)

    assert read.memory is not None
    assert [one.path for one in read.unread] == ["/sys/fs/cgroup/memory.max"]
    assert findings.all() == read.unread


def test_a_group_made_at_the_mount_is_under_the_limits_of_the_mount_alone(tmp_path: Path) -> None:
    files = {
        f"{V2}/a/memory.max": "8",
        f"{V2}/memory.max": "10",
        f"{V2}/memory.current": "1",
        f"{V2}/cgroup.procs": "17",
        f"{V2}/a/cpu.max": "100000 100000",
    }

    read = limits_of_mount(tree(tmp_path, "0::/a", files))

    limit = MemoryLimit(path="/sys/fs/cgroup/memory.max", limit_bytes=10, left_bytes=9)
    assert read == Limits(memory=limit, container_bytes=10)


@pytest.mark.parametrize(
    ("own", "files", "container_bytes"),
    [
        ("0::/", {f"{V2}/memory.max": "8", f"{V2}/memory.high": "7"}, 8),
        ("0::/a", {f"{V2}/a/memory.max": "7", f"{V2}/memory.max": "8"}, 8),
        ("0::/a", {f"{V2}/a/memory.max": "7"}, None),
        ("9:memory:/x", {f"{V1}/memory.limit_in_bytes": "8"}, 8),
        ("9:memory:/x", {f"{V1}/memory.limit_in_bytes": str(NONE_OF_V1)}, None),
    ],
)
def test_engines_look_at_the_hard_limit_of_the_mount_alone(
    tmp_path: Path, own: str, files: Files, container_bytes: int | None
) -> None:
    assert limits(tmp_path, own, files).container_bytes == container_bytes


def test_limits_are_part_of_the_machine(tmp_path: Path) -> None:
    files = {"sys/devices/system/cpu/online": "0-1", f"{V2}/memory.max": str(8 * GIB)}

    machine = discover(tree(tmp_path, "0::/", files))

    assert machine.limits.memory is not None
    assert machine.limits.memory.left_bytes == 8 * GIB


NAMES = ["memory.max", "memory.high", "memory.current", "memory.stat", "cpu.max", "cgroup.procs"]
TEXT = st.text(st.sampled_from("0123456789max -:/\n\0é,."), max_size=30)


@given(
    st.lists(st.tuples(st.sampled_from(["", "a/", "a/b/"]), st.sampled_from(NAMES), TEXT)),
    st.lists(st.sampled_from(["0::/a/b", "0::/", "9:memory:/a", "2:cpu:/..", ":::", "x", "0::a"])),
)
def test_no_tree_ends_the_reading(
    tmp_path_factory: pytest.TempPathFactory, files: list[tuple[str, str, str]], own: list[str]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for folder, name, text in files:
        (root / V2 / folder).mkdir(parents=True, exist_ok=True)
        (root / V2 / folder / name).write_text(text, encoding="utf-8")
    (root / "proc" / "self").mkdir(parents=True)
    (root / "proc" / "self" / "cgroup").write_text("\n".join(own), encoding="utf-8")

    read = read_limits(Sysfs(root), Findings())

    assert read.memory is None or 0 <= read.memory.left_bytes <= read.memory.limit_bytes
    assert read.cpu is None or read.cpu.whole_cpus >= 1
