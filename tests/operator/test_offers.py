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
