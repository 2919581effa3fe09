import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from numalocal.idset import IdSet
from numalocal_deviceplugin.abilities import Told
from numalocal_deviceplugin.counters import Count, Creation, Duration
from numalocal_deviceplugin.node import locality, table
from numalocal_deviceplugin.node.metrics import Metrics
from numalocal_deviceplugin.node.table import Kind
from numalocal_deviceplugin.refusals import Reason, Refusal
from numalocal_deviceplugin.state import State

from ..nodes import (
    N0,
    N1,
    make_container,
    make_machine,
    make_pod,
    make_state,
    make_tiered_machine,
)
from .cgroup_files import write
from .scrapes import bind, busy_node, samples, scrape

GOLDEN = Path(__file__).parents[2] / "golden" / "deviceplugin" / "metrics.txt"


def values(text: bytes, metric: str, **labels: str) -> list[float]:
    return [
        one.value
        for one in samples(text)
        if one.name == f"numalocal_{metric}" and labels.items() <= one.labels.items()
    ]


def value(text: bytes, metric: str, **labels: str) -> float:
    (one,) = values(text, metric, **labels)
    return one


@pytest.fixture
def busy(tmp_path: Path) -> bytes:
    return busy_node(tmp_path)


def test_a_scrape_is_the_golden_text(busy: bytes) -> None:
    if os.environ.get("NUMALOCAL_GOLDEN") == "write":
        GOLDEN.parent.mkdir(parents=True, exist_ok=True)
        GOLDEN.write_bytes(busy)

    assert busy.decode() == GOLDEN.read_text()


def test_of_two_scrapes_the_second_tells_what_has_changed_and_all_else_again(
    tmp_path: Path,
) -> None:
    state = make_state()
    bind(state, make_pod(), make_container(), N1)
    write(tmp_path / "id-of-engine")
    metrics = Metrics(state, tmp_path, "1.2.3", "node-1")
    first, same = metrics.text(), metrics.text()

    write(tmp_path / "id-of-engine", memory_numa_stat="anon N0=4096 N1=8192\n")
    state.counters.observe(Duration.ALLOCATE, 0.001)
    second = metrics.text()

    assert same == first
    assert values(second, "container_memory_bytes") == [4096, 8192]
    assert value(second, "allocate_duration_seconds_count") == 1
    assert second == scrape(state, tmp_path)


def test_what_is_told_no_more_is_gone_from_the_next_scrape(tmp_path: Path) -> None:
    state, pod = make_state(), make_pod()
    bind(state, pod, make_container(), N1)
    write(tmp_path / "id-of-engine")
    metrics = Metrics(state, tmp_path, "1.2.3", "node-1")
    assert values(metrics.text(), "rank_cpus") == [2]

    state.gone(pod)

    assert values(metrics.text(), "rank_cpus") == []
    assert metrics.text() == scrape(state, tmp_path)


def test_a_scrape_has_every_metric_of_the_table_with_its_labels_and_nothing_else(
    busy: bytes,
) -> None:
    told = {
        (one.name, one.type, one.documentation, frozenset(sample.labels) - {"le"})
        for one in text_string_to_metric_families(busy.decode())
        for sample in one.samples
    }

    assert told == {
        (one.name.removesuffix("_total"), str(one.kind), one.help, frozenset(one.labels))
        for one in table.TABLE
    }


def test_names_are_as_prometheus_wants_them() -> None:
    names = [one.name for one in table.TABLE]

    assert len(set(names)) == len(names)
    for one in table.TABLE:
        assert one.name.startswith("numalocal_")
        assert one.name.endswith("_total") == (one.kind is Kind.COUNTER)
        assert one.help.endswith(".")


def test_local_is_what_is_on_the_nodes_of_the_sets(busy: bytes) -> None:
    assert value(busy, "container_memory_local_ratio", pod="llama-0") == 0.8
    assert value(busy, "container_memory_bytes", numa_node="0") == 1 << 20
    assert value(busy, "container_memory_bytes", numa_node="1") == 4 << 20


@pytest.mark.parametrize(
    ("asks", "ratio"),
    [
        ({}, 0.5),
        ({"memory_nodes": "Near"}, 0.75),
        ({"memory_policy": "Preferred"}, 0.5),
        ({"memory_policy": "Preferred", "memory_nodes": "MemoryOnly"}, 0.25),
        ({"memory_policy": "Interleave", "memory_nodes": "Any"}, 1.0),
        ({"memory_policy": "nonsense"}, 0.5),
    ],
)
def test_local_is_what_is_on_the_nodes_that_a_pod_asks_for(
    tmp_path: Path, asks: dict[str, str], ratio: float
) -> None:
    state = make_state(machine=make_tiered_machine())
    bind(state, make_pod(**asks), make_container(), N0)
    write(tmp_path / "id-of-engine", memory_numa_stat="anon N0=8192 N1=4096 N2=4096\n")

    assert value(scrape(state, tmp_path), "container_memory_local_ratio") == ratio


def test_a_policy_makes_no_container_drifted(tmp_path: Path) -> None:
    state = make_state(machine=make_tiered_machine())
    bind(state, make_pod(memory_policy="Preferred"), make_container(), N0)
    wide = {"cpuset_cpus_effective": "2-3\n", "cpuset_mems_effective": "0-2\n"}
    write(tmp_path / "id-of-engine", **wide)
    assert value(scrape(state, tmp_path), "container_drifted") == 0

    write(tmp_path / "id-of-engine", **wide | {"cpuset_mems_effective": "0\n"})
    assert value(scrape(state, tmp_path), "container_drifted") == 1


def test_a_container_without_memory_has_no_share_of_it(tmp_path: Path) -> None:
    state = make_state()
    bind(state, make_pod(), make_container(), N1)
    write(tmp_path / "id-of-engine", memory_numa_stat="anon N0=0 N1=0\nfile N0=0 N1=0\n")

    assert not values(scrape(state, tmp_path), "container_memory_local_ratio")


def test_every_rank_is_told_with_its_node(tmp_path: Path) -> None:
    state = make_state()
    bind(state, make_pod(), make_container(), N0, N1)
    write(tmp_path / "id-of-engine")

    text = scrape(state, tmp_path)

    assert value(text, "rank_cpus", rank="0", cpu_set=N0, numa_node="0") == 2
    assert value(text, "rank_cpus", rank="1", cpu_set=N1, numa_node="1") == 2
    assert value(text, "container_memory_local_ratio") == 1


@pytest.mark.parametrize(
    ("online", "changed", "drifted"),
    [
        ("0-7", {}, 0),
        ("0-7", {"cpuset_cpus_effective": "0-7\n"}, 1),
        ("0-7", {"cpuset_cpus_effective": "6\n"}, 1),
        ("0-7", {"cpuset_mems_effective": "0-1\n"}, 1),
        ("0-6", {"cpuset_cpus_effective": "6\n"}, 0),
    ],
)
def test_drift_is_another_cpuset_than_what_is_online_of_the_sets(
    tmp_path: Path, online: str, changed: Mapping[str, str], drifted: int
) -> None:
    state = make_state()
    bind(state, make_pod(), make_container(), N1)
    state.set_machine(make_machine().with_online(IdSet.parse(online)))
    write(tmp_path / "id-of-engine", **changed)

    assert value(scrape(state, tmp_path), "container_drifted") == drifted


def test_what_cannot_be_read_is_not_told_as_nothing(tmp_path: Path) -> None:
    state = make_state()
    bind(state, make_pod(), make_container(), N1)
    write(tmp_path / "id-of-engine", cpuset_cpus_effective=None, cpu_stat=None)

    text = scrape(state, tmp_path)

    assert not values(text, "container_drifted")
    assert not values(text, "container_cpu_seconds_total")


@pytest.mark.parametrize("cgroup", ["/gone", "/../outside", "a:b", "slice:prefix:name:more"])
def test_a_container_whose_cgroup_is_not_found_is_counted(tmp_path: Path, cgroup: str) -> None:
    state = make_state()
    bind(state, make_pod(), make_container()._replace(cgroup=cgroup), N1)
    write(tmp_path / "outside")
    (tmp_path / "root").mkdir()

    text = scrape(state, tmp_path / "root")

    assert value(text, "bound_containers") == 1
    assert value(text, "bound_containers_not_read") == 1
    assert values(text, "rank_cpus", rank="0", numa_node="1") == [2]
    assert not values(text, "container_memory_bytes")


def test_a_cgroup_is_found_as_systemd_names_it(tmp_path: Path) -> None:
    state = make_state()
    cgroup = "kubepods-pod1.slice:cri-containerd:abc"
    bind(state, make_pod(), make_container()._replace(cgroup=cgroup), N1)
    write(tmp_path / "kubepods.slice" / "kubepods-pod1.slice" / "cri-containerd-abc.scope")

    text = scrape(state, tmp_path)

    assert value(text, "container_memory_local_ratio") == 0.8
    assert value(text, "bound_containers_not_read") == 0


def test_others_than_who_holds_sets_are_not_shown(tmp_path: Path) -> None:
    state = make_state()
    for number in range(20):
        one = make_container("app")._replace(id=f"app-{number}", cgroup="/app")
        state.created(make_pod(f"app-{number}"), one)
    write(tmp_path / "app")

    text = scrape(state, tmp_path)

    assert value(text, "bound_containers") == 0
    assert b"{container=" not in text


def test_states_of_sets_add_up(tmp_path: Path) -> None:
    state = make_state()

    def states() -> tuple[float, ...]:
        text = scrape(state, tmp_path)
        return tuple(
            value(text, "cpu_sets", pool="cpuset", state=one)
            for one in ("Held", "Free", "Unavailable")
        )

    assert states() == (0, 2, 0)
    bind(state, make_pod(), make_container(), N1)
    assert states() == (1, 1, 0)
    state.set_machine(make_machine().with_online(IdSet.parse("0-1,4-7")))
    assert states() == (1, 0, 1)
    state.set_machine(make_machine())
    state.refuse("here", [Refusal(reason=Reason.NOT_REGISTERED, message="no", subject="cpuset")])
    assert states() == (1, 0, 1)
    state.refuse("here", [Refusal(reason=Reason.NOT_REGISTERED, message="no", subject="other")])
    assert states() == (1, 1, 0)
    state.refuse("here", [Refusal(reason=Reason.CGROUP_V1, message="no")])
    assert states() == (1, 0, 1)


def test_every_reason_is_told_also_where_nothing_is_refused(tmp_path: Path) -> None:
    state = make_state()
    text = scrape(state, tmp_path)
    assert {one: value(text, "refusals", reason=one) for one in Reason} == dict.fromkeys(Reason, 0)

    state.runtime_lost()
    state.refuse("here", [Refusal(reason=Reason.POOLS_INVALID, message="no")] * 2)
    text = scrape(state, tmp_path)

    assert value(text, "refusals", reason=Reason.POOLS_INVALID) == 2
    assert value(text, "runtime_synchronized") == 0


def test_counts_begin_at_nothing(tmp_path: Path) -> None:
    text = scrape(make_state(), tmp_path)

    for count, metric in table.COUNTS.items():
        some = values(text, f"{count}_total")
        assert some, metric.name
        assert not any(some)
    assert value(text, "container_refusals_total", reason=Reason.CPUS_HELD) == 0
    assert value(text, "allocations_total", pool="cpuset") == 0


def test_counts_are_told_by_their_labels(tmp_path: Path) -> None:
    state = make_state()
    state.counters.add(Count.CONTAINER_CREATIONS, Creation.SHARED)

    text = scrape(state, tmp_path)

    assert value(text, "container_creations_total", result="shared") == 1
    assert value(text, "container_creations_total", result="bound") == 0


def test_two_pods_of_one_name_are_one_series_of_the_later(tmp_path: Path) -> None:
    state = make_state()
    bind(state, make_pod(), make_container(), N0)
    again = make_container()._replace(id="again")
    bind(state, replace(make_pod(), uid="another"), again, N1)
    write(tmp_path / "id-of-engine")
    write(tmp_path / "again")

    text = scrape(state, tmp_path)

    assert value(text, "rank_cpus", pod="llama-0", cpu_set=N1) == 2
    assert not values(text, "rank_cpus", cpu_set=N0)


def crowd(state: State, number: int) -> None:
    """Let many containers of one pod share a set, which is as many as a node can have."""
    for at in range(number):
        one = make_container(f"engine-{at}")._replace(id=f"{at}", cgroup="/one")
        bind(state, make_pod(), one, N1)


def test_series_have_an_end(tmp_path: Path) -> None:
    state = make_state()
    crowd(state, locality.MOST_SHOWN + 5)
    write(tmp_path / "one", memory_numa_stat=_everywhere("anon", 1024))

    text = scrape(state, tmp_path)

    assert len(values(text, "rank_cpus")) == locality.MOST_SHOWN
    assert len(values(text, "container_memory_bytes")) == locality.MOST_SHOWN * 64
    assert value(text, "bound_containers_not_read") == 5


def _everywhere(kind: str, nodes: int) -> str:
    return f"{kind} " + " ".join(f"N{node}=4096" for node in range(nodes)) + "\n"


_ANY = st.text(st.characters(codec="utf-8"), max_size=300)


@given(namespace=_ANY, name=_ANY, container=_ANY, runtime=_ANY)
def test_names_of_any_text_are_read_back_by_prometheus_own_parser(
    tmp_path_factory: pytest.TempPathFactory,
    namespace: str,
    name: str,
    container: str,
    runtime: str,
) -> None:
    state, root = make_state(), tmp_path_factory.mktemp("cgroups")
    state.runtime_told(Told(runtime, runtime))
    state.runtime_synchronized()
    pod = replace(make_pod(), namespace=namespace, name=name)
    bind(state, pod, make_container(container)._replace(cgroup="/one"), N1)
    write(root / "one")

    text = scrape(state, root)

    (rank,) = (one for one in samples(text) if one.name == table.RANK_CPUS.name)
    assert rank.labels["namespace"] == namespace[:253]
    assert rank.labels["pod"] == name[:253]
    assert rank.labels["container"] == container[:253]
    assert len(values(text, "runtime_info")) == (runtime != "")


def lines(text: bytes) -> Iterable[str]:
    return (one for one in text.decode().splitlines() if not one.startswith("#"))


def test_no_two_series_have_the_same_labels(busy: bytes) -> None:
    series = [one.rpartition(" ")[0] for one in lines(busy)]

    assert len(set(series)) == len(series)
