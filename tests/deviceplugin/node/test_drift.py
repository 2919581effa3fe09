from pathlib import Path

import pytest

from numalocal.idset import IdSet
from numalocal_deviceplugin.binding import Binding
from numalocal_deviceplugin.correcting import Correction, Cpuset
from numalocal_deviceplugin.node import drift
from numalocal_deviceplugin.node.drift import Tries, harms, refusal
from numalocal_deviceplugin.refusals import Reason

from ..nodes import make_container, make_pod

POD = make_pod("worker")


def wrong(
    now: str = "0-7", to: str = "2-3", *, told: str = "2-3", mems: str = "0", name: str = "engine"
) -> Correction:
    """Make a container that runs on CPUs `now`, is to run on `to` and was told to run on `told`."""
    return Correction(
        pod=POD,
        container=make_container(name, cpus=told, mems=mems),
        now=Cpuset(IdSet.parse(now), IdSet.parse(mems)),
        binding=Binding(cpus=IdSet.parse(to), mems=IdSet.parse(mems), environment={}),
    )


def test_what_the_runtime_was_not_told_is_due_at_once() -> None:
    one = wrong(told="0-7")

    assert Tries().seen([one], 100).is_due(one, 100)


def test_what_the_runtime_was_told_gets_a_moment() -> None:
    one = wrong()
    tries = Tries().seen([one], 100)

    assert not tries.is_due(one, 100 + drift.SETTLE_S / 2)
    assert tries.is_due(one, 100 + drift.SETTLE_S)
    assert tries.next_s(200) == 100 + drift.SETTLE_S


def test_what_is_right_by_now_starts_again() -> None:
    one = wrong()
    tries = Tries().seen([one], 100).tried(one, 102)

    assert tries.seen([], 103) == Tries()
    assert Tries().next_s(200) == 200


def test_what_is_to_be_otherwise_by_now_starts_again() -> None:
    tries = Tries().seen([wrong()], 100).tried(wrong(), 102)
    other = wrong(to="6-7", told="2-3")

    assert tries.seen([other], 103).is_due(other, 103)
    assert tries.seen([other], 103).of[other.container.id].times == 0


def test_what_stays_wrong_is_tried_less_and_less_often() -> None:
    one, now_s, waits = wrong(), 0.0, []
    tries = Tries().seen([one], now_s)
    for _ in range(12):
        next_s = tries.next_s(now_s + 1000)
        waits.append(next_s - now_s)
        now_s = next_s
        assert tries.is_due(one, now_s)
        tries = tries.tried(one, now_s).seen([one], now_s)

    assert waits == [2, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


def test_it_is_said_after_enough_tries() -> None:
    one = wrong()
    tries = Tries().seen([one], 0)
    for count in range(drift.ENOUGH):
        assert not tries.stays(one)
        tries = tries.tried(one, 10.0 * count)

    assert tries.stays(one)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (wrong("2", "2-3"), True),
        (wrong("0-1", "0-5", told="0-5", mems=""), False),
        (wrong("0-1", "0-5", told="", mems=""), True),
        (wrong("0-7", "0-5", told="0-5", mems=""), True),
        (wrong("6-7", "0-5", told="0-5", mems=""), True),
    ],
    ids=["worker has less", "other has less", "other untold", "other has more", "other elsewhere"],
)
def test_others_may_have_less_than_they_could(one: Correction, *, expected: bool) -> None:
    assert harms(one) is expected


def said(one: Correction, above: tuple[Path, str] | None = None, error: str = "") -> str:
    tries = Tries().seen([one], 0).tried(one, 0, error)
    found = refusal(one, tries, above, Path("/sys/fs/cgroup/a"))
    assert found.reason is Reason.DRIFT
    assert found.subject == "default/worker/engine"
    return found.message


def test_a_cgroup_above_that_leaves_too_little_is_named() -> None:
    above = Path("/sys/fs/cgroup/kubepods.slice/cpuset.cpus.effective"), "CPU 4-7"

    assert said(wrong("4-7"), above) == (
        "pod default/worker, container engine: it may use CPU 4-7 and memory of NUMA node 0 and "
        "should use CPU 2-3 and memory of NUMA node 0: "
        "/sys/fs/cgroup/kubepods.slice/cpuset.cpus.effective leaves only CPU 4-7 to all below; "
        "give it all again"
    )


def test_what_the_runtime_says_is_repeated_in_short() -> None:
    message = said(wrong(), error="no\nsuch container " + "x" * 5000)

    assert r"the container runtime does not change it: 'no\nsuch container xxx" in message
    assert len(message) < 400


def test_else_somebody_is_suspected_to_write_there() -> None:
    one = wrong("", mems="")._replace(now=Cpuset(IdSet(), IdSet()))

    assert said(one).endswith(
        "it may use CPU none and should use CPU 2-3: the container runtime was asked 3 times; is "
        "something else writing /sys/fs/cgroup/a?"
    )
