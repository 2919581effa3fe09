"""What check says of memory: of a node, of the ranks that share one, of the cgroup's limit."""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Bind = Callable[..., subprocess.CompletedProcess[str]]
Machine = Callable[..., Path]
Check = Callable[..., dict[str, Any]]

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
GIB_KB = MIB  # 1 GiB in the kB of meminfo
ROOMY = {"MemTotal": 1024 * GIB_KB, "MemFree": 1024 * GIB_KB}
LOWER = "lower spec.memory.perRank, or use a node with more memory"
RAISE = "raise that limit (in a pod: the container's memory limit), or lower spec.memory.perRank"


def plan(nodes: tuple[int, ...], per_rank_bytes: int) -> dict[str, str]:
    """One rank for each entry, on CPUs 2-3."""
    return {
        "NUMALOCAL_CPUS": "2-3",
        "NUMALOCAL_MEMS": ",".join(map(str, sorted(set(nodes)))),
        "NUMALOCAL_RANKS": str(len(nodes)),
        "NUMALOCAL_RANK_CPUS": "|".join(["2-3"] * len(nodes)),
        "NUMALOCAL_RANK_MEMS": "|".join(map(str, nodes)),
        "NUMALOCAL_MEMORY_PER_RANK_BYTES": str(per_rank_bytes),
    }


@pytest.fixture
def check(bind: Bind) -> Check:
    """Check ranks on these nodes below a root; answers the report."""

    def run(root: Path, nodes: tuple[int, ...], per_rank_bytes: int) -> dict[str, Any]:
        checked = bind("check", "--root", root, env=plan(nodes, per_rank_bytes))
        report: dict[str, Any] = json.loads(checked.stdout)
        assert checked.returncode == (0 if report["verified"] else 1), checked.stderr
        return report

    return run


def cgroup(level: str, limit: str, current: int = 0, **stat: int) -> dict[str, str]:
    """The files of one cgroup v2 level."""
    folder = f"sys/fs/cgroup{level}"
    return {
        f"{folder}/memory.max": f"{limit}\n",
        f"{folder}/memory.current": f"{current}\n",
        f"{folder}/memory.stat": "".join(f"{key} {value}\n" for key, value in stat.items()),
    }


def test_free_memory_and_what_the_kernel_gives_back_is_available(
    check: Check, machine: Machine
) -> None:
    fields = {
        "MemTotal": 1000,
        "MemFree": 100,
        "Active": 7777,
        "Inactive": 7777,
        "Active(anon)": 7777,
        "Active(file)": 20,
        "Inactive(file)": 3,
        "KReclaimable": 7777,
        "SReclaimable": 4,
    }

    report = check(machine(nodes={0: fields}), (0,), 127 * KIB)

    assert report["verified"] is True
    assert report["ranks"] == [
        {
            "cpus": "2-3",
            "numaNode": 0,
            "memoryNodes": "0",
            "memoryBytes": 127 * KIB,
            "availableBytes": 127 * KIB,
        }
    ]
    assert report["message"] == "bound to CPUs 2-3 and NUMA node 0; 1 rank of 127.0 KiB fits"


def test_a_byte_more_than_available_is_refused(check: Check, machine: Machine) -> None:
    root = machine(nodes={0: {"MemTotal": 1000, "MemFree": 127}})

    assert check(root, (0,), 127 * KIB)["verified"] is True
    assert check(root, (0,), 127 * KIB + 1)["verified"] is False


def test_the_sentence_names_rank_amount_node_and_cure(check: Check, machine: Machine) -> None:
    small = {"MemTotal": 15 * GIB_KB + 600 * KIB, "MemFree": 12 * GIB_KB + 300 * KIB}
    root = machine(mems="0-1", nodes={0: ROOMY, 1: small})

    report = check(root, (0, 1), 64 * GIB)

    assert report["problems"] == [
        "rank 1 asks for 64.0 GiB but NUMA node 1 has 12.3 GiB available of 15.6 GiB: " + LOWER
    ]


def test_ranks_of_one_node_are_counted_together(check: Check, machine: Machine) -> None:
    root = machine(
        mems="0-1", nodes={0: {"MemTotal": 20 * GIB_KB, "MemFree": 10 * GIB_KB}, 1: ROOMY}
    )

    assert check(root, (0, 1, 0), 5 * GIB)["verified"] is True
    assert check(root, (0, 1, 0), 6 * GIB)["problems"] == [
        "ranks 0,2 ask for 12.0 GiB (6.0 GiB each) but NUMA node 0 has 10.0 GiB available of "
        "20.0 GiB: " + LOWER
    ]


def test_ranks_without_memory_beside_them_share_that_of_several_nodes(
    bind: Bind, machine: Machine
) -> None:
    """Rank 0 has its memory on node 0, rank 1 on both: 10 GiB and 4 GiB."""
    small = {"MemTotal": 8 * GIB_KB, "MemFree": 4 * GIB_KB}
    root = machine(
        mems="0,2", nodes={0: {"MemTotal": 12 * GIB_KB, "MemFree": 10 * GIB_KB}, 2: small}
    )

    def checked(per_rank_bytes: int) -> dict[str, Any]:
        ranks = {"NUMALOCAL_MEMS": "0,2", "NUMALOCAL_RANK_MEMS": "0|0,2"}
        done = bind("check", "--root", root, env=plan((0, 2), per_rank_bytes) | ranks)
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    fitting = checked(7 * GIB)
    assert fitting["problems"] == []
    assert [rank["availableBytes"] // GIB for rank in fitting["ranks"]] == [10, 14]
    assert checked(8 * GIB)["problems"] == [
        "ranks 0-1 ask for 16.0 GiB (8.0 GiB each) but NUMA nodes 0,2 together have 14.0 GiB "
        "available of 20.0 GiB: " + LOWER
    ]


def test_every_node_that_is_too_small_is_named(check: Check, machine: Machine) -> None:
    little = {"MemTotal": 2 * GIB_KB, "MemFree": GIB_KB}
    root = machine(mems="63-65", nodes={63: little, 64: ROOMY, 65: little})

    report = check(root, (63, 64, 65), 2 * GIB)

    assert [problem.split(" has ")[0] for problem in report["problems"]] == [
        "rank 0 asks for 2.0 GiB but NUMA node 63",
        "rank 2 asks for 2.0 GiB but NUMA node 65",
    ]


def test_huge_pages_of_every_size_are_no_ordinary_memory(check: Check, machine: Machine) -> None:
    pages = "sys/devices/system/node/node0/hugepages"
    root = machine(
        nodes={0: {"MemTotal": 8 * GIB_KB, "MemFree": 9 * GIB_KB}},
        files={
            f"{pages}/hugepages-2048kB/nr_hugepages": "512\n",
            f"{pages}/hugepages-1048576kB/nr_hugepages": "2\n",
        },
    )

    report = check(root, (0,), 6 * GIB)

    assert report["problems"] == [
        "rank 0 asks for 6.0 GiB but NUMA node 0 has 5.0 GiB available of 5.0 GiB: " + LOWER
    ]


def test_a_node_without_memory_is_said_to_have_none(check: Check, machine: Machine) -> None:
    root = machine(nodes={0: {"MemTotal": 0, "MemFree": 0}})

    assert check(root, (0,), MIB)["problems"] == [
        "rank 0 asks for 1.0 MiB but NUMA node 0 has no memory: take a pool whose CPU sets have "
        "memory beside them"
    ]


def test_more_than_64_bits_can_count_does_not_fit(check: Check, machine: Machine) -> None:
    root = machine(nodes={0: ROOMY})

    report = check(root, (0, 0, 0), 2**63 - 1)

    assert report["problems"] == [
        "ranks 0-2 ask for 16.0 EiB (8.0 EiB each) but NUMA node 0 has 1.0 TiB available of "
        "1.0 TiB: " + LOWER
    ]


def test_without_nodes_all_ranks_share_the_machine(
    check: Check, fake_root: Callable[[Mapping[str, str]], Path]
) -> None:
    root = fake_root(
        {
            "proc/self/status": "Cpus_allowed_list:\t2-3\n",
            "proc/meminfo": (
                "MemTotal: 4096 kB\nMemFree: 9 kB\nMemAvailable: 2048 kB\nHugetlb: 1024 kB\n"
            ),
        }
    )

    assert check(root, (0, 0), MIB)["verified"] is True
    assert check(root, (0, 0), MIB + 1)["problems"] == [
        "ranks 0-1 ask for 2.0 MiB (1.0 MiB each) but this machine has 2.0 MiB available of "
        "3.0 MiB: " + LOWER
    ]


def test_the_limit_of_a_container_with_its_own_cgroup_namespace_counts(
    check: Check, machine: Machine
) -> None:
    root = machine(
        nodes={0: ROOMY},
        files={"proc/self/cgroup": "0::/\n", **cgroup("", str(4 * GIB), GIB)},
    )

    report = check(root, (0, 0), 2 * GIB)

    assert report["limitBytes"] == 4 * GIB
    assert report["problems"] == [
        "ranks 0-1 ask for 4.0 GiB (2.0 GiB each) but 3.0 GiB is left of the memory limit of "
        "4.0 GiB in /sys/fs/cgroup/memory.max: " + RAISE
    ]


@pytest.mark.parametrize(
    ("processes", "verified"),
    [pytest.param("1\n", True, id="alone"), pytest.param("1\n7\n", False, id="beside another")],
)
def test_the_checks_own_memory_is_not_held_against_the_engine(
    check: Check, machine: Machine, processes: str, *, verified: bool
) -> None:
    level = {**cgroup("", str(2 * GIB), 1 << 20), "sys/fs/cgroup/cgroup.procs": processes}
    root = machine(nodes={0: ROOMY}, files={"proc/self/cgroup": "0::/\n", **level})

    assert check(root, (0,), 2 * GIB)["verified"] is verified


def test_page_cache_under_the_limit_stands_in_nobodys_way(check: Check, machine: Machine) -> None:
    limit = cgroup(
        "",
        str(4 * GIB),
        3 * GIB,
        anon=7777,
        inactive_file=GIB,
        active_file=GIB,
        slab_reclaimable=GIB - MIB,
    )
    root = machine(nodes={0: ROOMY}, files={"proc/self/cgroup": "0::/\n", **limit})

    assert check(root, (0,), 4 * GIB - MIB)["verified"] is True
    assert check(root, (0,), 4 * GIB - MIB + 1)["verified"] is False


def test_the_smallest_limit_up_the_path_is_reported(check: Check, machine: Machine) -> None:
    root = machine(
        nodes={0: ROOMY},
        files={
            "proc/self/cgroup": "0::/kubepods.slice/pod1/engine\n",
            **cgroup("/kubepods.slice", "max"),
            **cgroup("/kubepods.slice/pod1", str(2 * GIB)),
            **cgroup("/kubepods.slice/pod1/engine", str(8 * GIB)),
        },
    )

    report = check(root, (0,), 3 * GIB)

    assert report["limitBytes"] == 2 * GIB
    assert "2.0 GiB is left of the memory limit of 2.0 GiB in " in report["message"]


def test_a_larger_limit_that_is_nearly_used_up_is_the_tighter_one(
    check: Check, machine: Machine
) -> None:
    root = machine(
        nodes={0: ROOMY},
        files={
            "proc/self/cgroup": "0::/pod1/engine\n",
            **cgroup("/pod1", str(8 * GIB), 7 * GIB),
            **cgroup("/pod1/engine", str(4 * GIB)),
        },
    )

    report = check(root, (0,), 2 * GIB)

    assert report["limitBytes"] == 4 * GIB
    assert "1.0 GiB is left of the memory limit of 8.0 GiB in " in report["message"]


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/self/cgroup": "0::/\n", **cgroup("", "max")},
        {"proc/self/cgroup": "4:memory:/pod1\n0::/\n", "sys/fs/cgroup/memory/x": ""},
        {"proc/self/cgroup": "4:memory:/pod1\n"},
    ],
    ids=["no file", "no limit", "hybrid", "version 1"],
)
def test_without_a_limit_of_cgroup_v2_there_is_none(
    check: Check, machine: Machine, files: Mapping[str, str]
) -> None:
    report = check(machine(nodes={0: ROOMY}, files=files), (0,), GIB)

    assert (report["verified"], report["limitBytes"]) == (True, None)


def test_a_path_out_of_the_cgroup_namespace_is_read_at_its_root(
    check: Check, machine: Machine
) -> None:
    root = machine(
        nodes={0: ROOMY},
        files={
            "proc/self/cgroup": "0::/../../other\n",
            **cgroup("", str(GIB)),
            "other/memory.max": "1\n",
        },
    )

    assert check(root, (0,), GIB)["limitBytes"] == GIB


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (MIB - 1, "1.0 MiB"),
        (64 * GIB, "64.0 GiB"),
        (1536 * GIB, "1.5 TiB"),
        (2**63 - 1, "8.0 EiB"),
    ],
)
def test_amounts_are_written_for_people(
    check: Check, machine: Machine, amount: int, written: str
) -> None:
    root = machine(nodes={0: {"MemTotal": 0}})

    assert check(root, (0,), amount)["message"].startswith(f"rank 0 asks for {written} but ")
