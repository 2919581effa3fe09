"""The limits of the whole chain of cgroups, both versions: docs/binder.md has the rules."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Bind = Callable[..., subprocess.CompletedProcess[str]]
Machine = Callable[..., Path]
Check = Callable[..., dict[str, Any]]

GIB = 1 << 30
ROOMY = {"MemTotal": 1024 << 20, "MemFree": 1024 << 20}
MOUNT = "/sys/fs/cgroup"
NO_LIMIT_V1 = "9223372036854771712"
MALFORMED = "which is no memory limit: it must be max or a number of bytes"


@pytest.fixture
def check(bind: Bind, machine: Machine) -> Check:
    """Check one rank of so many bytes below these files of cgroups, by their paths."""

    def run(
        own: str, files: Mapping[str, str | int], per_rank_bytes: int = 16 * GIB
    ) -> dict[str, Any]:
        root = machine(
            nodes={0: ROOMY},
            files={"proc/self/cgroup": own}
            | {f"{MOUNT}/{path}".lstrip("/"): f"{text}\n" for path, text in files.items()},
        )
        checked = bind("check", "--root", root, env=plan(per_rank_bytes))
        report: dict[str, Any] = json.loads(checked.stdout)
        assert checked.returncode == (0 if report["verified"] else 1), checked.stderr
        return report

    return run


def plan(per_rank_bytes: int) -> dict[str, str]:
    return {
        "NUMALOCAL_CPUS": "2-3",
        "NUMALOCAL_MEMS": "0",
        "NUMALOCAL_RANKS": "1",
        "NUMALOCAL_RANK_CPUS": "2-3",
        "NUMALOCAL_RANK_MEMS": "0",
        "NUMALOCAL_MEMORY_PER_RANK_BYTES": str(per_rank_bytes),
    }


def limit_notes(report: dict[str, Any]) -> list[str]:
    """The notes, less those on system calls."""
    return [note for note in report["notes"] if note.startswith("/")]


def test_memory_high_of_a_parent_is_a_limit_and_the_sentence_names_it(check: Check) -> None:
    report = check(
        "0::/a/b\n",
        {
            "a/memory.max": "max",
            "a/memory.high": 8 * GIB,
            "a/memory.current": 0,
            "a/b/memory.max": "max",
            "a/b/memory.high": "max",
            "a/b/memory.current": 0,
        },
    )

    assert report["limitBytes"] == 8 * GIB
    assert report["problems"] == [
        "rank 0 asks for 16.0 GiB but 8.0 GiB is left of the memory limit of 8.0 GiB in "
        "/sys/fs/cgroup/a/memory.high: raise that limit (in a pod: the container's memory limit), "
        "or lower spec.memory.perRank"
    ]


V1 = "9:memory:/docker/x\n3:cpuset:/other\n0::/\n"


@pytest.mark.parametrize(
    ("own", "files", "named"),
    [
        pytest.param(
            "0::/a/b/c\n",
            {"a/memory.max": 8 * GIB, "a/b/memory.max": "max", "a/b/c/memory.max": 64 * GIB},
            "a/memory.max",
            id="a grandparent",
        ),
        pytest.param(
            "0::/a\n",
            {"a/memory.max": 12 * GIB, "a/memory.high": 8 * GIB},
            "a/memory.high",
            id="high below max",
        ),
        pytest.param(
            "0::/a\n",
            {"a/memory.max": 8 * GIB, "a/memory.high": 8 * GIB},
            "a/memory.max",
            id="high as max",
        ),
        pytest.param(
            "0::/a\n", {"memory.max": 8 * GIB, "a/memory.max": 8 * GIB}, "a/memory.max", id="equal"
        ),
        pytest.param("0::/host/x\n", {"memory.max": 8 * GIB}, "memory.max", id="path of the host"),
        pytest.param(
            "0::/host/x/job\n",
            {"x/job/memory.max": 8 * GIB, "memory.max": "max"},
            "x/job/memory.max",
            id="tail of the path of the host",
        ),
        pytest.param("0::/a:b\n", {"a:b/memory.max": 8 * GIB}, "a:b/memory.max", id="a colon"),
        pytest.param(
            "0::/a\n",
            {"unified/a/memory.max": 8 * GIB},
            "unified/a/memory.max",
            id="unified",
        ),
        pytest.param(
            V1,
            {"memory/docker/x/memory.limit_in_bytes": 8 * GIB},
            "memory/docker/x/memory.limit_in_bytes",
            id="version 1",
        ),
        pytest.param(
            V1,
            {
                "memory/memory.limit_in_bytes": 8 * GIB,
                "memory/memory.usage_in_bytes": 0,
                "unified/memory.max": "max",
                "unified/cgroup.procs": "",
            },
            "memory/memory.limit_in_bytes",
            id="version 1, seen from its container, hybrid",
        ),
        pytest.param(
            V1,
            {
                "memory/docker/memory.limit_in_bytes": 8 * GIB,
                "memory/docker/x/memory.limit_in_bytes": NO_LIMIT_V1,
            },
            "memory/docker/memory.limit_in_bytes",
            id="version 1, a parent",
        ),
        pytest.param(
            "5:blkio,memory:/x\n",
            {"blkio,memory/x/memory.limit_in_bytes": 8 * GIB, "blkio/x/y": ""},
            "blkio,memory/x/memory.limit_in_bytes",
            id="version 1, joined",
        ),
        pytest.param(
            "5:blkio,memory:/x\n",
            {"memory,blkio/x/memory.limit_in_bytes": 8 * GIB, "memory_pressure/x/y": ""},
            "memory,blkio/x/memory.limit_in_bytes",
            id="version 1, joined the other way round",
        ),
        pytest.param(
            "5:cpu,memory:/x\n",
            {"x/memory.limit_in_bytes": 8 * GIB},
            "x/memory.limit_in_bytes",
            id="version 1, one mount for all",
        ),
        pytest.param(
            "4:cpu,cpuacct:/cpu\n2:memory:/mem\n1:name=memory:/name\n",
            {
                "memory/mem/memory.limit_in_bytes": 8 * GIB,
                "memory/cpu/memory.limit_in_bytes": 1,
                "memory/name/memory.limit_in_bytes": 1,
            },
            "memory/mem/memory.limit_in_bytes",
            id="version 1, a path for each controller",
        ),
    ],
)
def test_the_file_that_limits_is_named(
    check: Check, own: str, files: Mapping[str, str | int], named: str
) -> None:
    report = check(own, files)

    assert (
        f"8.0 GiB is left of the memory limit of 8.0 GiB in {MOUNT}/{named}:" in (report["message"])
    )
    assert check(own, files, 8 * GIB)["verified"] is True


@pytest.mark.parametrize(
    ("own", "files"),
    [
        pytest.param("0::/a/b\n", {"a/memory.max": "max", "a/b/memory.high": "max"}, id="max"),
        pytest.param("0::/\n", {}, id="no files"),
        pytest.param("", {}, id="no cgroup"),
        pytest.param("1:name=systemd:/x\n", {"systemd/x/memory.max": 1}, id="no controller"),
        pytest.param(V1, {"memory/docker/x/memory.limit_in_bytes": NO_LIMIT_V1}, id="version 1"),
        pytest.param(
            V1, {"memory/docker/x/memory.limit_in_bytes": 2**63 - 65536}, id="pages of 64 KiB"
        ),
        pytest.param("0::/\n", {"memory.max": 2**64 - 1}, id="all bits"),
        pytest.param("0::/\n", {"memory.max": "9" * 20}, id="more than 64 bits"),
        pytest.param("0::/\n", {"memory.low": 1, "memory.swap.max": 0}, id="what is no limit"),
        pytest.param(V1, {"memory.max": 1, "memory/memory.soft_limit_in_bytes": 1}, id="soft"),
        pytest.param(
            V1,
            {
                "memory/docker/x/memory.limit_in_bytes": NO_LIMIT_V1,
                "memory/docker/memory.limit_in_bytes": 1,
                "memory/docker/memory.use_hierarchy": 0,
            },
            id="a parent that does not count what is below it",
        ),
    ],
)
def test_without_a_limit_there_is_none(
    check: Check, own: str, files: Mapping[str, str | int]
) -> None:
    report = check(own, files)

    assert (report["verified"], report["limitBytes"], limit_notes(report)) == (True, None, [])


@pytest.mark.parametrize(
    ("files", "left"),
    [
        pytest.param({"memory.current": 3 * GIB}, "5.0 GiB", id="version 2"),
        pytest.param({"memory.current": 9 * GIB}, "0 B", id="more than the limit"),
        pytest.param({"memory.current": 2**63 - 1}, "0 B", id="as much as can be"),
        pytest.param(
            {
                "memory.current": 3 * GIB,
                "memory.stat": f"anon 1\ninactive_file {GIB}\nactive_file {GIB}\n"
                f"slab_reclaimable {GIB}",
            },
            "8.0 GiB",
            id="all of it reclaimable",
        ),
    ],
)
def test_what_is_used_and_cannot_be_reclaimed_is_no_room(
    check: Check, files: Mapping[str, str | int], left: str
) -> None:
    report = check("0::/\n", {"memory.max": 8 * GIB, **files})

    assert f"but {left} is left of the memory limit of 8.0 GiB in" in report["message"]


def test_version_1_counts_the_page_cache_of_all_that_is_below(check: Check) -> None:
    files = {
        "memory/memory.limit_in_bytes": 8 * GIB,
        "memory/memory.usage_in_bytes": 6 * GIB,
        "memory/memory.stat": f"inactive_file 7\ntotal_inactive_file {GIB}\ntotal_active_file "
        f"{GIB}",
    }

    assert "but 4.0 GiB is left of the memory limit of 8.0 GiB in" in (check(V1, files)["message"])


def test_only_in_its_own_cgroup_is_a_process_alone(check: Check) -> None:
    """A parent's one process does not make what is below it go away."""
    files = {
        "memory/a/memory.limit_in_bytes": 8 * GIB,
        "memory/a/memory.usage_in_bytes": 5 * GIB,
        "memory/a/cgroup.procs": "1",
        "memory/a/b/memory.limit_in_bytes": 16 * GIB,
        "memory/a/b/memory.usage_in_bytes": 9 * GIB,
        "memory/a/b/cgroup.procs": "7",
    }

    assert (
        "but 3.0 GiB is left of the memory limit of 8.0 GiB in"
        in (check("2:memory:/a/b\n", files)["message"])
    )


def test_a_limit_without_a_file_of_its_use_is_held_against_it_whole_with_a_note(
    check: Check,
) -> None:
    report = check("0::/a\n", {"a/memory.max": 8 * GIB, "a/memory.high": 7 * GIB}, 7 * GIB)

    assert report["verified"] is True
    assert limit_notes(report) == [
        "/sys/fs/cgroup/a/memory.current is not there: nothing is counted as used of the memory "
        "limit in /sys/fs/cgroup/a/memory.max"
    ]


@pytest.mark.parametrize(
    ("own", "files", "sentence"),
    [
        pytest.param(
            "0::/\n",
            {"memory.max": "8G"},
            f'/sys/fs/cgroup/memory.max says "8G", {MALFORMED}',
            id="a unit",
        ),
        pytest.param(
            "0::/\n",
            {"memory.max": "9" * 21},
            f'/sys/fs/cgroup/memory.max says "{"9" * 21}", which is no memory limit: it must be '
            "max or a number of bytes",
            id="more digits than a number has",
        ),
        pytest.param(
            "0::/\n",
            {"memory.high": ""},
            f'/sys/fs/cgroup/memory.high says "", {MALFORMED}',
            id="empty",
        ),
        pytest.param(
            "0::/\n",
            {"memory.max": "-1"},
            f'/sys/fs/cgroup/memory.max says "-1", {MALFORMED}',
            id="negative",
        ),
        pytest.param(
            "0::/\n",
            {"memory.max": 64 * GIB, "memory.current": "many"},
            '/sys/fs/cgroup/memory.current says "many", which is no use of memory: it must be a '
            "number of bytes",
            id="use",
        ),
        pytest.param(
            "0::/\n",
            {"memory.max/x": ""},
            "/sys/fs/cgroup/memory.max cannot be read: Is a directory",
            id="a folder",
        ),
        pytest.param(
            "0::/\n",
            {"memory.max": "1\0"},
            "/sys/fs/cgroup/memory.max cannot be read: "
            "Invalid or incomplete multibyte or wide character",
            id="binary",
        ),
        pytest.param(
            "0::/\n",
            {"memory.max": "1" * (2 << 20)},
            "/sys/fs/cgroup/memory.max cannot be read: File too large",
            id="large",
        ),
        pytest.param(
            "nonsense\n",
            {},
            '/proc/self/cgroup says "nonsense": it must be ID:CONTROLLERS:PATH',
            id="no cgroup's line",
        ),
        pytest.param(
            "0::relative\n",
            {},
            '/proc/self/cgroup says "0::relative": it must be ID:CONTROLLERS:PATH',
            id="no path",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_and_never_guessed(
    check: Check, own: str, files: Mapping[str, str | int], sentence: str
) -> None:
    assert check(own, files, GIB)["problems"] == [sentence]


def test_where_no_memory_is_asked_for_it_is_a_note(check: Check) -> None:
    report = check("0::/\n", {"memory.max": "8G"}, 0)

    assert report["verified"] is True
    assert limit_notes(report) == [f'/sys/fs/cgroup/memory.max says "8G", {MALFORMED}']


def test_a_folder_that_cannot_be_entered_hides_no_limit(check: Check, tmp_path: Path) -> None:
    folder = tmp_path / "root" / MOUNT.lstrip("/") / "a"
    folder.parent.mkdir(parents=True)
    folder.symlink_to(folder)

    assert check("0::/a/b\n", {}, GIB)["problems"] == [
        "/sys/fs/cgroup/a/b cannot be read: Too many levels of symbolic links"
    ]


def test_a_fifo_in_a_limits_place_does_not_hang(
    bind: Bind, machine: Machine, tmp_path: Path
) -> None:
    root = machine(nodes={0: ROOMY}, files={"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/x": ""})
    os.mkfifo(root / "sys/fs/cgroup/memory.max")

    report = json.loads(bind("check", "--root", root, env=plan(GIB)).stdout)

    assert report["problems"] == [
        "/sys/fs/cgroup/memory.max cannot be read: Operation not supported"
    ]


def test_thousands_of_levels_take_no_time(check: Check) -> None:
    assert check(f"0::{'/a' * 2000}\n", {"memory.max": 1}, 2)["limitBytes"] == 1
    assert check(f"0::{'/a' * 500_000}\n", {"memory.max": 1}, 1)["verified"] is False
