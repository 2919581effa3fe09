import os
import subprocess
import sys
from pathlib import Path

from numalocal.host.observation import bytes_on_node, observe
from numalocal.idset import IdSet

NUMA_MAPS = """\
00400000 default file=/usr/bin/engine mapped=6 active=0 N0=6 kernelpagesize_kB=4
7f0000000000 bind:1 anon=1000 dirty=1000 active=0 N0=10 N1=990 kernelpagesize_kB=4
7f1000000000 bind:1 anon=2 dirty=2 N1=2 kernelpagesize_kB=2048
7ffc00000000 default stack anon=3 dirty=3 N0=3 kernelpagesize_kB=4
"""


def test_private_memory_is_summed_by_node_and_page_size() -> None:
    assert bytes_on_node(NUMA_MAPS) == {0: 13 * 4096, 1: 990 * 4096 + 2 * (2 << 20)}


def test_every_thread_of_every_descendant_is_seen(tmp_path: Path) -> None:
    def process(pid: int, children: str, threads: dict[int, str]) -> None:
        for tid, cpus in threads.items():
            task = tmp_path / str(pid) / "task" / str(tid)
            task.mkdir(parents=True)
            status = f"Cpus_allowed_list:\t{cpus}\nMems_allowed_list:\t0-1\n"
            (task / "status").write_text(status)
            (task / "children").write_text(children if tid == pid else "")
        (tmp_path / str(pid) / "numa_maps").write_text(NUMA_MAPS)

    process(10, "12 ", {10: "2", 11: "3"})
    process(12, "", {12: "6-7"})

    look = observe(10, tmp_path)

    assert look is not None
    assert sorted(str(cpus) for cpus in look.thread_cpus) == ["2", "3", "6-7"]
    assert (str(look.cpus), str(look.mems)) == ("2-3,6-7", "0-1")
    assert look.bytes_on_node[0] == 2 * 13 * 4096


def test_a_process_that_is_gone_is_none(tmp_path: Path) -> None:
    assert observe(4711, tmp_path) is None


def test_a_real_process_is_seen_as_its_kernel_shows_it() -> None:
    cpu = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, [{cpu}]); print('ready', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()

        look = observe(child.pid)

        child.communicate("\n")
    assert look is not None
    assert look.cpus == IdSet.of([cpu])
