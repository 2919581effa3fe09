import pytest

from numalocal_operator.planning import revisions
from numalocal_operator.planning.pod import owner

from ..builders import make_worker, raw_worker

OWNER = owner(make_worker())


def test_what_is_asked_is_named_by_its_hash_whatever_the_order_of_its_fields() -> None:
    raw = raw_worker(replicas=2, ranks=1)
    turned = {**raw, "spec": dict(reversed(raw["spec"].items()))}

    name = revisions.revision_name(raw)

    assert name.startswith("llama-")
    assert revisions.revision_name(turned) == name
    assert revisions.revision_name(raw_worker(replicas=3, ranks=1)) != name


def test_a_spec_of_more_than_a_mebibyte_is_not_kept() -> None:
    assert revisions.revision_name(raw_worker(note="x" * revisions.MOST_BYTES)) == ""


def test_what_was_kept_is_given_back_with_the_worker_as_it_is_now() -> None:
    kept = revisions.kept(raw_worker(replicas=2), OWNER)
    now = raw_worker(ranks=0)
    now["metadata"]["generation"] = 7

    asked = revisions.asked(kept, now)

    assert asked is not None
    assert asked["spec"] == raw_worker(replicas=2)["spec"]
    assert asked["metadata"]["generation"] == 7


@pytest.mark.parametrize("data", [None, [], "spec", 3], ids=repr)
def test_what_nobody_of_us_has_kept_is_nothing(data: object) -> None:
    kept = {**revisions.kept(raw_worker(), OWNER), "data": data}

    assert revisions.asked(kept, raw_worker()) is None


def test_what_another_worker_of_the_name_asked_is_not_this_ones() -> None:
    kept = revisions.kept(raw_worker(), OWNER)
    other = raw_worker()
    other["metadata"]["uid"] = "w-2"

    assert not revisions.is_of(kept, other)
    assert revisions.asked(kept, other) is None
