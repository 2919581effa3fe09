"""One agent a node, across processes, however the one before it ended."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from numalocal_deviceplugin.kubelet.seat import Seat
from numalocal_deviceplugin.refusals import Reason
from numalocal_deviceplugin.state import State

from ..nodes import gives_out, make_state
from ..waiting import PATIENCE_S, until

AGENT = """
import sys
from pathlib import Path
from numalocal_deviceplugin.kubelet.seat import Seat
from tests.deviceplugin.nodes import make_state
with Seat(Path(sys.argv[1]), make_state()) as seat:
    print(seat.take(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(run_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the seat; it ends when its standard input does."""
    process = subprocess.Popen(
        [sys.executable, "-c", AGENT, str(run_dir)],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    yield process
    process.kill()
    process.communicate()


def second(state: State) -> list[str]:
    return [one.message for one in state.snapshot().refusals if one.reason is Reason.SECOND_AGENT]


def test_the_first_agent_has_the_seat_and_keeps_it(run_dir: Path, state: State) -> None:
    with Seat(run_dir, state) as seat:
        assert seat.take()
        assert seat.take()

    assert not second(state)


def test_the_second_agent_of_a_node_adjusts_nobody_and_says_what_to_do(
    run_dir: Path, state: State
) -> None:
    with Seat(run_dir, make_state()) as first, Seat(run_dir, state) as seat:
        first.take()
        assert not seat.take()

        assert second(state) == [
            "another agent of numalocal serves this node, and this one waits until it ends; where "
            "two releases, or two of the chart's nodeGroups, choose the same node, let one of them "
            "leave it out"
        ]
        assert state.snapshot().node.barred is not None
        assert not gives_out(state)


@pytest.mark.parametrize("ends_by", [signal.SIGTERM, signal.SIGKILL])
def test_the_second_takes_over_however_the_first_ends(
    run_dir: Path, state: State, other: subprocess.Popen[str], ends_by: signal.Signals
) -> None:
    stop = threading.Event()
    with Seat(run_dir, state) as seat:
        assert not seat.take()
        thread = threading.Thread(target=seat.run, args=(stop, 0.005), daemon=True)
        thread.start()

        other.send_signal(ends_by)

        until(lambda: not second(state), "taken over")
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_a_kubelet_that_wipes_its_directory_frees_no_seat(run_dir: Path, state: State) -> None:
    with Seat(run_dir, make_state()) as first, Seat(run_dir, state) as seat:
        first.take()
        assert list(run_dir.iterdir()) == [], "there is nothing that could be wiped"

        assert not seat.take()


def test_a_node_is_served_again_after_its_agent_ended_in_order(run_dir: Path, state: State) -> None:
    with Seat(run_dir, make_state()) as first:
        first.take()
    with Seat(run_dir, state) as seat:
        assert seat.take()


def test_a_directory_that_cannot_be_locked_is_no_seat(run_dir: Path, state: State) -> None:
    missing = run_dir / "device-plugins"
    with Seat(missing, state) as seat:
        assert not seat.take()
        assert second(state) == [
            "whether another agent of numalocal serves this node is not known: "
            f"{missing}: No such file or directory; it must be the kubelet's directory of device "
            "plugins"
        ]

        missing.mkdir()

        assert seat.take()
        assert not second(state)
