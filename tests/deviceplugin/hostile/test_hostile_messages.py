"""Whatever comes to the agent, it answers in time, keeps little of it, and goes on serving.

A few thousand inputs each time; `make hostile` takes a million.  Every input is that of its seed,
which a failure names.
"""

import logging
import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random

import pytest
from google.protobuf.message import DecodeError, Message

from numalocal.errors import NumalocalError
from numalocal_deviceplugin.errors import FrameInvalid
from numalocal_deviceplugin.runtime.frames import Decoder, Frame, encode
from numalocal_deviceplugin.runtime.plugin import Plugin
from numalocal_deviceplugin.state import State
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

from ..nodes import N0, make_state
from . import spoiling

MESSAGES = int(os.environ.get("NUMALOCAL_HOSTILE_MESSAGES", "400"))
FIRST = int(os.environ.get("NUMALOCAL_HOSTILE_FIRST", "0"))
MOST_SECONDS = 0.5
MOST_BYTES = 512 << 20
"""What one agent's inputs may have cost at most: they are a hundred megabytes themselves."""
BUDGET_S = 2.0
EACH = 200
"""Inputs of one agent: then another begins with nothing."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def devices_within(namespace: str, name: str, _limit_s: float) -> list[str]:
    return [N0] if name == "pod-0" else []


def asked(random: Random) -> tuple[str, bytes]:
    """Make a request to any method: a message, often spoilt as bytes, or bytes alone."""
    pod, container = spoiling.pod(random, random.randrange(4)), spoiling.container(random, 1)
    update = nri.UpdateContainerRequest(pod=pod, container=container)
    update.linux_resources.cpu.cpus = random.choice(spoiling.TEXTS)
    pods = [spoiling.pod(random, number) for number in range(4)]
    many = [spoiling.container(random, number) for number in range(random.choice((0, 1, 6)))]
    requests: dict[str, Message] = {
        "configure": nri.ConfigureRequest(runtime_name=random.choice(spoiling.TEXTS)),
        "synchronize": nri.SynchronizeRequest(pods=pods, containers=many),
        "create_container": nri.CreateContainerRequest(pod=pod, container=container),
        "update_container": update,
        "stop_container": nri.StopContainerRequest(pod=pod, container=container),
        "remove_container": nri.RemoveContainerRequest(pod=pod, container=container),
        "state_change": nri.StateChangeEvent(
            event=random.choice((2, 3, 4, 10, 11, 99)),  # type: ignore[arg-type]
            pod=pod,
            container=container,
        ),
        "shutdown": nri.Empty(),
    }
    method = random.choice(("create_container", "create_container", "synchronize", *requests))
    data = requests[method].SerializeToString()
    match random.randrange(6):
        case 0:
            data = spoiling.mutated(random, data)
        case 1:
            data = random.randbytes(random.randrange(60))
        case _:
            pass
    return method, data


def answers(plugin: Plugin, state: State, seed: int) -> None:
    method, data = asked(Random(seed))
    handler: Callable[[bytes, float], bytes] = getattr(plugin, method)
    started_s = time.process_time()
    with suppress(NumalocalError, DecodeError):
        handler(data, BUDGET_S)
    assert all(one.message for one in state.snapshot().refusals)
    taken_s = time.process_time() - started_s
    assert taken_s < MOST_SECONDS, f"{method} took {taken_s:.2f} s"


def serves(state: State) -> None:
    """See that a worker is still bound, by an agent that is told anew what there is."""
    plugin = Plugin(state, devices_within)
    plugin.synchronize(nri.SynchronizeRequest().SerializeToString(), BUDGET_S)
    sandbox = nri.PodSandbox(id="s", uid="u", namespace="default", name="worker")
    engine = nri.Container(id="c", pod_sandbox_id="s", name="engine")
    engine.annotations["assignment.numalocal.io/cpuset"] = spoiling.GIVEN[0]
    request = nri.CreateContainerRequest(pod=sandbox, container=engine)
    answer = plugin.create_container(request.SerializeToString(), BUDGET_S)
    cpu = nri.CreateContainerResponse.FromString(answer).adjust.linux.resources.cpu
    assert (cpu.cpus, cpu.mems) == ("2-3", "0")


def test_any_message_is_answered_in_time_and_the_next_worker_is_bound() -> None:
    faults = dict[str, str]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for first in range(FIRST, FIRST + MESSAGES, EACH):
        state = make_state()
        plugin = Plugin(state, devices_within)
        for seed in range(first, min(first + EACH, FIRST + MESSAGES)):
            try:
                answers(plugin, state, seed)
            except Exception as error:
                faults.setdefault(f"{type(error).__name__}: {error}"[:200], f"seed {seed}")
        serves(state)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10

    assert not faults, "\n".join(f"{seed}: {said}" for said, seed in faults.items())
    assert grown < MOST_BYTES


def test_any_bytes_are_frames_or_end_the_connection() -> None:
    for seed in range(FIRST, FIRST + MESSAGES):
        random = Random(seed)
        decoder = Decoder()
        data = b"".join(
            encode(
                Frame(
                    connection=random.choice((0, 1, 2, 3, 2**32 - 1)),
                    stream=random.randrange(2**32),
                    kind=random.randrange(256),
                    body=random.randbytes(random.choice((0, 1, 40, 5000))),
                )
            )
            for _ in range(random.randrange(4))
        )
        data = spoiling.mutated(random, data) if random.random() < 0.7 else data
        step = random.choice((1, 7, 4096, 10**6))
        with suppress(FrameInvalid):
            for at in range(0, len(data), step):
                for frame in decoder.feed(data[at : at + step]):
                    assert frame.connection in (1, 2), f"seed {seed}"


def test_a_list_that_never_ends_is_refused_before_it_fills_the_memory() -> None:
    plugin = Plugin(make_state(), devices_within)
    part = nri.SynchronizeRequest(more=True)
    part.pods.extend(
        nri.PodSandbox(id=f"s{number}", annotations={"a": "x" * 1000}) for number in range(3000)
    )
    part.containers.extend(nri.Container(id="c", env=["x" * 1000]) for _ in range(3000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    data = part.SerializeToString()
    for _ in range((64 << 20) // len(data)):
        assert plugin.synchronize(data, BUDGET_S)
    for _ in range(20):
        with pytest.raises(FrameInvalid, match="list has more than"):
            plugin.synchronize(data, BUDGET_S)

    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10 < MOST_BYTES // 2
