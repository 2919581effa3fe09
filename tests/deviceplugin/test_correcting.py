from dataclasses import replace

from numalocal.idset import IdSet
from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.correcting import Correction, Cpuset, corrections, taken_back
from numalocal_deviceplugin.deviceids import sets_named
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.pods import Container, Pod
from numalocal_deviceplugin.standing import POLICY_STATIC
from numalocal_deviceplugin.thisnode import Node

from .nodes import N0, SHARED, make_container, make_node, make_partition, make_pod

FIRST = Assignment.of(sets_named(make_partition().sets, [N0]))
WORKER, WEB = make_pod("worker"), make_pod("web")


def node(
    *containers: tuple[Pod, Container], worker: Container | None = None, lent: str = ""
) -> Node:
    ledger = Ledger()
    if worker is not None:
        ledger = ledger.claim(WORKER, worker, FIRST).created(WORKER, worker)
    for pod, container in containers:
        ledger = ledger.created(pod, container)
    return make_node(ledger=ledger, lent=lent)


def named(found: tuple[Correction, ...]) -> dict[str, str]:
    return {one.container.name: str(one.binding.cpus) for one in found}


def test_who_is_on_the_wrong_cpus_is_named_and_nobody_else() -> None:
    now = node(
        (WEB, make_container("unbound")),
        (WEB, make_container("wide", cpus="0-7")),
        (WEB, make_container("right", cpus="0,1,4,5", mems="0")),
        worker=make_container(cpus="0-7"),
    )

    assert named(corrections(now)) == {"engine": "2-3", "unbound": SHARED, "wide": SHARED}


def test_those_without_cpu_sets_can_be_left_out() -> None:
    now = node((WEB, make_container("wide", cpus="0-7")), worker=make_container(cpus="0-7"))

    assert named(corrections(now, others=False)) == {"engine": "2-3"}


def test_an_unset_cpuset_is_right_for_others_where_all_cpus_are_theirs() -> None:
    assert corrections(node((WEB, make_container("web")), lent="2-3,6-7")) == ()


def test_an_unset_cpuset_is_never_right_for_a_worker() -> None:
    assert named(corrections(node(worker=make_container()))) == {"engine": "2-3"}


def test_memory_nodes_count_where_a_worker_has_its_own() -> None:
    wrong = node(worker=make_container(cpus="2-3", mems="0-1"))
    right = node(worker=make_container(cpus="2-3", mems="0"))

    assert named(corrections(wrong)) == {"engine": "2-3"}
    assert corrections(right) == ()


def test_one_whose_memory_is_not_to_be_had_is_kept_off_the_cpus_of_others_all_the_same() -> None:
    """It was created while the agent was away, which would have refused it."""
    worker = make_container(cpus="0-7", mems="0-1")
    for asks in ({"memory_nodes": "MemoryOnly"}, {"memory_policy": "Best"}):
        pod = make_pod("worker", **asks)
        ledger = Ledger().claim(pod, worker, FIRST).created(pod, worker)

        (one,) = corrections(make_node(ledger=ledger))

        assert (str(one.binding.cpus), str(one.binding.mems)) == ("2-3", "")
        there = ledger.bound([(pod.uid, worker.id, one.binding.cpus, one.binding.mems)])
        assert corrections(make_node(ledger=there)) == ()


def test_cpus_that_are_offline_count_for_nothing() -> None:
    container = make_container("web", cpus="0-1,4-5")
    ledger = Ledger().created(WEB, container)

    assert corrections(make_node(online="0,2-7", ledger=ledger)) == ()


def test_what_the_kernel_says_counts_more_than_what_the_runtime_was_told() -> None:
    now = node(
        (WEB, make_container("web", cpus=SHARED)), worker=make_container(cpus="2-3", mems="0")
    )
    drifted = {"id-of-engine": Cpuset(IdSet.parse("0-7"), IdSet.parse("0-1"))}

    (one,) = corrections(now, seen=drifted)

    assert (one.container.name, str(one.now.cpus), str(one.binding.cpus)) == (
        "engine",
        "0-7",
        "2-3",
    )


def test_the_undecided_are_left_as_they_are() -> None:
    now = node((WEB, make_container("web")))

    assert corrections(now, undecided={"id-of-web"}) == ()


def test_one_that_cannot_be_bound_is_passed_over() -> None:
    ledger = node((WEB, make_container("web")), worker=make_container()).ledger

    found = corrections(make_node(online="4-7", ledger=ledger))

    assert named(found) == {"web": "4-5"}


def test_where_another_pins_nothing_is_corrected() -> None:
    barred = replace(
        node((WEB, make_container("web")), worker=make_container()), barred=POLICY_STATIC
    )

    assert corrections(barred) == ()
    assert taken_back(barred, FIRST.cpus) == ()


def test_memory_is_moved_at_once_only_where_nothing_runs() -> None:
    running = make_container(cpus="0-7", mems="")
    created = running._replace(runs=False)

    (later,) = corrections(node(worker=running))
    (now,) = corrections(node(worker=created))

    assert (str(later.at_once.binding.cpus), str(later.at_once.binding.mems)) == ("2-3", "")
    assert (str(now.at_once.binding.cpus), str(now.at_once.binding.mems)) == ("2-3", "0")


class TestWhatIsTakenBack:
    def test_is_what_others_have_of_sets_that_are_held_now(self) -> None:
        now = node(
            (WEB, make_container("everywhere")),
            (WEB, make_container("lent", cpus="0-7")),
            (WEB, make_container("narrow", cpus="0-1")),
            worker=make_container(),
            lent="6-7",
        )

        assert named(taken_back(now, FIRST.cpus)) == {"everywhere": "0-1,4-7", "lent": "0-1,4-7"}

    def test_is_nothing_of_a_namespace_that_is_left_alone(self) -> None:
        now = node((WEB, make_container("web")), worker=make_container())

        assert taken_back(replace(now, left_alone=frozenset({"default"})), FIRST.cpus) == ()

    def test_is_nothing_where_no_cpu_is_left_for_others(self) -> None:
        everything = Assignment.parse(FIRST.to_json().replace("2-3", "0-7"))
        ledger = Ledger().claim(WORKER, make_container(), everything)

        assert (
            taken_back(
                make_node(ledger=ledger.created(WEB, make_container("web"))), everything.cpus
            )
            == ()
        )
