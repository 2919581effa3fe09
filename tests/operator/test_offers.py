import json
from typing import Any

import pytest

from numalocal.worker.inject import PoolNumbers
from numalocal_operator.offers import Offers


def node(name: str, pools: Any) -> dict[str, Any]:
    told = pools if isinstance(pools, str) else json.dumps(pools)
    return {"metadata": {"name": name, "annotations": {"numalocal.io/pools": told}}}


def test_before_a_node_is_seen_nothing_is_known() -> None:
    assert Offers().pools() is None


def test_the_largest_of_every_pool_counts() -> None:
    offers = Offers()
    offers.observed(node("a", {"cpuset": {"cpusPerSet": 4, "nodeMemoryBytes": 64}}))
    offers.observed(node("b", {"cpuset": {"cpusPerSet": 8}, "small": {"cpusPerSet": 2}}))

    assert offers.pools() == {
        "cpuset": PoolNumbers(cpus_per_set=8, node_bytes=64),
        "small": PoolNumbers(cpus_per_set=2),
    }


def test_a_node_that_goes_or_offers_less_is_followed() -> None:
    offers = Offers()
    offers.observed(node("a", {"cpuset": {"cpusPerSet": 4}}))
    offers.observed(node("b", {"cpuset": {"cpusPerSet": 8}}))

    offers.gone("b")
    offers.observed(node("a", {}))

    assert offers.pools() == {}


@pytest.mark.parametrize(
    "told", ["", "{", "[]", "[" * 100_000, '{"cpuset": 1}', '{"cpuset": {"cpusPerSet": "x"}}']
)
def test_what_cannot_be_read_is_not_offered(told: str) -> None:
    offers = Offers()

    offers.observed(node("a", told))

    assert offers.pools() == {}


def test_all_nodes_are_listed_before_anything_is_said_of_pools() -> None:
    offers = Offers()
    assert offers.pools() is None

    offers.listed([])
    assert offers.pools() == {}

    offers.listed([node("a", {"cpuset": {"cpusPerSet": 4}}), node("b", {"x": {"cpusPerSet": 2}})])
    assert offers.pools() == {
        "cpuset": PoolNumbers(cpus_per_set=4),
        "x": PoolNumbers(cpus_per_set=2),
    }


@pytest.mark.parametrize("number", ["Infinity", "-1", "1e999", "9" * 4000, "true", '"x"', "[" * 99])
def test_a_number_that_no_node_can_have_is_not_said(number: str) -> None:
    offers = Offers()
    offers.observed(node("a", f'{{"cpuset": {{"cpusPerSet": {number}, "nodeMemoryBytes": -1}}}}'))
    offers.observed(node("b", {"cpuset": {"cpusPerSet": 8}}))

    assert offers.pools() == {"cpuset": PoolNumbers(cpus_per_set=8)}
