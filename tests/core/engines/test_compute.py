import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.engines.compute import (
    MASK_BITS,
    RULES,
    compute_cpus,
    reserved_cores,
    thread_variables,
)
from numalocal.idset import IdSet, union
from numalocal.machine.model import KINDS, Machine
from numalocal.sets.assignment import Assignment
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool

from ..conftest import make_machine


def assigned(machine: Machine, threads_per_core: int | None = None) -> Assignment:
    pool = Pool(name="cpuset", threads_per_core=threads_per_core)
    return Assignment.of(partition(machine, [pool]).sets)


def lists(machine: Machine, reserved: int = 0, threads_per_core: int | None = None) -> list[str]:
    assignment = assigned(machine, threads_per_core)
    return [str(cpus) for cpus in compute_cpus(assignment, machine, reserved)]


@pytest.mark.parametrize(
    ("architecture", "threads", "expected"),
    [
        pytest.param("x86_64", 2, "3,5", id="x86: the highest sibling"),
        pytest.param("s390x", 2, "3,5", id="Z: the highest sibling"),
        pytest.param("ppc64le", 8, "8-11,16-19", id="POWER SMT-8: four of eight"),
        pytest.param("ppc64le", 4, "4-11", id="POWER SMT-4: all four"),
        pytest.param("ppc64le", 2, "2-5", id="POWER SMT-2: both"),
        pytest.param("aarch64", 1, "1-2", id="ARM: the one thread"),
        pytest.param("aarch64", 4, "4-11", id="ARM with SMT: all"),
        pytest.param("riscv64", 1, "1-2", id="RISC-V"),
        pytest.param("loongarch64", 2, "2-5", id="LoongArch: all"),
        pytest.param("mips64", 2, "2,4", id="any other: the first sibling"),
        pytest.param("", 2, "2,4", id="not known: the first sibling"),
    ],
)
def test_each_architecture_has_its_siblings(architecture: str, threads: int, expected: str) -> None:
    machine = make_machine(nodes=1, cores=3, threads=threads)._replace(architecture=architecture)

    assert lists(machine) == [expected]


@pytest.mark.parametrize(
    ("architecture", "threads", "offline", "expected"),
    [
        pytest.param("x86_64", 2, "3", "2,5", id="x86: the sibling that is left"),
        pytest.param("x86_64", 2, "1,3,5", "2,4", id="x86: as if SMT was off"),
        pytest.param("x86_64", 2, "2-3", "5", id="x86: a whole core"),
        pytest.param("ppc64le", 8, "9-10", "8,11-13,16-19", id="POWER: the next siblings"),
        pytest.param("aarch64", 2, "4", "2-3,5", id="ARM: all that are left"),
    ],
)
def test_a_core_computes_on_what_it_has_online(
    architecture: str, threads: int, offline: str, expected: str
) -> None:
    machine = make_machine(nodes=1, cores=3, threads=threads)._replace(architecture=architecture)

    assert lists(machine.with_online(machine.online - IdSet.parse(offline))) == [expected]


def test_power_siblings_are_the_kernels_not_a_remainder() -> None:
    """CPUs of a POWER core need not begin at a multiple of 8, as with SMT-8 in a small guest."""
    machine = make_machine(nodes=1, cores=2, threads=8)._replace(architecture="ppc64le")
    moved = {cpu: cpu + 4 for cpu in machine.online}
    cores = tuple(
        core._replace(cpus=IdSet.of(moved[cpu] for cpu in core.cpus)) for core in machine.cores
    )
    machine = machine._replace(cores=cores, online=IdSet.of(moved.values()))

    assert lists(machine) == ["12-15"]


@pytest.mark.parametrize(
    ("architecture", "threads_per_core", "expected"),
    [("x86_64", 2, "6-7"), ("ppc64le", 2, "4-5"), ("ppc64le", 8, "4-7"), ("aarch64", 1, "4")],
)
def test_a_pool_says_how_many_threads_a_core_gets(
    architecture: str, threads_per_core: int, expected: str
) -> None:
    machine = make_machine(nodes=1, cores=2, threads=4)._replace(architecture=architecture)

    assert lists(machine, threads_per_core=threads_per_core) == [expected]


def test_a_reserved_core_is_a_performance_core_last() -> None:
    machine = make_machine(nodes=1, cores=5, threads=1)
    kinds = [KINDS[0], KINDS[1], KINDS[1], KINDS[0], KINDS[0]]
    cores = tuple(core._replace(kind=kind) for core, kind in zip(machine.cores, kinds, strict=True))
    machine = machine._replace(cores=cores)

    assert [lists(machine, reserved) for reserved in range(4)] == [
        ["1-4"],
        ["1,3-4"],
        ["3-4"],
        ["3"],
    ]


@pytest.mark.parametrize(
    ("architecture", "ranks", "kv_transfer", "expected"),
    [
        ("x86_64", 2, False, 2),
        ("aarch64", 2, False, 2),
        ("riscv64", 3, False, 3),
        ("s390x", 2, False, 1),
        ("ppc64le", 4, False, 1),
        ("aarch64", 2, True, 4),
        ("ppc64le", 1, True, 2),
    ],
)
def test_a_polling_scheduler_has_cores_of_its_own(
    architecture: str,
    ranks: int,
    kv_transfer: bool,  # noqa: FBT001 - a parameter of the test
    expected: int,
) -> None:
    assert expected == reserved_cores(architecture, ranks, kv_transfer=kv_transfer)


@given(
    architecture=st.sampled_from([*RULES, "mips64"]),
    made=st.builds(
        make_machine,
        nodes=st.integers(1, 4),
        cores=st.integers(2, 6),
        threads=st.sampled_from([1, 2, 4, 8]),
    ),
    reserved=st.integers(0, 9),
    threads_per_core=st.none() | st.integers(1, 8),
)
def test_every_rank_computes_within_its_set_and_never_with_nothing(
    architecture: str, made: Machine, reserved: int, threads_per_core: int | None
) -> None:
    machine = made._replace(architecture=architecture)
    assignment = assigned(machine, threads_per_core)

    computing = compute_cpus(assignment, machine, reserved)

    for one, cpus in zip(assignment.sets, computing, strict=True):
        assert cpus
        assert cpus <= one.cpus
    busy = union(computing)
    used = sum(not core.cpus.isdisjoint(busy) for core in machine.cores)
    owned = len(machine.cores) - len(machine.nodes)
    assert used == max(len(machine.nodes), owned - reserved)


@pytest.mark.parametrize(
    ("architecture", "threads", "reserved", "quota_cpus", "expected"),
    [
        pytest.param("x86_64", 2, 0, 4, ["3,5", "13,15"], id="the first cores of both ranks"),
        pytest.param("x86_64", 2, 0, 3, ["3,5", "13"], id="an odd one goes to the first rank"),
        pytest.param("x86_64", 2, 0, 1, ["3", "13"], id="each rank keeps one"),
        pytest.param("x86_64", 2, 0, 99, ["3,5,7,9", "13,15,17,19"], id="more than there are"),
        pytest.param("x86_64", 2, 2, 4, ["3", "13"], id="polling threads take of it too"),
        pytest.param("x86_64", 2, 7, 4, ["3", "13"], id="but no more than half"),
        pytest.param("ppc64le", 4, 0, 8, ["4,8,12,16", "24,28,32,36"], id="cores before siblings"),
    ],
)
def test_a_cpu_quota_bounds_the_compute_threads(
    architecture: str, threads: int, reserved: int, quota_cpus: int, expected: list[str]
) -> None:
    machine = make_machine(nodes=2, cores=5, threads=threads)._replace(architecture=architecture)

    computing = compute_cpus(assigned(machine), machine, reserved, quota_cpus)

    assert [str(cpus) for cpus in computing] == expected


@given(
    architecture=st.sampled_from([*RULES, "mips64"]),
    nodes=st.integers(1, 4),
    cores=st.integers(2, 6),
    threads=st.sampled_from([1, 2, 4, 8]),
    reserved=st.integers(0, 9),
    quota_cpus=st.integers(1, 40),
)
def test_compute_threads_never_exceed_a_quota_and_no_rank_has_none(  # noqa: PLR0917
    architecture: str, nodes: int, cores: int, threads: int, reserved: int, quota_cpus: int
) -> None:
    machine = make_machine(nodes=nodes, cores=cores, threads=threads)._replace(
        architecture=architecture
    )
    assignment = assigned(machine)
    unbound = compute_cpus(assignment, machine, reserved)

    computing = compute_cpus(assignment, machine, reserved, quota_cpus)

    assert all(cpus and cpus <= more for cpus, more in zip(computing, unbound, strict=True))
    total, before = sum(map(len, computing)), sum(map(len, unbound))
    assert total <= max(quota_cpus, nodes)
    assert total >= min(before, quota_cpus - min(reserved, quota_cpus // 2))
    counts = [len(cpus) for cpus in computing]
    assert max(counts) - min(counts) <= 1 or total == before or reserved


@pytest.mark.parametrize(
    ("cpus", "mask"), [(MASK_BITS, hex(1 << MASK_BITS - 1)), (MASK_BITS + 1, "0x0")]
)
def test_a_mask_that_llama_cpp_would_read_wrong_binds_nothing(cpus: int, mask: str) -> None:
    machine = make_machine(nodes=1, cores=cpus, threads=1)
    last = Pool(name="cpuset", size=1, reserve=cpus - 1)

    told = thread_variables(Assignment.of(partition(machine, [last]).sets), machine)

    assert (told["NUMALOCAL_THREADS"], told["NUMALOCAL_THREADS_MASK"]) == ("1", mask)
