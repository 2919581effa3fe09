from dataclasses import replace

import pytest

from numalocal import names
from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.deviceids import sets_named
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.pods import CONFIG_SOURCE, Container, Pod, resident
from numalocal_deviceplugin.rebuilding import rebuilt
from numalocal_deviceplugin.refusals import Reason
from numalocal_deviceplugin.settling import Listing, contested, is_whole, settled
from numalocal_deviceplugin.thisnode import Node

from .nodes import N0, N1, make_container, make_node, make_partition, make_pod

FIRST = Assignment.of(sets_named(make_partition().sets, [N0]))
TEXT = FIRST.to_json()
OLD = '{"sets":[{"id":"cpuset-n0-c1x3","pool":"cpuset","cpus":"1-3","numaNode":0,"memoryBytes":1}]}'
A, B = make_pod("a"), make_pod("b")


def node(*containers: tuple[Pod, Container], online: str = "0-7") -> Node:
    ledger = rebuilt([pod for pod, _ in containers], containers, Ledger())
    return make_node(online=online, ledger=ledger)


def lists(**pods: str) -> Listing:
    return {("default", name): frozenset(ids.split()) for name, ids in pods.items()}


def holders(ledger: Ledger) -> dict[str, str]:
    return {one.pod.name: str(one.cpus) for one in ledger.tenants.values() if one.cpus}


def test_a_container_claims_what_it_was_told() -> None:
    found = settled(node((A, make_container(assignment=TEXT)), (B, make_container("web"))), {})

    assert holders(found.ledger) == {"a": "2-3"}
    assert (dict(found.refused), found.undecided) == ({}, frozenset())


@pytest.mark.parametrize("first", [True, False])
def test_of_two_the_one_that_sits_on_the_cpus_has_them(*, first: bool) -> None:
    sits = (A, make_container("sits", assignment=TEXT, cpus="2-3"))
    late = (B, make_container("late", assignment=TEXT))

    found = settled(node(*((sits, late) if first else (late, sits))), lists(b=N0))

    assert holders(found.ledger) == {"a": "2-3"}
    (refusal,) = found.refused.values()
    assert (refusal.reason, refusal.subject) == (Reason.CPUS_HELD, "default/b/late")


def test_of_two_that_sit_nowhere_the_kubelets_word_counts() -> None:
    both = node(
        (A, make_container("x", assignment=TEXT)), (B, make_container("y", assignment=TEXT))
    )

    assert holders(settled(both, lists(b=N0)).ledger) == {"b": "2-3"}


def test_one_that_was_refused_claims_once_the_holder_is_gone() -> None:
    sits = (A, make_container("sits", assignment=TEXT, cpus="2-3"))
    found = settled(node(sits, (B, make_container("late", assignment=TEXT))), {})

    later = settled(make_node(ledger=found.ledger.gone(A)), {})

    assert holders(later.ledger) == {"b": "2-3"}
    assert dict(later.refused) == {}


class TestWhileTheKubeletIsSilent:
    def test_what_only_it_knows_is_undecided(self) -> None:
        pod = make_pod("a", bound_containers="numalocal-check")

        found = settled(node((pod, make_container("numalocal-check"))), None)

        assert found.undecided == {"id-of-numalocal-check"}
        assert dict(found.refused) == {}

    def test_a_container_that_lives_is_believed(self) -> None:
        found = settled(node((A, make_container(assignment=OLD))), None)

        assert holders(found.ledger) == {"a": "1-3"}


def test_a_bound_container_claims_what_the_kubelet_lists() -> None:
    pod = make_pod("a", bound_containers="numalocal-check")

    found = settled(node((pod, make_container("numalocal-check"))), lists(a=N1))

    assert holders(found.ledger) == {"a": "6-7"}


def test_a_bound_container_keeps_the_sets_of_pools_that_have_changed() -> None:
    pod = make_pod("a", bound_containers="numalocal-check")
    sits = make_container("numalocal-check", cpus="4-7", mems="1")

    found = settled(node((pod, sits)), lists(a="old-n1-c4x4"))

    assert holders(found.ledger) == {"a": "4-7"}
    assert dict(found.refused) == {}


def test_a_bound_container_keeps_them_where_some_of_their_cpus_are_offline() -> None:
    pod = make_pod("a", bound_containers="numalocal-check")
    sits = make_container("numalocal-check", cpus="4", mems="1")

    found = settled(node((pod, sits), online="0-4"), lists(a="old-n1-c4x4"))

    assert holders(found.ledger) == {"a": "4-7"}


@pytest.mark.parametrize(
    ("told", "online", "held"),
    [
        pytest.param("6-7", "0-6", "6-7", id="one has gone offline since"),
        pytest.param("6", "0-7", "6", id="one has come online since"),
        pytest.param("0-7", "0-7", "6-7", id="those of others as well"),
        pytest.param("0-1", "0-7", "6-7", id="those of others"),
        pytest.param("6-", "0-7", "6-7", id="no list"),
        pytest.param(",".join(["6"] * 2049), "0-7", "6-7", id="more than is kept of it"),
    ],
)
def test_of_a_listed_set_a_bound_container_has_what_it_was_told_at_its_creation(
    told: str, online: str, held: str
) -> None:
    pod = make_pod("a", bound_containers="numalocal-check")
    variables = {names.ENV_CPUS: told, names.ENV_RANK_COMPUTE_CPUS: told}
    born = make_container("numalocal-check", cpus="6-7", mems="1")._replace(variables=variables)

    found = settled(node((pod, resident(born)), online=online), lists(a=N1))

    assert holders(found.ledger) == {"a": held}


def test_what_the_agent_did_not_tell_a_bound_container_counts_for_nothing() -> None:
    pod = make_pod("a", bound_containers="numalocal-check")
    own = make_container("numalocal-check")._replace(variables={names.ENV_CPUS: "6"})

    assert holders(settled(node((pod, own)), lists(a=N1)).ledger) == {"a": "6-7"}


def test_a_bound_container_that_sits_elsewhere_has_none_of_them() -> None:
    pod = make_pod("a", bound_containers="numalocal-check")
    sits = make_container("numalocal-check", cpus="0-1,4-5")

    found = settled(node((pod, sits)), lists(a="old-n1-c4x4"))

    assert holders(found.ledger) == {}
    assert "is not a CPU set of this node" in found.refused["id-of-numalocal-check"].message


def test_one_that_sits_on_sets_that_nobody_vouches_for_any_more_holds_them() -> None:
    """The pools have changed and the kubelet has lost its list: it still runs there."""
    sits = (A, make_container(assignment=OLD, cpus="1-3"))

    found = settled(node(sits), lists(a=""))

    assert holders(found.ledger) == {"a": "1-3"}
    assert dict(found.refused) == {}


def test_sets_that_nobody_vouches_for_are_refused() -> None:
    found = settled(node((A, make_container(assignment=OLD))), {})

    assert holders(found.ledger) == {}
    assert "none of this node's" in found.refused["id-of-engine"].message


def test_a_pod_that_waits_for_a_crashed_container_holds_what_is_listed() -> None:
    ledger = rebuilt([A, B], [], Ledger())

    found = settled(make_node(ledger=ledger), lists(a=f"{N0} unknown"))

    assert holders(found.ledger) == {"a": "2-3"}


def test_one_bad_container_stops_nobody() -> None:
    bad = make_container("bad")._replace(annotations={"assignment.numalocal.io/x": "[" * 60_000})

    found = settled(node((A, bad), (B, make_container(assignment=TEXT))), {})

    assert holders(found.ledger) == {"b": "2-3"}
    assert found.refused["id-of-bad"].reason is Reason.NOT_BOUND


def test_what_nobody_foresaw_is_a_refusal_too() -> None:
    class Odd(dict[str, str]):
        def __iter__(self) -> "object":  # type: ignore[override]
            raise RuntimeError("odd")

    odd = replace(A, annotations=Odd())

    found = settled(node((odd, make_container(assignment=TEXT))), {})

    assert found.refused["id-of-engine"].message == (
        "pod default/a, container engine: it cannot be judged (RuntimeError)"
    )


class TestContested:
    now = make_node(ledger=Ledger().claim(A, make_container(), FIRST))

    def test_is_a_set_of_a_pod_for_which_the_kubelet_does_not_list_it(self) -> None:
        found = contested(self.now, {}, self.now.ledger)

        assert found == {
            N0: "CPU 2-3 is still held by pod default/a, for which the kubelet does not list it; "
            "the set is given out again when that pod has gone"
        }

    def test_is_none_in_rightful_use(self) -> None:
        assert contested(self.now, lists(a=N0), self.now.ledger) == {}

    def test_is_none_that_was_given_while_the_kubelet_answered(self) -> None:
        assert contested(self.now, {}, Ledger()) == {}

    def test_is_every_set_that_one_of_other_pools_overlaps(self) -> None:
        wide = Assignment.parse(OLD.replace("1-3", "1-6"))
        now = make_node(ledger=Ledger().claim(A, make_container(), wide))

        found = contested(now, lists(a="cpuset-n0-c1x3"), now.ledger)

        assert set(found) == {N0, N1}


def test_a_kubelet_that_has_not_heard_of_its_pods_yet_is_not_believed() -> None:
    def told_by(source: str, name: str) -> Pod:
        return replace(make_pod(name), annotations={CONFIG_SOURCE: source})

    agent, static = told_by("api", "agent"), told_by("file", "kube-proxy")
    ledger = rebuilt([agent, static, A], [], Ledger())

    assert not is_whole({}, ledger)
    assert not is_whole(lists(**{"kube-proxy": ""}), ledger), "it found that one on its disk"
    assert is_whole(lists(agent=""), ledger)
    unknown = rebuilt([static, A], [], Ledger())
    assert is_whole({}, unknown), "nothing tells that it should know more"
    assert is_whole({}, Ledger())


def test_what_such_a_kubelet_lists_decides_nothing() -> None:
    agent = replace(make_pod("agent"), annotations={CONFIG_SOURCE: "api"})
    pod = make_pod("a", bound_containers="numalocal-check")
    now = node((agent, make_container("agent")), (pod, make_container("numalocal-check")))

    assert settled(now, {}).undecided == {"id-of-numalocal-check"}
    assert "numalocal-check" in str(settled(now, lists(agent="")).refused)
