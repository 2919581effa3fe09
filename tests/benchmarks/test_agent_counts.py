"""What the agent's answers cost, counted and not timed: no busy machine can fail it."""

from collections.abc import Mapping, Sequence
from functools import partial

import pytest

from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool
from numalocal_deviceplugin.abilities import Told
from numalocal_deviceplugin.correcting import corrections
from numalocal_deviceplugin.kubelet import allocation
from numalocal_deviceplugin.runtime.plugin import Plugin
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State
from numalocal_deviceplugin.wire import deviceplugin_v1beta1_pb2 as kubelet_wire
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

from ..deviceplugin.nodes import make_machine
from .agent import ASKS, CONTAINERS, WORKERS, worker
from .fake_node import POOL, SETS_16X32, SETS_64, SETS_512, Shape, container, pod
from .test_counts import calls

LIMIT_S = 2.0


class Agent:
    """What answers the runtime, without sockets; its node has so many containers."""

    def __init__(self, shape: Shape, containers: int = CONTAINERS) -> None:
        self._machine = make_machine(shape.nodes, shape.cores, 2)
        parts = partition(self._machine, (Pool(name=POOL, size=shape.size),))
        self._sets = parts.sets
        self._state = state = State(self._machine, parts)
        state.set_policy(Policy.NONE)
        state.runtime_told(Told("runtime", "1"))
        state.runtime_synchronized()
        self._plugin = Plugin(state, lambda _namespace, _name, _limit_s: ())
        self.synchronize(containers)

    def look(self) -> None:
        """Compare what lives with what it should have, as the agent's watch does."""
        corrections(self._state.snapshot().node)

    def synchronize(self, containers: int, **asks: str) -> None:
        """Tell of so many containers, of which none is where it should be."""
        request = nri.SynchronizeRequest()
        for number in range(containers):
            numbers = [number] if number < WORKERS else []
            owner, one = self._pod(f"resident-{number}", numbers, **asks)
            request.pods.append(owner)
            request.containers.append(one)
        self._plugin.synchronize(request.SerializeToString(), LIMIT_S)

    def create(self, name: str, numbers: Sequence[int] = (), **asks: str) -> None:
        """Create a pod's only container, with the sets of these numbers."""
        owner, one = self._pod(name, numbers, **asks)
        request = nri.CreateContainerRequest(pod=owner, container=one)
        self._plugin.create_container(request.SerializeToString(), LIMIT_S)

    def end(self, name: str) -> None:
        """Stop a pod's sandbox, as the runtime tells it."""
        event = nri.StateChangeEvent(event=nri.STOP_POD_SANDBOX, pod=pod(name))
        self._plugin.state_change(event.SerializeToString(), LIMIT_S)

    def _pod(
        self, name: str, numbers: Sequence[int], **asks: str
    ) -> tuple[nri.PodSandbox, nri.Container]:
        owner = worker(name, **asks) if numbers else pod(name)
        return owner, container(owner, "engine", self._allocated(numbers) if numbers else None)

    def _allocated(self, numbers: Sequence[int]) -> kubelet_wire.ContainerAllocateResponse:
        ids = [self._sets[number].id for number in numbers]
        assignment = allocation.assign(self._sets, ids, self._machine)
        given = allocation.answer(POOL, assignment, self._machine)
        return kubelet_wire.ContainerAllocateResponse(
            envs=given.environment, annotations=given.annotations
        )


PAIR = (50, 51)
"""Two sets that nobody has."""


@pytest.mark.parametrize("numbers", [(), PAIR])
def test_a_creation_costs_alike_whatever_the_sets_of_the_node(numbers: Sequence[int]) -> None:
    small = calls(partial(Agent(SETS_64).create, "new", numbers))
    large = calls(partial(Agent(SETS_512).create, "new", numbers))

    assert large <= 1.5 * small
    assert large < 3_000


def test_a_creation_costs_alike_whatever_has_ended_just_now() -> None:
    quiet, busy = Agent(SETS_512), Agent(SETS_512)
    for number in range(60, 460):
        busy.create(f"gone-{number}", (number,))
        busy.end(f"gone-{number}")

    few = calls(partial(quiet.create, "new", PAIR))
    many = calls(partial(busy.create, "new", PAIR))

    assert many <= 1.1 * few


def test_a_container_from_which_cpus_are_taken_back_costs_little() -> None:
    few = calls(partial(Agent(SETS_64, 100).create, "new", PAIR))
    many = calls(partial(Agent(SETS_64, 200).create, "new", PAIR))

    assert many - few <= 15 * 100


@pytest.mark.parametrize("asks", ASKS)
def test_a_creation_costs_little_more_where_memory_is_asked_for(asks: Mapping[str, str]) -> None:
    bound = calls(partial(Agent(SETS_16X32).create, "new", PAIR))
    wide = calls(partial(Agent(SETS_16X32).create, "new", PAIR, **asks))

    assert wide <= 1.4 * bound


def test_many_ranks_of_one_node_ask_for_its_nodes_but_once() -> None:
    asks, ranks = {"memory_nodes": "Package"}, range(200, 216)
    bound = calls(partial(Agent(SETS_16X32).create, "new", ranks))
    wide = calls(partial(Agent(SETS_16X32).create, "new", ranks, **asks))

    assert wide <= 1.5 * bound


def test_a_creation_costs_in_proportion_to_the_containers_of_the_node() -> None:
    few = calls(partial(Agent(SETS_64, 100).create, "new", PAIR))
    many = calls(partial(Agent(SETS_64, 400).create, "new", PAIR))

    assert many <= 4.5 * few


def test_a_node_at_rest_is_looked_at_for_little_whatever_its_pods_ask_of_memory() -> None:
    agent = Agent(SETS_16X32)
    agent.synchronize(CONTAINERS)
    agent.look()
    bound = calls(agent.look)

    agent.synchronize(CONTAINERS, memory_nodes="Package", memory_policy="Interleave")
    agent.look()
    wide = calls(agent.look)

    assert wide <= 1.2 * bound


def test_a_full_list_costs_in_proportion_to_its_containers() -> None:
    agent = Agent(SETS_64)

    few = calls(partial(agent.synchronize, 100))
    many = calls(partial(agent.synchronize, 400))

    assert many <= 4.5 * few
