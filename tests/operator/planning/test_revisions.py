import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_what_a_deleted_worker_of_the_name_left_behind_has_another_name() -> None:
    later = raw_worker()
    later["metadata"]["uid"] = "w-2"

    assert revisions.revision_name(later) != revisions.revision_name(raw_worker())


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


@pytest.mark.parametrize(
    "data", [None, [], "spec", 3, {"spec": None}, {"spec": {}}, {"spec": "{"}], ids=repr
)
def test_what_nobody_of_us_has_kept_is_nothing(data: object) -> None:
    kept = {**revisions.kept(raw_worker(), OWNER), "data": data}

    assert revisions.asked(kept, raw_worker()) is None


def test_what_another_worker_of_the_name_asked_is_not_this_ones() -> None:
    kept = revisions.kept(raw_worker(), OWNER)
    other = raw_worker()
    other["metadata"]["uid"] = "w-2"

    assert not revisions.is_of(kept, other)
    assert revisions.asked(kept, other) is None


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.text(), JSON))
def test_what_is_kept_is_written_by_go_byte_for_byte_as_by_us(spec: Any) -> None:
    """Go writes keys in order, and neither blanks nor `<`, `>`, `&` or the separators as such."""
    raw = {**raw_worker(), "spec": spec}

    data = revisions.kept(raw, OWNER)["data"]

    text = json.dumps(data, separators=(",", ":"))
    assert list(data) == ["spec"]
    assert text.isascii()
    assert not set("<>&") & set(text)
    assert "\\u" not in text.replace("\\\\u", ""), "escapes are in the text alone"
    kept = revisions.asked(revisions.kept(raw, OWNER), raw)
    assert kept is not None
    assert kept["spec"] == spec
