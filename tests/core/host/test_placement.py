from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.errors import SetsUnavailable, SpecInvalid
from numalocal.host import plan
from numalocal.host.placement import Placement, guests, place, require_command, users
from numalocal.host.shortages import shortages
from numalocal.idset import IdSet, union
from numalocal.machine.model import CpuQuota, Limits, Machine
from numalocal.sets.memoryask import MemoryPolicy, Overflow
from numalocal.sets.near import MemoryNodes
from numalocal.sets.partition import partition
from numalocal.sets.pools import PREFERENCES, Pool, Preference
from numalocal.worker.spec import Worker, parse_worker

from ..conftest import GIB, make_machine
from ..sets.machines import tiered, tiered_machines

MACHINE = make_machine(nodes=2, cores=4)
CUT = partition(MACHINE, [Pool(name="cpuset", size=1)])


def worker(container: dict[str, Any] | None = None, **spec: Any) -> Worker:
    engine = {"name": "engine", "command": ["decode"], **(container or {})}
    return parse_worker(
        {
            "metadata": {"name": "llama"},
            "spec": {"template": {"spec": {"containers": [engine]}}, **spec},
        }
    )


def placed(
    container: dict[str, Any] | None = None, machine: Machine = MACHINE, **spec: Any
) -> tuple[Placement, ...]:
    return place(worker(container, **spec), machine, CUT)


def test_replicas_get_disjoint_sets() -> None:
    first, second = placed(replicas=2, ranks=2)

    assert first.assignment.cpus.isdisjoint(second.assignment.cpus)
    assert [one.replica for one in (first, second)] == [0, 1]
    assert all(one.assignment.mems == IdSet.of([0, 1]) for one in (first, second))


def test_a_set_outside_the_allowed_cpus_is_not_taken() -> None:
    (one,) = placed(machine=MACHINE._replace(allowed=IdSet.parse("0-3,6-7")))

    assert str(one.assignment.cpus) in {"2-3", "6-7"}


def test_a_set_on_a_node_whose_memory_is_not_allowed_is_not_taken() -> None:
    (one,) = placed(machine=MACHINE._replace(allowed_nodes=IdSet.of([1])))

    assert [rank.numa_node for rank in one.assignment.sets] == [1]


def test_a_pool_decides_how_ranks_are_laid() -> None:
    packed = partition(MACHINE, [Pool(name="cpuset", size=1, placement="Pack")])

    (one,) = place(worker(ranks=3), MACHINE, packed)

    assert len(one.assignment.mems) == 1


def test_a_pool_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(SpecInvalid, match=r"spec.pool: 'big' is not a pool .* known: cpuset"):
        placed(pool="big")


def test_a_kv_transfer_takes_one_more_core() -> None:
    whole = partition(MACHINE, [Pool(name="cpuset")])
    transfer = {"args": ["--kv-transfer-config={}"]}

    (one,) = place(worker(transfer, engine={"name": "vllm"}), MACHINE, whole)

    assert one.environment["NUMALOCAL_RANK_COMPUTE_CPUS"] == "3"


def test_references_are_expanded_as_a_cluster_does() -> None:
    container = {
        "command": ["serve", "--threads=$(NUMALOCAL_THREADS)", "$(OWN)", "$(NONE)"],
        "env": [{"name": "OWN", "value": "on $(NUMALOCAL_CPUS)"}],
    }

    (one,) = placed(container)

    assert one.command == ("serve", "--threads=1", "on $(NUMALOCAL_CPUS)", "$(NONE)")
    assert one.environment["OWN"] == "on $(NUMALOCAL_CPUS)"


def test_an_engine_gets_its_arguments_with_the_values_of_this_machine() -> None:
    (one,) = placed({"command": ["ovms"]}, engine={"name": "ovms"})

    assert one.command == (
        "ovms",
        "--plugin_config",
        '{"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": true}',
    )


def test_what_an_engine_is_not_told_comes_with_the_placement() -> None:
    (one,) = placed({"command": ["ollama", "serve"]}, engine={"name": "ollama"})

    assert "PARAMETER num_thread N" in one.notes[0]


def test_llama_cpp_keeps_its_hands_off_numa_where_no_cgroup_holds_it() -> None:
    llama = worker({"command": ["llama-server"]}, engine={"name": "llama.cpp"})

    told = [
        place(llama, MACHINE, CUT, confined=confined)[0].environment.get("LLAMA_ARG_NUMA")
        for confined in (True, False)
    ]

    assert told == ["numactl", None]


def test_too_many_replicas_are_told_with_the_numbers() -> None:
    with pytest.raises(SetsUnavailable, match="8 CPU sets are asked for, 6 are free of the 6 of"):
        placed(replicas=4, ranks=2)


def test_what_other_runs_hold_is_not_given() -> None:
    held = IdSet.parse("2-3,10-15")

    placements = place(worker(replicas=2), MACHINE, CUT, held=held)

    assert union(one.assignment.cpus for one in placements) == IdSet.parse("4-7")


def test_the_templates_own_variables_win() -> None:
    mine = {"env": [{"name": "OMP_NUM_THREADS", "value": "7"}, {"name": "TOKEN", "valueFrom": {}}]}

    (one,) = placed(container=mine, engine={"name": "openmp"})

    assert one.environment["OMP_NUM_THREADS"] == "7"
    assert "TOKEN" not in one.environment
    assert one.environment["OMP_PLACES"] == "{3}"


def test_a_family_of_the_templates_own_stands_alone() -> None:
    mine = {"env": [{"name": "GOMP_CPU_AFFINITY", "value": "0"}]}

    (one,) = placed(container=mine, engine={"name": "openmp"})

    assert one.environment["GOMP_CPU_AFFINITY"] == "0"
    assert not {"OMP_PLACES", "OMP_PROC_BIND"} & one.environment.keys()
    assert one.environment["OMP_NUM_THREADS"] == "1"


def test_memory_per_rank_is_told_in_bytes() -> None:
    (one,) = placed(memory={"perRank": "1Gi"})

    assert one.environment["NUMALOCAL_MEMORY_PER_RANK_BYTES"] == str(1 << 30)


def test_command_and_arguments_are_one_line() -> None:
    (one,) = placed(container={"args": ["--weights", "1Gi"]})

    assert one.command == ("decode", "--weights", "1Gi")


def test_a_container_without_a_command_can_be_placed_but_not_run_here() -> None:
    (one,) = placed(container={"command": [], "args": ["--verbose"]})

    assert one.command == ("--verbose",)
    with pytest.raises(SpecInvalid, match=r"containers\[0\].command: .* there is no image"):
        require_command(worker({"command": []}))


def test_users_name_the_rank_of_every_set() -> None:
    made = worker(replicas=2, ranks=2)

    named = users(made, place(made, MACHINE, CUT))

    assert sorted(named.values()) == [
        f"llama-{one} rank {rank}" for one in (0, 1) for rank in (0, 1)
    ]


def with_memory(*gib: int, huge: int = 0, cores: int = 4) -> Machine:
    """Make a machine of one node for each amount; `huge` GiB of node 0 are huge pages."""
    machine = make_machine(nodes=len(gib), cores=cores)
    nodes = [
        node._replace(memory_bytes=size * GIB, huge_page_bytes=0 if node.id else huge * GIB)
        for node, size in zip(machine.nodes, gib, strict=True)
    ]
    return machine._replace(nodes=tuple(nodes))


def nodes_of(placements: tuple[Placement, ...]) -> list[list[int]]:
    return [[one.numa_node for one in each.assignment.sets] for each in placements]


@pytest.mark.parametrize(
    ("machine", "spec", "nodes"),
    [
        pytest.param(with_memory(64, 64, huge=56), {}, [[1]], id="huge pages on node 0"),
        pytest.param(with_memory(8, 64), {"ranks": 2}, [[1, 1]], id="a small node"),
        pytest.param(with_memory(20, 64), {"ranks": 3}, [[0, 1, 1]], id="as many as there is room"),
        pytest.param(
            with_memory(16, 8, 64), {"replicas": 2, "ranks": 2}, [[0, 2], [2, 2]], id="replicas"
        ),
        pytest.param(with_memory(8, 8), {}, [[0]], id="none has room"),
        pytest.param(with_memory(48, 48), {"ranks": 2}, [[0, 1]], id="both have room"),
    ],
)
def test_ranks_of_sixteen_gib_go_where_they_fit(
    machine: Machine, spec: dict[str, Any], nodes: list[list[int]]
) -> None:
    cut = partition(machine, [Pool(name="cpuset", size=1)])

    placements = place(worker(memory={"perRank": "16Gi"}, **spec), machine, cut)

    assert nodes_of(placements) == nodes


def test_ranks_go_where_memory_is_available_now_and_else_where_it_is_at_all() -> None:
    machine = with_memory(64, 64)
    cut = partition(machine, [Pool(name="cpuset", size=1)])
    made = worker(memory={"perRank": "16Gi"})

    first, second = (
        place(made, machine, cut, available_bytes=dict(enumerate(sizes)))
        for sizes in ((GIB, 32 * GIB), (GIB, GIB))
    )

    assert nodes_of(first) == [[1]]
    assert nodes_of(second) == [[0]]


@given(
    gib=st.lists(st.integers(0, 80), min_size=1, max_size=4),
    replicas=st.integers(1, 4),
    ranks=st.integers(1, 3),
    per_rank=st.integers(1, 40),
    placement=st.sampled_from(PREFERENCES),
)
def test_all_ranks_fit_wherever_there_is_a_way(
    gib: list[int], replicas: int, ranks: int, per_rank: int, placement: Preference
) -> None:
    machine = with_memory(*(size or 1 for size in gib), cores=5)
    cut = partition(machine, [Pool(name="cpuset", size=1, placement=placement)])
    made = worker(replicas=replicas, ranks=ranks, memory={"perRank": f"{per_rank}Gi"})
    room = sum(min(4, (size or 1) // per_rank) for size in gib)

    try:
        placements = place(made, machine, cut)
    except SetsUnavailable:
        assert replicas * ranks > len(cut.sets)
        return

    used = Counter(node for nodes in nodes_of(placements) for node in nodes)
    fits = all(count * per_rank <= (gib[node] or 1) for node, count in used.items())
    assert fits == (room >= replicas * ranks)
    assert len({one.id for each in placements for one in each.assignment.sets}) == replicas * ranks


def lent(*gib: int) -> Machine:
    """Make a machine whose odd nodes have no memory and are nearest to the even one before them."""
    machine = with_memory(*(size for one in gib for size in (one, 0)))
    count = len(machine.nodes)
    nodes = [
        node._replace(
            distances={
                other: 10 if other == node.id else 12 if other // 2 == node.id // 2 else 32
                for other in range(count)
            }
        )
        for node in machine.nodes
    ]
    return machine._replace(nodes=tuple(nodes))


@pytest.mark.parametrize(
    ("per_rank", "ranks", "nodes"),
    [
        pytest.param("16Gi", 4, [0, 1, 2, 3], id="half of a node for each"),
        pytest.param("24Gi", 2, [0, 2], id="two near nodes take from one that holds one"),
        pytest.param("8Gi", 2, [0, 1], id="near where there is room"),
        pytest.param("17Gi", 4, [0, 1, 2, 3], id="no way"),
    ],
)
def test_memory_that_is_lent_holds_the_ranks_of_all_who_take_it(
    per_rank: str, ranks: int, nodes: list[int]
) -> None:
    machine = lent(32, 32)
    cut = partition(machine, [Pool(name="cpuset")])

    placements = place(worker(ranks=ranks, memory={"perRank": per_rank}), machine, cut)

    assert nodes_of(placements) == [nodes]


TIERED = tiered(cpu_nodes=2, sizes=[8, 8, 64], far={(0, 1): 21, (0, 2): 14, (1, 2): 24})
"""CXL beside node 0."""
TIERED_CUT = partition(TIERED, [Pool(name="cpuset", size=1, reserve=0)])


def test_ranks_go_where_the_tier_is_that_they_ask_for() -> None:
    placements = place(worker(ranks=2, memory={"nodes": "MemoryOnly"}), TIERED, TIERED_CUT)

    assert nodes_of(placements) == [[0, 0]]
    assert str(placements[0].reach.mems) == "2"


def test_more_ranks_than_have_the_tier_are_told_with_the_node_that_has_none() -> None:
    with pytest.raises(SetsUnavailable) as refused:
        place(worker(ranks=3, memory={"nodes": "MemoryOnly"}), TIERED, TIERED_CUT)

    assert str(refused.value) == (
        "3 CPU sets are asked for, 2 are free of the 4 of pool cpuset: no memory-only node is near "
        "NUMA node 1; ask for other nodes than MemoryOnly (spec.memory.nodes), or lower "
        "spec.ranks, or cut smaller sets (pools[].size)"
    )


def test_a_tier_that_this_process_may_not_use_is_told_as_such() -> None:
    confined = TIERED._replace(allowed_nodes=IdSet.of([0, 1]))

    with pytest.raises(SetsUnavailable) as refused:
        place(worker(memory={"nodes": "MemoryOnly"}), confined, TIERED_CUT)

    assert str(refused.value) == (
        "1 CPU set is asked for, 0 are free of the 4 of pool cpuset: memory of node 2 is not "
        "allowed; no memory-only node is near NUMA node 1; ask for other nodes than MemoryOnly "
        "(spec.memory.nodes)"
    )
    with pytest.raises(SetsUnavailable, match=r"other nodes than MemoryOnly .spec.memory.nodes.$"):
        place(worker(ranks=2, memory={"nodes": "MemoryOnly"}), MACHINE, CUT)


def test_memory_of_a_device_is_no_tier_and_told_as_what_it_is() -> None:
    nodes = tuple(node._replace(device_memory=node.id == 2) for node in TIERED.nodes)
    machine = TIERED._replace(nodes=nodes)

    with pytest.raises(SetsUnavailable) as refused:
        place(worker(memory={"nodes": "MemoryOnly"}), machine, TIERED_CUT)

    assert str(refused.value) == (
        "1 CPU set is asked for, 0 are free of the 4 of pool cpuset: no memory-only node is near "
        "NUMA node 0-1 (memory of node 2 is a device's); ask for other nodes than MemoryOnly "
        "(spec.memory.nodes)"
    )


def test_a_tier_makes_room_for_ranks_that_a_node_alone_has_not() -> None:
    made = worker(ranks=2, memory={"perRank": "16Gi", "nodes": "Near"})

    assert nodes_of(place(made, TIERED, TIERED_CUT)) == [[0, 0]]


def test_environment_and_notes_tell_what_overflows() -> None:
    memory = {"perRank": "9Gi", "onOverflow": "Interleave"}
    (one,) = place(worker(memory=memory), TIERED, TIERED_CUT)

    told = {name: value for name, value in one.environment.items() if "MEM" in name}
    assert told == {
        "NUMALOCAL_MEMS": "0,2",
        "NUMALOCAL_RANK_MEMS": "0,2",
        "NUMALOCAL_MEMORY_POLICY": "interleave",
        "NUMALOCAL_MEMORY_POLICY_NODES": "0,2",
        "NUMALOCAL_MEMORY_OVERFLOW": "1",
        "NUMALOCAL_MEMORY_PER_RANK_BYTES": str(9 * GIB),
    }
    assert any("pages are interleaved over NUMA nodes 0,2" in note for note in one.notes)


def test_what_is_asked_of_memory_and_changes_nothing_is_noted() -> None:
    memory = {"policy": "Interleave", "onOverflow": "Interleave"}
    (one,) = place(worker(memory=memory), TIERED, TIERED_CUT)

    assert any("memory policy Interleave is not set" in note for note in one.notes)
    assert any("onOverflow Interleave adds no node" in note for note in one.notes)


@given(
    machine=tiered_machines(),
    memory=st.fixed_dictionaries(
        {},
        optional={
            "policy": st.sampled_from(MemoryPolicy).map(str),
            "nodes": st.sampled_from(MemoryNodes).map(str),
            "onOverflow": st.sampled_from(Overflow).map(str),
            "perRank": st.integers(1, 40).map("{}Gi".format),
        },
    ),
    replicas=st.integers(1, 2),
    ranks=st.integers(1, 3),
)
def test_every_replica_is_bound_within_what_may_be_used_or_all_are_refused(
    machine: Machine, memory: dict[str, str], replicas: int, ranks: int
) -> None:
    cut = partition(machine, [Pool(name="cpuset", size=1, reserve=0)])
    made = worker(replicas=replicas, ranks=ranks, memory=memory)
    try:
        placements = place(made, machine, cut)
    except SetsUnavailable:
        return

    for one in placements:
        assert one.reach.mems <= machine.allowed_nodes
        assert one.environment["NUMALOCAL_MEMS"] == str(one.reach.mems)
    short = shortages(made, machine, cut, placements)
    shown = plan.text(made, placements, short, width=100)
    assert shown.endswith("\nfits") == (not short)


def quota(cpus: float) -> Limits:
    return Limits(cpu=CpuQuota("/sys/fs/cgroup/cpu.max", int(cpus * 100000), 100000))


@pytest.mark.parametrize(
    ("cpus", "spec", "computing", "note"),
    [
        (2, {}, ["3,5"], "the CPU quota of 2 CPUs in /sys/fs/cgroup/cpu.max leaves 2 of 3 compute"),
        (2.5, {}, ["3,5"], "the CPU quota of 2.5 CPUs in"),
        (2, {"ranks": 2}, ["3|11"], "leaves 2 of 6 compute threads to a replica"),
        (3, {"replicas": 2}, ["3,5", "11"], "leaves 2 of 3 compute threads to a replica"),
        (1, {"replicas": 2}, ["3", "11"], "is less than a CPU for each of 2 ranks: each keeps"),
        (0.5, {}, ["3"], "the CPU quota of 0.5 CPUs in /sys/fs/cgroup/cpu.max is less than a CPU"),
        (3, {}, ["3,5,7"], ""),
        (64, {"replicas": 2}, ["3,5,7", "11,13,15"], ""),
    ],
)
def test_compute_threads_stay_within_a_cpu_quota_and_a_note_says_so(
    cpus: float, spec: dict[str, Any], computing: list[str], note: str
) -> None:
    whole = partition(MACHINE, [Pool(name="cpuset")])
    made = worker(engine={"name": "openmp"}, **spec)

    placements = place(made, MACHINE._replace(limits=quota(cpus)), whole)

    lists = [one.environment["NUMALOCAL_RANK_COMPUTE_CPUS"] for one in placements]
    assert lists == computing
    threads = [one.environment["NUMALOCAL_THREADS"] for one in placements]
    assert threads == [str(len(one.replace("|", ",").split(","))) for one in lists]
    assert note in " ".join(placements[0].notes)
    assert bool(note) == bool(placements[0].notes)


def test_a_quota_is_told_in_the_engines_own_variables() -> None:
    whole = partition(MACHINE, [Pool(name="cpuset")])
    llama = worker({"command": ["llama-server"]}, engine={"name": "llama.cpp"})

    (one,) = place(llama, MACHINE._replace(limits=quota(2)), whole)

    assert one.environment["LLAMA_ARG_THREADS"] == "2"
    assert one.command[1:3] == ("--cpu-mask", hex(1 << 3 | 1 << 5))


@pytest.mark.parametrize(
    ("per_rank", "noted"), [("1Gi", False), ("2Gi", False), ("3Gi", True), (None, False)]
)
def test_more_memory_than_the_pool_promises_is_a_note(
    per_rank: str | None,
    noted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    cut = partition(MACHINE, [Pool(name="cpuset", size=1, memory_bytes=2 * GIB)])

    (one,) = place(worker(memory={"perRank": per_rank} if per_rank else {}), MACHINE, cut)

    assert one.notes == (
        (
            "spec.memory.perRank is 3.0 GiB, and pool cpuset promises 2.0 GiB to each set "
            "(pools[].memory): the rest is other sets' memory",
        )
        if noted
        else ()
    )


@pytest.mark.parametrize(
    ("reserved", "noted"),
    [(0, False), (4, False), (5, True), (9, True)],
)
def test_more_reserved_cores_than_there_are_is_a_note(
    reserved: int,
    noted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    whole = partition(MACHINE, [Pool(name="cpuset")])
    made = worker(ranks=2, engine={"name": "openmp", "reservedCores": reserved})

    (one,) = place(made, MACHINE, whole)

    sentence = f"spec.engine.reservedCores is {reserved}, and the sets of a replica have 6 cores"
    assert any(note.startswith(sentence) for note in one.notes) == noted


@pytest.mark.parametrize(
    ("machine", "limit_gib", "fraction"),
    [
        pytest.param(with_memory(16, 64), None, "0.5000", id="the node of the rank"),
        pytest.param(with_memory(16, 64), 10, "0.7000", id="the limit, less what is no rank"),
        pytest.param(with_memory(16, 64), 32, "0.5000", id="a limit above the node"),
    ],
)
def test_a_fraction_is_of_the_nodes_that_the_ranks_are_on_or_of_the_limit(
    machine: Machine, limit_gib: int | None, fraction: str
) -> None:
    limits = Limits(container_bytes=limit_gib and limit_gib * GIB)
    cut = partition(machine, [Pool(name="cpuset")])
    vllm = worker(
        {"image": "vllm:v0.24.0", "command": ["vllm", "serve", "m"]},
        engine={"name": "vllm"},
        memory={"perRank": "8Gi"},
    )

    (one,) = place(vllm, machine._replace(limits=limits), cut)

    assert nodes_of((one,)) == [[0]]
    assert one.command[-2:] == ("--gpu-memory-utilization", fraction)


def test_two_replicas_have_the_fraction_of_their_own_nodes() -> None:
    machine = with_memory(16, 64)
    cut = partition(machine, [Pool(name="cpuset")])
    serve = "python -m sglang.launch_server"
    for name, command, option in (
        ("vllm", "vllm serve", "--gpu-memory-utilization"),
        ("sglang", serve, "--mem-fraction-static"),
    ):
        made = worker(
            {"image": "x:v0.24.0", "command": command.split()},
            replicas=2,
            engine={"name": name},
            memory={"perRank": "8Gi"},
        )

        first, second = place(made, machine, cut)

        assert [each.command[each.command.index(option) + 1] for each in (first, second)] == [
            "0.5000",
            "0.1250",
        ]


def test_a_value_that_only_a_cluster_has_is_ours_here_and_said() -> None:
    elsewhere = {"name": "OMP_NUM_THREADS", "valueFrom": {"resourceFieldRef": {"resource": "x"}}}
    container = {"env": [elsewhere], "envFrom": [{"configMapRef": {"name": "x"}}]}

    (one,) = placed(container, engine={"name": "openmp"})

    assert one.environment["OMP_NUM_THREADS"] == "1"
    assert one.notes == (
        "OMP_NUM_THREADS is not set from its valueFrom, which only a cluster reads",
        "the variables of envFrom, which only a cluster reads, are not set",
    )


def test_a_variable_known_before_the_place_is_set() -> None:
    (one,) = placed(engine={"name": "vllm"}, memory={"kvCache": "2Gi"})

    assert one.environment["VLLM_CPU_KVCACHE_SPACE"] == "2"


def fraction(machine: Machine, available_bytes: dict[int, int] | None = None) -> float:
    """Give the fraction of a node's memory that vLLM is told, of a worker that says none."""
    cut = partition(machine, [Pool(name="cpuset", size=1)])
    made = worker({"command": ["vllm"], "args": ["serve"]}, engine={"name": "vllm"})
    (one,) = place(made, machine, cut, available_bytes=available_bytes)
    assert "NUMALOCAL_MEMORY_PER_RANK_BYTES" not in one.environment
    told = one.command.index("--gpu-memory-utilization")
    return float(one.command[told + 1])


def test_without_an_amount_a_rank_is_told_the_memory_of_its_set() -> None:
    # One core of four, less the GiB that a rank of vLLM shares with others.
    assert fraction(with_memory(64)) == 0.2343  # 15 of 64 GiB


def test_what_is_in_use_now_is_no_rank_s() -> None:
    assert fraction(with_memory(64), {0: 32 * GIB}) == 0.1093  # 7 of 64 GiB
    assert fraction(with_memory(64), {0: 640 * GIB}) == 0.2343


def test_who_has_memory_on_a_node_is_told_where_it_is_not_just_the_sets() -> None:
    plain = worker(ranks=2)
    near = worker(ranks=2, memory={"nodes": "Near"})
    spread = worker(memory={"perRank": "9Gi", "onOverflow": "Interleave"})

    assert guests(plain, place(plain, TIERED, TIERED_CUT)) == {}
    assert guests(near, place(near, TIERED, TIERED_CUT)) == {
        0: ["memory of llama-0 rank 0"],
        2: ["memory of llama-0 rank 0"],
    }
    said = ["memory of llama-0 rank 0, Interleave (overflow)"]
    assert guests(spread, place(spread, TIERED, TIERED_CUT)) == {0: said, 2: said}


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        pytest.param(
            {"policy": "Interleave"},
            {node: ["memory of llama-0 ranks 0-2, Interleave"] for node in (0, 1)},
            id="in turn over the nodes of all ranks",
        ),
        pytest.param(
            {"nodes": "Near"},
            {node: ["memory of llama-0 ranks 0-1"] for node in (0, 2)},
            id="each from its own nodes",
        ),
        pytest.param(
            {"policy": "Preferred"},
            {
                0: ["memory of llama-0 ranks 0-1, Preferred"],
                1: ["memory of llama-0 rank 2, Preferred"],
            },
            id="each from its own nodes first",
        ),
    ],
)
def test_the_picture_shows_the_memory_of_every_rank_where_it_is(
    memory: dict[str, str], expected: dict[int, list[str]]
) -> None:
    made = worker(ranks=3, memory=memory)

    assert guests(made, place(made, TIERED, TIERED_CUT)) == expected


def test_the_check_is_told_that_an_effort_is_enough() -> None:
    (one,) = placed(enforcement="BestEffort")

    assert one.environment["NUMALOCAL_ENFORCEMENT"] == "BestEffort"
    assert "NUMALOCAL_ENFORCEMENT" not in placed()[0].environment
