"""What the runtime's seccomp profile denies is made up for by the cpuset, and told."""

import re
from collections.abc import Iterator

import pytest

from lab.cluster import Lab
from workers import DECODE, Workers

pytestmark = pytest.mark.short

PROFILE = "RuntimeDefault"
OPENMP = {"name": "openmp"}
EXEC = ("numalocal-bind", "exec", "--rank", "0", "--", *DECODE)


@pytest.fixture(scope="module")
def beside(lab: Lab) -> Iterator[Workers]:
    """Give the workers `sealed` and `nice`, which has a capability more."""
    made = Workers(lab)
    made.create("sealed", command=EXEC, seccomp=PROFILE, engine=OPENMP)
    nice = ("SYS_NICE",)
    made.create("nice", command=EXEC, seccomp=PROFILE, engine=OPENMP, capabilities=nice)
    yield made
    made.delete_all()


def test_where_seccomp_denies_the_policy_the_cpuset_binds_and_the_denial_is_told(
    beside: Workers,
) -> None:
    status = beside.wait_verified("sealed")
    log = beside.wait_log("sealed", r"tokens_per_s=")
    look = beside.look("sealed")

    assert status["placements"][0]["verified"] is True
    assert re.search(r"numalocal-bind: .*set_mempolicy.*Operation not permitted", log)
    assert look.local_share > 0.99


def test_with_sys_nice_nothing_is_lost_under_seccomp(beside: Workers) -> None:
    beside.wait_ready("nice")
    log = beside.wait_log("nice", r"tokens_per_s=")

    assert "numalocal-bind:" not in log
    assert beside.look("nice").local_share > 0.99
