import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal_operator.observing.foreign import FOREIGN_S
from numalocal_operator.observing.store import Store
from numalocal_operator.observing.versions import version_of
from numalocal_operator.observing.workers import STATUS_EVERY_S

from ..builders import make_worker, raw_pod, raw_worker, running

LLAMA = ("serving", "llama")


class Clock:
    """Seconds that pass by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Store:
    return Store(clock)


def worker(version: int, **spec: Any) -> dict[str, Any]:
    raw = raw_worker(**spec)
    raw["metadata"] |= {"resourceVersion": str(version), "generation": version}
    return raw


def pod(version: int, replica: int = 0, **metadata: Any) -> dict[str, Any]:
    """Make a pod whose version can be told from what is observed of it."""
    raw = raw_pod(make_worker(), replica, phase="Running")
    raw["metadata"] |= {"resourceVersion": str(version), **metadata}
    raw["metadata"]["annotations"]["numalocal.io/attempt"] = str(version)
    return raw


def silent(_node: str, _uid: str, _container: str) -> bool | None:
    return None


def attempts(store: Store) -> list[int]:
    """Give the versions of the pods that are known."""
    return sorted(one.attempt for one in store.pods(LLAMA, silent))


def test_what_is_known_of_a_worker_is_what_was_told_last_without_its_managers(
    store: Store,
) -> None:
    raw = worker(5, replicas=2)
    managed = {**raw, "metadata": {**raw["metadata"], "managedFields": [{"manager": "kubectl"}]}}

    assert store.put_worker(managed)

    assert store.worker(LLAMA) == raw
    assert store.keys() == {LLAMA}
    assert not store.put_worker(managed), "told again it is no news"
    assert not store.put_worker(worker(4, replicas=9)), "what is older never is"
    assert store.worker(LLAMA) == raw


def test_versions_are_compared_as_numbers(store: Store) -> None:
    store.put_worker(worker(99))

    assert store.put_worker(worker(100, replicas=3))


@pytest.mark.parametrize(
    ("text", "version"), [("7", 7), ("", -1), (None, -1), ("x", -1), (7, -1), ("-3", -1)]
)
def test_what_is_no_version_counts_as_none(text: object, version: int) -> None:
    assert version_of({"resourceVersion": text}) == version


def test_a_worker_that_is_gone_stays_so_whatever_comes_late(store: Store) -> None:
    store.put_worker(worker(5))

    assert store.drop_worker(worker(6)["metadata"])
    assert not store.put_worker(worker(5))
    assert not store.drop_worker(worker(6)["metadata"])
    assert store.worker(LLAMA) is None


def test_the_end_of_a_worker_leaves_the_next_of_its_name(store: Store) -> None:
    following = worker(7)
    following["metadata"]["uid"] = "w-2"
    store.put_worker(following)

    assert not store.drop_worker(worker(6)["metadata"])
    assert not store.put_worker(worker(5))

    assert store.worker(LLAMA) == following


def test_the_last_good_spec_is_kept_while_the_present_one_cannot_be_read(store: Store) -> None:
    store.put_worker(worker(1, replicas=1))
    assert store.last_good(LLAMA) is None, "nobody has read it yet"
    store.was_read(LLAMA, 1)
    for bad in (2, 3):
        store.put_worker(worker(bad, ranks=0))

    found = store.last_good(LLAMA)
    assert found is not None
    assert found["spec"]["replicas"] == 1
    store.was_read(LLAMA, 3)
    assert store.last_good(LLAMA) is None, "the present one is good"


def test_a_status_leaves_a_spec_that_was_read_as_it_was(store: Store) -> None:
    store.put_worker(worker(1))
    store.was_read(LLAMA, 1)
    told = worker(2)
    told["metadata"]["generation"] = 1
    told["status"] = {"replicas": 1}
    store.put_worker(told)
    store.put_worker(worker(3, ranks=0))

    found = store.last_good(LLAMA)
    assert found is not None
    assert "ranks" not in found["spec"]


def test_what_was_read_of_another_generation_is_not_taken_for_this_one(store: Store) -> None:
    store.put_worker(worker(2, ranks=0))
    store.was_read(LLAMA, 1)
    store.put_worker(worker(3, ranks=0))

    assert store.last_good(LLAMA) is None


def test_what_was_kept_elsewhere_is_good_until_a_spec_is(store: Store) -> None:
    store.put_worker(worker(1, ranks=0))

    store.keep_good(LLAMA, raw_worker(replicas=4))

    found = store.last_good(LLAMA)
    assert found is not None
    assert found["spec"]["replicas"] == 4


def test_a_status_may_be_written_once_a_second(store: Store, clock: Clock) -> None:
    store.put_worker(worker(1))
    assert store.status_wait_s(LLAMA) <= 0
    store.status_written(LLAMA)
    store.put_worker(worker(2))
    assert store.status_wait_s(LLAMA) == STATUS_EVERY_S
    clock.now_s += 0.75
    assert store.status_wait_s(LLAMA) == 0.25
    assert store.status_wait_s(("serving", "other")) <= 0


def test_a_pod_is_found_by_the_worker_of_its_label_and_by_its_owner(store: Store) -> None:
    raw = pod(1)
    raw["metadata"]["labels"]["numalocal.io/worker"] = "other"

    assert store.put_pod(raw) == {LLAMA, ("serving", "other")}

    for key in (LLAMA, ("serving", "other")):
        assert [one.name for one in store.pods(key, silent)] == ["llama-0"]
    assert store.put_pod(pod(2)) == {LLAMA, ("serving", "other")}
    assert store.pods(("serving", "other"), silent) == []


def test_a_pod_that_says_the_same_as_before_is_no_news(store: Store) -> None:
    """Most changes of a pod are none to us."""
    store.put_pod(pod(1))
    same = pod(1)
    same["metadata"]["resourceVersion"] = "2"

    assert store.put_pod(same) == frozenset()
    assert store.put_pod(pod(1)) == frozenset()


def test_of_a_pod_of_no_worker_nothing_is_kept_but_that_it_is_there(store: Store) -> None:
    """One that asked by annotation, or that its worker has released: a sweep looks for neither."""
    raw = pod(1)
    raw["metadata"] |= {"labels": {"numalocal.io/bound": "true"}, "ownerReferences": []}

    assert store.put_pod(raw) == frozenset()
    assert store.versions() == {"p-0": 1}
    assert store._pods["p-0"].pod is None
    assert store.drop_pod("p-0", 2) == frozenset()
    assert store.versions() == {}


def test_a_pod_that_loses_its_worker_is_told_to_it_once(store: Store) -> None:
    store.put_pod(pod(1))
    raw = pod(2)
    raw["metadata"] |= {"labels": {}, "ownerReferences": []}

    assert store.put_pod(raw) == {LLAMA}
    assert store.put_pod(pod(1)) == frozenset(), "what is older is no way back"
    assert store.put_pod(pod(3)) == {LLAMA}, "what is newer is"


def test_the_answer_of_a_creation_that_comes_after_the_pods_end_is_no_ghost(
    store: Store,
) -> None:
    store.put_pod(pod(2))
    assert store.drop_pod("p-0", 3) == {LLAMA}

    assert store.put_pod(pod(1)) == frozenset()
    assert attempts(store) == []


def test_an_end_that_is_older_than_what_is_known_is_none(store: Store) -> None:
    """A pod that lost the label of our watch and has it again."""
    store.put_pod(pod(5))

    assert store.drop_pod("p-0", 4) == frozenset()
    assert attempts(store) == [5]


def test_what_is_gone_is_forgotten_after_a_while(store: Store, clock: Clock) -> None:
    for number in range(100):
        clock.now_s += 10
        store.drop_pod(f"p-{number}")

    assert len(store._gone) < 20


def test_a_pod_that_cannot_be_looked_at_is_its_workers_trouble_alone(store: Store) -> None:
    raw = pod(1)
    raw["metadata"]["creationTimestamp"] = "yesterday"

    assert store.put_pod(raw) == {LLAMA}

    with pytest.raises(ValueError, match="yesterday"):
        store.pods(LLAMA, silent)
    store.put_pod(pod(2))
    assert attempts(store) == [2]


def test_a_foreign_pod_counts_for_a_while(store: Store, clock: Clock) -> None:
    store.put_read(LLAMA, {"metadata": {"name": "llama-0", "uid": "theirs"}})

    assert [one.uid for one in store.pods(LLAMA, silent)] == ["theirs"]
    assert store.foreign_left_s(LLAMA) == FOREIGN_S
    clock.now_s += FOREIGN_S
    assert store.pods(LLAMA, silent) == []
    assert store.foreign_left_s(LLAMA) is None


def test_a_foreign_pod_of_which_events_tell_is_as_they_tell(store: Store) -> None:
    """One that its worker has released, and which keeps the label of our watch."""
    raw = pod(1)
    raw["metadata"] |= {"ownerReferences": [], "labels": {"numalocal.io/bound": "true"}}
    store.put_read(LLAMA, raw)
    ended = {**raw, "metadata": {**raw["metadata"], "resourceVersion": "2"}}
    ended["status"] = {"phase": "Succeeded"}

    assert store.put_pod(ended) == {LLAMA}
    assert store.pods(LLAMA, silent)[0].terminal
    assert store.drop_pod("p-0", 3) == {LLAMA}
    assert store.pods(LLAMA, silent) == []


def test_a_pod_that_was_taken_for_gone_is_believed_once_it_was_read(store: Store) -> None:
    store.put_pod(pod(1))
    store.drop_pod("p-0")

    store.put_read(LLAMA, pod(2))

    assert attempts(store) == [2]
    assert store.put_pod(pod(3)) == {LLAMA}


def test_a_pod_that_was_read_before_its_end_is_no_ghost(store: Store) -> None:
    store.put_pod(pod(1))
    store.drop_pod("p-0", 3)

    store.put_read(LLAMA, pod(2))

    assert attempts(store) == []


def test_a_pod_that_was_read_and_has_our_label_is_known_until_its_end(
    store: Store, clock: Clock
) -> None:
    store.put_read(LLAMA, pod(2))
    clock.now_s += FOREIGN_S + 1

    assert attempts(store) == [2]


def test_a_creation_without_an_answer_is_in_doubt_until_somebody_looks(store: Store) -> None:
    store.put_worker(worker(1))
    store.doubt(LLAMA, "llama-0")
    assert store.doubts(LLAMA) == {"llama-0"}
    store.settle(LLAMA)
    assert store.doubts(LLAMA) == frozenset()
    store.doubt(LLAMA, "llama-0")
    store.drop_worker(worker(2)["metadata"])
    assert store.doubts(LLAMA) == frozenset()


def test_what_a_node_tells_is_asked_at_every_look(store: Store) -> None:
    raw = pod(1)
    raw["status"] = {"phase": "Running", "containerStatuses": [running("c-1")]}
    store.put_pod(raw)

    for told in (None, True, False):
        (found,) = store.pods(LLAMA, lambda *_, word=told: word)
        assert found.started is told
    assert store.of_pods(frozenset({"p-0", "of-nobody"})) == {LLAMA}


def test_what_a_list_lacks_is_gone_unless_it_came_after_it_was_asked_for(store: Store) -> None:
    store.put_worker(worker(1))
    store.put_pod(pod(2, 0))
    store.put_pod(pod(3, 1, uid="p-1"))
    known = store.versions()
    store.put_pod(pod(4, 2, uid="p-2"))

    assert known == {"w-1": 1, "p-0": 2, "p-1": 3}
    assert store.keep(known, frozenset({"w-1", "p-1"})) == {LLAMA}
    assert attempts(store) == [3, 4]
    assert store.keep(store.versions(), frozenset({"p-1", "p-2"})) == {LLAMA}
    assert store.worker(LLAMA) is None


Event = tuple[str, Mapping[str, Any]]


@given(st.integers(1, 6), st.booleans(), st.randoms(use_true_random=False), st.integers(0, 4))
def test_whatever_the_order_and_however_often_it_is_told_the_newest_is_known(
    changes: int,
    ends: bool,  # noqa: FBT001 # hypothesis gives it
    chance: random.Random,
    again: int,
) -> None:
    """Events of one object come in order, and answers of writes at any time between them."""
    store = Store(Clock())
    events: list[Event] = [("put", pod(one)) for one in range(1, changes + 1)]
    if ends:
        events.append(("drop", pod(changes + 1)))
    told = [*events, *chance.choices(events, k=again)]
    chance.shuffle(told)

    for what, raw in told:
        if what == "put":
            store.put_pod(raw)
        else:
            store.drop_pod("p-0", version_of(raw["metadata"]))

    assert attempts(store) == ([] if ends else [changes])
    assert set(store._of) == (set() if ends else {LLAMA})
