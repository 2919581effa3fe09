"""Who leads: replicas with clocks, networks and hands between them and one Lease."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numalocal_operator.api.gate import Gate
from numalocal_operator.api.lease import Lease
from numalocal_operator.leading import Leader

Raw = Mapping[str, Any]


@dataclass
class World:
    """A clock and a Lease that the API server keeps."""

    now_s: float = 1000.0
    raw: dict[str, Any] | None = None
    versions: int = 0
    marks: list[dict[str, Any]] = field(default_factory=list)

    def put(self, spec: Any, uid: str | None = None) -> None:
        """Write the Lease past all replicas, as a hand does."""
        self.versions += 1
        uid = uid or (self.raw["metadata"]["uid"] if self.raw else f"l-{self.versions}")
        metadata = {"name": "l", "uid": uid, "resourceVersion": str(self.versions)}
        self.raw = json.loads(json.dumps({"metadata": metadata, "spec": spec}))
        if isinstance(spec, dict) and spec.get("leaseDurationSeconds") == 1:
            self.marks.append(spec)


@dataclass
class Line(Lease):
    """The way of one replica to the Lease.  `way`: as it is, away, or an answer that is lost."""

    world: World
    way: str = "open"
    calls: list[str] = field(default_factory=list)

    def read(self) -> Raw | None:
        self._go("read")
        return json.loads(json.dumps(self.world.raw)) if self.world.raw else None

    def write(self, before: Raw | None, spec: Raw) -> Raw | None:
        self._go("write")
        there, known = self.world.raw, before
        if (there is None) != (known is None):
            return None
        if there and known and there["metadata"] != known["metadata"]:
            return None
        self.world.put(dict(spec))
        if self.way == "answers lost":
            self.world.now_s += 2.0
            raise TimeoutError("the answer is lost")
        return json.loads(json.dumps(self.world.raw))  # type: ignore[no-any-return]

    def _go(self, what: str) -> None:
        self.calls.append(what)
        if self.way == "away":
            self.world.now_s += 2.0
            raise TimeoutError("nobody answers")


class Replica:
    """A leader whose turns the test makes, with a clock that shows another time."""

    def __init__(self, world: World, name: str, offset_s: float = 0.0) -> None:
        self.line = Line(world)
        self.alarms: list[float] = []
        self.ends: list[str] = []
        self.leader = Leader(
            self.line,
            name,
            self.alarms.append,
            lambda: world.now_s + offset_s,
            lambda: self.ends.append("end"),
        )

    def turn(self) -> float:
        return self.leader.turn()


@pytest.fixture
def world() -> World:
    made = World()
    made.put({"holderIdentity": "", "leaseDurationSeconds": 1})
    return made


@pytest.fixture
def two(world: World) -> tuple[Replica, Replica]:
    return Replica(world, "a"), Replica(world, "b", offset_s=5000.0)


def wait(world: World, seconds: float, *replicas: Replica) -> None:
    """Let time pass, in which the replicas make their turns."""
    until = world.now_s + seconds
    while world.now_s < until:
        for one in replicas:
            one.turn()
        world.now_s += 0.5


def test_the_first_one_leads_and_the_other_does_not(
    world: World, two: tuple[Replica, Replica]
) -> None:
    a, b = two

    wait(world, 30, a, b)

    assert a.leader.leads()
    assert not b.leader.leads()
    assert b.leader.holder == "a"
    assert "write" not in b.line.calls


def test_a_leader_that_cannot_renew_stops_seconds_before_another_starts(
    world: World, two: tuple[Replica, Replica]
) -> None:
    a, b = two
    wait(world, 10, a, b)
    a.line.way, began_s = "away", world.now_s
    stopped_s = started_s = 0.0
    while not b.leader.leads():
        if not a.leader.leads() and not stopped_s:
            stopped_s = world.now_s - began_s
        a.turn()
        b.turn()
        world.now_s += 0.1
        started_s = world.now_s - began_s

    assert stopped_s <= 6.0 + 2.0, "the call under way takes its time"
    assert 10.0 <= started_s < 15.0
    a.line.way = "open"
    wait(world, 30, a, b)
    assert (a.leader.leads(), b.leader.leads()) == (False, True)
    assert world.raw is not None
    assert world.raw["spec"]["leaseTransitions"] == 2


def test_a_process_that_was_stopped_knows_before_its_first_turn(
    world: World, two: tuple[Replica, Replica]
) -> None:
    a, b = two
    wait(world, 10, a, b)

    world.now_s += 6.0

    assert not a.leader.leads()
    wait(world, 20, b)
    assert b.leader.leads()
    a.turn()
    assert not a.leader.leads()


def test_a_short_pause_of_the_network_changes_nothing(
    world: World, two: tuple[Replica, Replica]
) -> None:
    a, b = two
    wait(world, 10, a, b)

    a.line.way = "away"
    a.turn()
    a.line.way = "open"
    wait(world, 30, a, b)

    assert a.leader.leads()
    assert world.raw is not None
    assert world.raw["spec"]["leaseTransitions"] == 1


def test_a_renewal_whose_answer_is_lost_is_a_renewal(
    world: World, two: tuple[Replica, Replica]
) -> None:
    a, b = two
    wait(world, 10, a, b)

    a.line.way = "answers lost"
    wait(world, 12, a, b)
    assert not b.leader.leads()
    a.line.way = "open"
    wait(world, 2, a, b)

    assert a.leader.leads()


def test_a_lease_that_is_deleted_is_made_anew_by_its_leader(
    world: World, two: tuple[Replica, Replica]
) -> None:
    a, b = two
    wait(world, 10, a, b)

    world.raw = None
    wait(world, 30, b, a)

    assert a.leader.leads()
    assert not b.leader.leads()


def test_a_lease_that_never_was_is_made_after_a_while(world: World) -> None:
    world.raw = None
    one = Replica(world, "a")

    wait(world, 19, one)
    assert not one.leader.leads()
    wait(world, 5, one)

    assert one.leader.leads()


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"holderIdentity": ""},
        {"holderIdentity": "b", "leaseDurationSeconds": 10},
        {"holderIdentity": "nobody", "leaseDurationSeconds": 10**9, "leaseTransitions": 2**31 - 1},
        {"holderIdentity": "a", "renewTime": 5, "strategy": "Oldest"},
        ["garbage"],
        None,
    ],
    ids=["emptied", "freed", "given to b", "given away", "touched", "a list", "nothing"],
)
def test_a_hand_in_the_lease_never_makes_two_leaders_and_one_comes_back(
    world: World, two: tuple[Replica, Replica], spec: Any
) -> None:
    a, b = two
    wait(world, 10, a, b)

    world.put(spec)
    for _ in range(800):
        for one in (b, a):
            one.turn()
            assert not (a.leader.leads() and b.leader.leads())
        world.now_s += 0.1

    assert a.leader.leads() or b.leader.leads()


def test_an_old_lease_that_somebody_puts_back_makes_nobody_lead(
    world: World, two: tuple[Replica, Replica]
) -> None:
    a, b = two
    wait(world, 10, a, b)
    assert world.raw is not None
    old = world.raw["spec"]
    a.line.way = "away"
    wait(world, 30, a, b)
    a.line.way = "open"
    a.turn()
    assert b.leader.leads()

    world.put(old)
    a.turn()

    assert not (a.leader.leads() and b.leader.leads())


def test_an_old_mark_of_a_lease_that_was_left_makes_nobody_lead_beside_who_does(
    world: World, two: tuple[Replica, Replica]
) -> None:
    a, b = two
    wait(world, 10, a, b)
    a.leader.stop(lambda _timeout_s: True, 5.0)
    assert world.raw is not None
    old = world.raw["spec"]
    c = Replica(world, "c")
    wait(world, 10, b, c)
    assert b.leader.leads()

    world.put(old)

    for _ in range(300):
        for one in (c, b):
            one.turn()
            assert not (b.leader.leads() and c.leader.leads())
        world.now_s += 0.1
    assert b.leader.leads() or c.leader.leads()


def test_what_is_left_is_taken_at_once(world: World, two: tuple[Replica, Replica]) -> None:
    a, b = two
    wait(world, 10, a, b)
    waited: list[float] = []

    def emptied(timeout_s: float) -> bool:
        assert not a.leader.leads(), "nothing new may go out meanwhile"
        waited.append(timeout_s)
        return True

    a.leader.start()
    a.leader.stop(emptied, 5.0)
    b.turn()

    assert waited == [5.0]
    assert b.leader.leads()
    assert a.alarms[-1] == 0.0


def test_a_lease_is_not_left_while_a_write_has_no_answer(
    world: World, two: tuple[Replica, Replica]
) -> None:
    a, b = two
    wait(world, 10, a, b)

    a.leader.start()
    a.leader.stop(lambda _timeout_s: False, 5.0)
    b.turn()

    assert not b.leader.leads()


def test_a_follower_that_ends_leaves_the_lease_as_it_is(
    world: World, two: tuple[Replica, Replica]
) -> None:
    a, b = two
    wait(world, 10, a, b)

    b.leader.start()
    b.leader.stop(lambda _timeout_s: True, 5.0)

    assert a.turn() == 2.0
    assert a.leader.leads()


def test_one_that_never_stood_for_it_ends_without_a_call(world: World) -> None:
    one = Replica(world, "a")

    assert one.leader.lives
    one.leader.stop(lambda _timeout_s: True, 5.0)

    assert one.line.calls == []


def test_the_kernel_is_told_when_to_end_a_leader_and_told_otherwise_when_it_leads_no_more(
    world: World, two: tuple[Replica, Replica]
) -> None:
    a, _ = two
    a.turn()
    assert a.alarms == [9.0]
    world.now_s += 1.5
    a.turn()
    assert a.alarms == [9.0, 9.0]

    world.now_s += 6.0
    a.leader.beat()

    assert a.alarms == [9.0, 9.0, 0.0]


@pytest.mark.parametrize("beats", [False, True], ids=["dead", "alive"])
def test_an_event_loop_that_gives_no_beat_ends_the_process(world: World, *, beats: bool) -> None:
    turns: list[float] = []
    ended: list[str] = []

    class Fast(Leader):
        """Makes turns of 2 s in no time, by a clock of its own."""

        def turn(self) -> float:
            turns.append(2.0)
            if beats:
                self.beat()
            if len(turns) == 50:
                self._stopped.set()
            return 2.0

        def pause(self, seconds: float) -> None:
            assert seconds == 2.0

    made = Fast(Line(world), "a", lambda _s: None, end=lambda: ended.append("end"))

    made.run()

    assert ended == ([] if beats else ["end"])
    assert len(turns) == (50 if beats else 12)


def test_an_answer_that_is_no_lease_is_not_the_end(world: World) -> None:
    one = Replica(world, "a")
    one.line.read = lambda: ["garbage"]  # type: ignore[method-assign,assignment,return-value]

    assert one.turn() > 0
    assert not one.leader.leads()


def test_a_lease_that_is_not_reached_is_told_once_and_when_the_reason_is_another(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    one = Replica(world, "a")
    one.line.way = "away"
    for _ in range(3):
        assert one.turn() == 0.5
    one.line.way = "open"
    one.turn()
    one.line.way = "away"
    one.turn()

    told = [vars(line)["err"] for line in caplog.records if line.levelname == "WARNING"]
    assert told == ["TimeoutError: the API server cannot be reached"] * 2


@pytest.mark.parametrize("spec", [{}, None], ids=["emptied", "deleted"])
def test_a_lease_that_reads_as_long_ago_has_been_anothers_since(spec: Any) -> None:
    """It did so when the other looked last; it may have been taken in between."""
    world = World()
    if spec is not None:
        world.put(spec)
    a, b = Replica(world, "a"), Replica(world, "b")
    b.turn()
    wait(world, 24, a)
    assert a.leader.leads()

    if spec is None:
        world.raw = None
    else:
        world.put(spec)
    b.turn()

    assert not b.leader.leads()
    wait(world, 30, a, b)
    assert a.leader.leads() != b.leader.leads()


moves: st.SearchStrategy[tuple[str, int, str, float, Any]] = st.tuples(
    st.sampled_from(["turn", "turn", "turn", "pause", "way", "hand", "start", "end", "old mark"]),
    st.integers(0, 2),
    st.sampled_from(["open", "open", "away", "answers lost"]),
    st.sampled_from([0.0, 0.1, 1.9, 2.0, 4.0, 9.9, 10.1, 30.0]),
    st.sampled_from(
        [None, {}, {"holderIdentity": ""}, {"holderIdentity": "1"}, {"holderIdentity": "x"}, []]
    ),
)


class Story:
    """Three replicas, and what happens to them and their Lease."""

    def __init__(self) -> None:
        self.world = World()
        self.world.put({})
        self.is_mark_new = False
        self.replicas = [Replica(self.world, str(one), offset_s=777.0 * one) for one in range(3)]

    def look(self) -> None:
        leaders = [one for one in self.replicas if one.leader.leads()]
        assert len(leaders) <= 1, "two leaders"

    def tell(self, what: str, which: int, way: str, spec: Any) -> None:
        one = self.replicas[which]
        match what:
            case "turn":
                one.turn()
            case "way":
                one.line.way = way
            case "hand":
                self._hand(spec)
            case "old mark":
                self._old_mark(which)
            case "end":  # it leaves the Lease, as on SIGTERM
                one.leader.stop(lambda _timeout_s: True, 5.0)
                self._start(which)
            case "start":  # a process that is killed takes its claim with it
                self._start(which)
            case _:
                pass

    def _start(self, which: int) -> None:
        if self.is_mark_new:  # the first look of a replica would believe it
            self._all_look()
        name = f"{which}-{self.world.now_s}"
        self.replicas[which] = Replica(self.world, name, offset_s=-333.0)

    def _hand(self, spec: Any) -> None:
        if spec is None:
            self.world.raw = None
        else:
            self.world.put(spec)

    def _old_mark(self, which: int) -> None:
        """Put back an old copy; who has not looked since its holder went would believe it."""
        self._all_look()
        if self.world.marks:
            self.world.put(self.world.marks[which % len(self.world.marks)])
            self.is_mark_new = True

    def _all_look(self) -> None:
        for one in self.replicas:
            one.line.way = "open"
            while one.turn() == 0.0:  # a write that came too late: it looks at once
                pass
        self.is_mark_new = False


@settings(max_examples=300, deadline=None)
@given(st.lists(moves, max_size=80))
def test_there_are_never_two_leaders(story: list[tuple[str, int, str, float, Any]]) -> None:
    all_ = Story()

    for what, which, way, pause_s, spec in story:
        all_.world.now_s += pause_s
        all_.look()
        all_.tell(what, which, way, spec)
        all_.look()


def test_the_gate_counts_what_has_no_answer() -> None:
    gate = Gate()

    with gate.passing("GET"):
        assert gate.emptied(0.0)
    with gate.passing("POST"):
        assert not gate.emptied(0.01)
    assert gate.emptied(0.0)
