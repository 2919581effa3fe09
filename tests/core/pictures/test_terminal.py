from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.idset import IdSet
from numalocal.machine.model import CpuQuota, Limits, Machine, MemoryLimit
from numalocal.pictures import svg, terminal
from numalocal.pictures.ink import PALETTE
from numalocal.sets.partition import Partition, partition
from numalocal.sets.pools import Pool

from .conftest import ANSI, GIB, MACHINES, Drawn, cut, drawn, hybrid, regular

GOLDEN_MACHINES = ("two-nodes", "epyc", "hybrid", "memory-only", "one-core-nodes", "broken")


def shown(drawing: Drawn, width: int = 100, *, colour: bool = False) -> str:
    machine, parts, users = drawing
    return terminal.draw(machine, parts, users, width=width, colour=colour)


def picture_of(drawing: Drawn, width: int = 100) -> str:
    """Give the part with the nodes, without their memory."""
    lines = shown(drawing, width).split("\n\n")[1].splitlines()
    return "\n".join(line.partition("▕")[0] for line in lines)


def legend(drawing: Drawn) -> str:
    return shown(drawing, 200).split("\n\n")[2]


@pytest.mark.parametrize("width", [60, 120])
@pytest.mark.parametrize("name", GOLDEN_MACHINES)
def test_a_picture_reads_as_its_golden_file(
    golden: Callable[[str, str], None], name: str, width: int
) -> None:
    golden(f"{name}-{width}.txt", shown(drawn(name), width))


@given(name=st.sampled_from(sorted(MACHINES)), width=st.integers(60, 240))
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    assert max(map(len, shown(drawn(name), width).splitlines())) <= width


@given(name=st.sampled_from(["two-nodes", "epyc", "2048-cpus"]), width=st.integers(60, 240))
def test_every_core_is_one_character_at_any_width(name: str, width: int) -> None:
    machine, _, _ = drawn(name)

    assert picture_of((machine, None, {}), width).count("░") == len(machine.cores)


@pytest.mark.parametrize("name", MACHINES)
def test_colour_adds_escapes_and_changes_no_character(name: str) -> None:
    plain = shown(drawn(name))
    coloured = shown(drawn(name), colour=True)

    assert "\x1b" not in plain
    assert coloured != plain
    assert ANSI.sub("", coloured) == plain


@pytest.mark.parametrize("background", [0.0, 1.0], ids=["black", "white"])
def test_colours_stand_out(background: float) -> None:
    for colour in PALETTE:
        light, dark = sorted([luminance(colour), background], reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3, colour


def luminance(colour: int) -> float:
    """Give the relative luminance (WCAG 2) of a colour of the 256's cube."""
    steps = (0, 95, 135, 175, 215, 255)
    parts = [steps[(colour - 16) // base % 6] / 255 for base in (36, 6, 1)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_neighbouring_sets_are_told_apart() -> None:
    machine, _, _ = drawn("epyc")
    across = cut(machine._replace(l3=()), 4)
    first, second = across.sets[0].id, across.sets[1].id

    assert "░A███B██│█▒▒▒▒░░░" in shown((machine, across, {first: "one", second: "two"}))
    assert "░▒▒▒▒▓▓▓│▓▒▒▒▒░░░" in shown((machine, across, {}))


def test_letters_name_the_used_sets_in_the_table() -> None:
    picture = shown(drawn("two-nodes"))

    assert "node 0  ░A█▒▒░" in picture
    assert "  A  cpuset-n0-c1x4  0     8.0 GiB  llama-0 rank 0  1-2,13-14" in picture
    assert "  ▒  cpuset-n0-c3x4  0     8.0 GiB  free            3-4,15-16" in picture
    assert "  ░  shared                         all others      0,5-6,11-12,17-18,23" in picture


def test_the_legend_names_what_is_drawn_and_nothing_else() -> None:
    machine, parts, _ = drawn("two-nodes")

    assert legend((machine, None, {})) == "  ░ shared core"
    assert legend((machine, parts, {})) == "  ░ shared core  ▒▓ core of a free set"
    assert legend(drawn("broken")) == (
        "  ░ shared core  ▒ core of a free set  B core of a used set  "
        "○ core of a set that cannot be given  × core that is offline  "
        "· core not allowed to this process"
    )


def test_efficiency_cores_are_lower() -> None:
    picture = shown((hybrid(), None, {}))

    assert "node 0  P ░░░░░░░░" in picture
    assert "        E ▁▁▁▁▁▁▁▁" in picture
    assert legend((hybrid(), None, {})) == (
        "  ░▁ shared core  P performance cores  E ▁ efficiency cores"
    )


def test_rows_of_many_cores_are_even() -> None:
    lines = shown((regular(packages=1, nodes=1, cores=96), None, {}), 80).splitlines()

    assert [line.count("░") for line in lines if "░" in line][:3] == [32, 32, 32]


def test_memory_is_drawn_to_one_scale_with_its_huge_pages() -> None:
    picture = shown(drawn("memory-only"))

    assert "▕███▒░░░░▏ 256.0 GiB  0-7,16-23" in picture
    assert "  node 2  near node 0  ▕████████▏ 512.0 GiB  no CPUs" in picture


@pytest.mark.parametrize(
    ("memory", "huge", "bar"),
    [
        (512, 0, "████████"),
        (512, 1, "███████▒"),
        (512, 511, "█▒▒▒▒▒▒▒"),
        (512, 512, "▒▒▒▒▒▒▒▒"),
        (64, 1, "█░░░░░░░"),
        (64, 63, "▒░░░░░░░"),
        (1, 0, "█░░░░░░░"),
        (0, 0, "░░░░░░░░"),
    ],
)
def test_however_little_there_is_of_memory_it_is_seen(memory: int, huge: int, bar: str) -> None:
    machine, _, _ = drawn("memory-only")
    node = machine.nodes[0]._replace(memory_bytes=memory * GIB, huge_page_bytes=huge * GIB)

    assert f"▕{bar}▏" in shown((machine._replace(nodes=(node, *machine.nodes[1:])), None, {}))


def test_memory_that_is_not_known_is_not_drawn() -> None:
    machine = regular(packages=1, nodes=1, cores=2)
    blind = machine._replace(nodes=(machine.nodes[0]._replace(memory_bytes=None),))

    assert "  node 0  ░░             memory ?  0-3" in shown((blind, None, {}))


def test_many_sets_are_counted_by_nodes_and_the_used_ones_listed() -> None:
    machine, parts, _ = drawn("one-core-sets")
    assert parts
    used = {parts.sets[5].id: "decode"}

    picture = shown((machine, parts, used))

    assert "  A  cpuset-n0-c6x2  0     8.0 GiB  decode" in picture
    assert "     cpuset: 62 sets of 1 core on node 0, free\n" in picture
    assert "     cpuset: 63 sets of 1 core on node 1, free" in picture
    assert "on each of nodes 0-1" in shown((machine, parts, {}))


def test_who_uses_a_set_is_told_before_its_cpus_where_room_is_short() -> None:
    machine, parts, _ = drawn("epyc")
    assert parts
    user = "numalocal-decode (pid 4194304)"

    picture = shown((machine, parts, {parts.sets[0].id: user}), 60)

    assert f"  A  cpuset-n0-c1x8  0     {user}" in picture


def test_what_cgroups_leave_is_told_with_the_file() -> None:
    machine, parts, users = drawn("two-nodes")
    limits = Limits(
        cpu=CpuQuota("/sys/fs/cgroup/cpu.max", 250000, 100000),
        memory=MemoryLimit("/sys/fs/cgroup/a/memory.high", 8 * GIB, 3 * GIB),
    )

    said = shown((machine._replace(limits=limits), parts, users)).splitlines()

    assert "limit    2.5 CPUs in /sys/fs/cgroup/cpu.max" in said
    assert "limit    3.0 GiB of memory left of 8.0 GiB in /sys/fs/cgroup/a/memory.high" in said


def test_cpus_that_the_kernel_keeps_its_work_off_are_told() -> None:
    machine, parts, users = drawn("two-nodes")
    spared = machine._replace(isolated=IdSet.parse("1-3"), nohz_full=IdSet.parse("2"))

    said = shown((spared, parts, users)).splitlines()

    assert "isolated CPUs 1-3: the kernel moves no thread here" in said
    assert "nohz     CPU 2: no tick while one thread runs" in said


def test_a_set_that_nobody_can_use_says_why() -> None:
    machine, parts, _ = drawn("broken")

    picture = shown((machine, parts, {}))

    assert "none: CPU 1,9 is offline" in picture
    assert "none: memory of node 1 is not allowed" in picture


def test_what_is_offline_or_not_allowed_is_said_at_the_top() -> None:
    top = shown(drawn("broken")).split("\n\n")[0]

    assert "\noffline  CPUs 1-2,9\n" in top
    assert "\nallowed  CPUs 0,3-5,7-8,10-13,15 to this process\n" in top
    assert top.endswith("allowed  memory of node 0")


def test_cores_of_no_node_are_drawn() -> None:
    assert "in no NUMA node\n  no node  ░" in shown(drawn("broken"))


def test_cores_that_are_not_known_are_not_counted() -> None:
    machine = regular(packages=1, nodes=1, cores=4, threads=1)._replace(cores_known=False)

    top = shown((machine, None, {})).split("\n\n")[0]

    assert " cores," not in top
    assert "4 CPUs (which of them share a core is not known)" in top


def test_a_machine_without_sets_says_nothing_of_sets() -> None:
    machine, _, _ = drawn("hybrid")

    assert "set" not in shown((machine, None, {}))


def test_a_machine_all_in_sets_shares_nothing() -> None:
    machine, parts, users = drawn("two-cores")
    assert parts
    all_in_sets = Partition(pools=(), sets=parts.sets, shared=parts.shared - parts.shared)

    assert "all others" not in shown((machine, all_in_sets, users))


def test_distances_are_told_as_briefly_as_they_can_be() -> None:
    assert "distance 10 within a node, 32 to any other" in shown(drawn("two-nodes"))
    assert "distance     0    1    2\nnode 0      10   21   14\n" in shown(drawn("memory-only"))
    assert "distance" not in shown(drawn("one-core-nodes"))
    assert "distance" not in shown(drawn("hybrid"))


def node_lines(machine: Machine, width: int) -> int:
    picture = shown((machine, None, {}), width).split("\n\n")[1]
    return sum(line.startswith("  ") for line in picture.splitlines())


def test_big_machines_stay_readable() -> None:
    assert node_lines(drawn("one-core-nodes")[0], 60) == 128
    assert node_lines(drawn("2048-cpus")[0], 80) <= 2 * 16
    assert node_lines(drawn("2048-cpus")[0], 120) == 16


def test_a_process_cannot_write_escapes_to_the_terminal() -> None:
    machine, parts, _ = drawn("two-cores")
    assert parts

    picture = shown((machine, parts, {parts.sets[0].id: "\x1b[2Jx\n"}))

    assert "\N{REPLACEMENT CHARACTER}[2Jx\N{REPLACEMENT CHARACTER}" in picture


def test_where_nodes_have_no_memory_it_is_said_whose_their_sets_take() -> None:
    machine = regular(packages=2, nodes=2, cores=4)
    bare = [node._replace(memory_bytes=0) for node in machine.nodes[1::2]]
    nodes = (machine.nodes[0], bare[0], machine.nodes[2], bare[1])
    made = machine._replace(nodes=nodes)
    parts = partition(made, [Pool(name="cpuset")])

    picture = shown((made, parts, {}), 120)

    sentence = "sets of node 1 take it from node 0, those of node 3 take it from node 2"
    assert f"memory   {sentence}\n" in picture
    assert "cpuset-n1-c5x6   1     24.0 GiB of node 0  free" in picture


GUESTS = {
    0: ["memory of llama-0 rank 0: Interleave over nodes 0,2 (overflow)"],
    2: [f"memory of llama-0 rank {rank}: nodes 1-2" for rank in range(12)],
}


def test_who_has_memory_on_a_node_is_told_below_it_within_the_width(
    golden: Callable[[str, str], None],
) -> None:
    machine, parts, users = drawn("memory-only")

    for width in (60, 100):
        told = terminal.draw(machine, parts, users, guests=GUESTS, width=width, colour=False)
        assert max(map(len, told.splitlines())) <= width
        assert told.count("memory of llama-0 rank") == 13
    golden("guests-100.txt", told)


def test_a_guests_name_cannot_act_on_the_terminal() -> None:
    machine, parts, users = drawn("memory-only")
    told = terminal.draw(
        machine, parts, users, guests={2: ["memory of \x1b[2J"]}, width=100, colour=False
    )

    assert "\x1b" not in told


def test_a_node_whose_cpus_are_offline_is_not_drawn_as_memory_alone() -> None:
    whole = regular(packages=2, nodes=1, cores=2, threads=1)
    nodes = (whole.nodes[0], whole.nodes[1]._replace(cpus=IdSet()))
    machine = whole.with_online(whole.nodes[0].cpus)._replace(nodes=nodes)

    for told in (
        terminal.draw(machine, None, {}, width=100, colour=False),
        svg.draw(machine, None, {}, title="a machine"),
    ):
        assert "no CPUs online" in told
        assert "near node" not in told


def test_memory_that_nobody_can_have_is_told_apart() -> None:
    machine, _, _ = drawn("memory-only")
    nodes = (*machine.nodes[:2], machine.nodes[2]._replace(device_memory=True))

    told = shown((machine._replace(nodes=nodes), None, {}))

    assert told.count("a device's memory") == 1
    assert "no CPUs" not in told
