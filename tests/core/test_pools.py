import pytest

from numalocal.errors import SpecInvalid
from numalocal.pools import DEFAULT_POOLS, Pool, parse_pools


def test_a_list_and_a_document_are_read_alike() -> None:
    pools = (Pool(name="cpuset", size=4, reserve=2), Pool(name="whole", size="numa", reserve=1))
    raw = [{"name": "cpuset", "size": 4, "reserve": 2}, {"name": "whole"}]

    assert pools == parse_pools(raw)
    assert pools == parse_pools({"pools": raw})


def test_the_default_is_what_an_empty_rule_means() -> None:
    assert parse_pools([{"name": "cpuset"}]) == DEFAULT_POOLS


def test_all_problems_are_told_at_once_with_their_paths() -> None:
    raw = [
        {"name": "Big_One", "size": 0, "reserve": True, "colour": "red"},
        "cpuset",
        {"name": "twice"},
        {"name": "twice", "size": "node", "reserve": 0},
    ]

    with pytest.raises(SpecInvalid) as refused:
        parse_pools(raw)

    assert [problem.path for problem in refused.value.problems] == [
        "pools[0].colour",
        "pools[0].name",
        "pools[0].size",
        "pools[0].reserve",
        "pools[1]",
        "pools[3].size",
        "pools[3].reserve",
        "pools[3].name",
    ]
    assert "pools[3].size: 'node' must be a number of cores from 1, or numa" in str(refused.value)


@pytest.mark.parametrize("raw", [None, [], {}, {"pools": "cpuset"}, 4])
def test_a_document_without_pools_is_refused(raw: object) -> None:
    with pytest.raises(SpecInvalid, match="must be a list of at least one pool"):
        parse_pools(raw)
