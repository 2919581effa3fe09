from pathlib import Path

import pytest

from numalocal.idset import IdSet
from numalocal.machine.sysfs import Sysfs
from numalocal_deviceplugin.errors import KubeletSilent
from numalocal_deviceplugin.node.watch import NodeWatch
from numalocal_deviceplugin.settling import Listing
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State

from ..nodes import N0, make_machine, write_sysfs


def silent_listing() -> Listing:
    raise KubeletSilent("no answer")


def test_what_cannot_be_read_is_left_as_it_was(
    run_dir: Path, state: State, caplog: pytest.LogCaptureFixture
) -> None:
    state.set_machine(make_machine().with_online(IdSet.parse("0-3")))

    NodeWatch(Sysfs(run_dir), state, silent_listing).look()

    assert str(state.snapshot().node.machine.online) == "0-3"
    assert state.snapshot().facts.policy is Policy.NONE
    assert "online CPUs not read" in caplog.text


def test_what_the_kubelet_lists_is_taken_at_every_look(run_dir: Path, state: State) -> None:
    write_sysfs(run_dir / "root", make_machine())
    listing = {("default", "llama-0"): frozenset({N0})}

    NodeWatch(Sysfs(run_dir / "root"), state, lambda: listing).look()

    assert state.snapshot().facts.listing == listing
