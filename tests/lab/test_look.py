"""What the lab's tests read of a node."""

from workers import parse_look

LOOK = """@@cgroup
2-3
0
@@command
numalocal-decode --seconds 0
@@threads
Cpus_allowed_list:\t2
Mems_allowed_list:\t0
Cpus_allowed_list:\t3
Mems_allowed_list:\t0
@@maps
7f00 bind:0 anon=300 dirty=300 N0=297 N1=3 kernelpagesize_kB=4
7f10 default file=/lib/x mapped=9 N1=9 kernelpagesize_kB=4
"""


def test_a_look_is_read_thread_by_thread() -> None:
    look = parse_look(LOOK)

    assert (str(look.cgroup_cpus), str(look.cgroup_mems)) == ("2-3", "0")
    assert [str(cpus) for cpus in look.thread_cpus] == ["2", "3"]
    assert [str(mems) for mems in look.thread_mems] == ["0", "0"]
    assert look.bytes_on_node == {0: 297 * 4096, 1: 3 * 4096}
    assert look.local_share == 0.99
