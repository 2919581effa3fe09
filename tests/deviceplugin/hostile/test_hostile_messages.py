"""Whatever comes to the agent, it answers in time, keeps little of it, and goes on serving.

A few hundred inputs each time; `make hostile` takes a million of all kinds.  Every input is that of
its seed, which a failure names.
"""

import gc
import json
import logging
import resource
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

import pytest
from google.protobuf.message import DecodeError, Message

from faults.hostile import documents
from numalocal import names
from numalocal.errors import NumalocalError
from numalocal.sets.assignment import MAX_TEXT
from numalocal_deviceplugin.errors import FrameInvalid
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.node.document import About, document
from numalocal_deviceplugin.runtime.frames import MAX_BODY_BYTES, Decoder, Frame, encode
from numalocal_deviceplugin.runtime.plugin import Plugin
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

from ..nodes import N0, make_state
from . import seeds, spoiling

MESSAGES, WORKERS, FRAMES, KEPT = 300, 200, 400, 80
MOST_SECONDS = 2.0
MOST_BYTES = 64 << 20
"""What all inputs together may have added to the process: the largest are four megabytes."""
MOST_KEPT_BYTES = 256 << 10
MOST_TIMES = 8
"""How many times its own size an input may cost while it is served."""
MOST_SAID = 8000
"""Characters of a sentence; names of 5,000 characters come from no kubelet and are left whole."""
MOST_TOLD = 100_000
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
        "configure": nri.ConfigureRequest(
            runtime_name=random.choice(("containerd", *spoiling.TEXTS)),
            runtime_version=random.choice(spoiling.TEXTS),
            nri_version=random.choice(spoiling.TEXTS),
        ),
        "synchronize": nri.SynchronizeRequest(pods=pods, containers=many),
        "create_container": nri.CreateContainerRequest(pod=pod, container=container),
        "update_container": update,
        "stop_container": nri.StopContainerRequest(pod=pod, container=container),
        "remove_container": nri.RemoveContainerRequest(pod=pod, container=container),
        "sandbox_gone": nri.StopPodSandboxRequest(pod=pod),
        "validate": nri.ValidateContainerAdjustmentRequest(
            plugins=[nri.PluginInstance(name=random.choice(spoiling.TEXTS))]
        ),
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
    return method, data[:MAX_BODY_BYTES]


def answers(plugin: Plugin, state: State, random: Random) -> None:
    method, data = asked(random)
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
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    chosen = seeds.of(MESSAGES)
    for first in range(chosen.start, chosen.stop, EACH):
        state = make_state()
        plugin = Plugin(state, devices_within)
        few = range(first, min(first + EACH, chosen.stop))
        seeds.each(few, partial(answers, plugin, state))
        serves(state)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10

    assert grown < MOST_BYTES


def created(plugin: Plugin, create: nri.CreateContainerRequest) -> tuple[str, str]:
    """Give the sentence with which a container was refused, or the CPUs that it got."""
    try:
        answer = plugin.create_container(create.SerializeToString(), BUDGET_S)
    except NumalocalError as error:
        return str(error), ""
    return "", nri.CreateContainerResponse.FromString(answer).adjust.linux.resources.cpu.cpus


def test_a_worker_says_what_it_likes_and_is_bound_or_refused_with_a_sentence() -> None:
    """Created by an agent that is there, updated, and found by one that was away."""

    def check(random: Random) -> None:
        owner, engine = spoiling.worker(random)
        asked_ = engine.linux.resources
        create = nri.CreateContainerRequest(pod=owner, container=engine)
        update = nri.UpdateContainerRequest(pod=owner, container=engine, linux_resources=asked_)
        listed = nri.SynchronizeRequest(pods=[owner], containers=[engine])
        started_s = time.process_time()
        for barred in (False, True):
            state = make_state(policy=Policy.STATIC if barred else Policy.NONE)
            state.set_listing({("default", "pod-0"): frozenset({N0})}, Ledger())
            plugin = Plugin(state, devices_within)
            said, cpus = created(plugin, create)
            assert len(said) < MOST_SAID
            assert said or not engine.annotations or cpus in ("2-3", "6-7")
            plugin.update_container(update.SerializeToString(), BUDGET_S)
            again = Plugin(state, devices_within)
            again.synchronize(listed.SerializeToString(), BUDGET_S)
            told = document(state.snapshot(), About(agent="1", kernel="6"))
            assert len(json.dumps(told)) < MOST_TOLD
        assert time.process_time() - started_s < MOST_SECONDS

    seeds.each(seeds.of(WORKERS), check)


def test_no_message_is_kept_or_costs_many_times_what_it_is() -> None:
    state = make_state()
    plugin = Plugin(state, devices_within)
    for seed in range(40):
        answers(plugin, state, Random(seed))
    messages = [asked(Random(seed)) for seed in range(seeds.FIRST, seeds.FIRST + KEPT)]
    tracemalloc.start()
    try:
        before = tracemalloc.take_snapshot()
        for method, data in messages:
            tracemalloc.reset_peak()
            had = tracemalloc.get_traced_memory()[0]
            with suppress(NumalocalError, DecodeError):
                getattr(plugin, method)(data, BUDGET_S)
            cost = tracemalloc.get_traced_memory()[1] - had
            assert cost < MOST_TIMES * len(data) + (4 << 20), f"{method} of {len(data)}: {cost}"
        for _ in range(2):  # one may end a list that has begun
            plugin.synchronize(b"", BUDGET_S)
        state.snapshot()
        gc.collect()
        kept = tracemalloc.take_snapshot().compare_to(before, "lineno")
    finally:
        tracemalloc.stop()

    assert sum(one.size_diff for one in kept) < MOST_KEPT_BYTES, "\n".join(map(str, kept[:5]))


def test_an_annotation_of_any_size_is_kept_in_part_and_judged() -> None:
    state = make_state()
    plugin = Plugin(state, devices_within)
    for size in (
        *range(40),
        *(2**power + more for power in range(6, 22) for more in (-1, 0, 1)),
    ):
        for key in (names.assignment("cpuset"), *names.POD_ANNOTATIONS, "numalocal.io/x", "x"):
            request = nri.SynchronizeRequest()
            request.pods.add(id="s", uid="u", name="p", namespace="d").annotations[key] = "1" * size
            one = request.containers.add(id="c", pod_sandbox_id="s", name="engine", state=3)
            one.annotations[key] = "1" * size
            plugin.synchronize(request.SerializeToString(), BUDGET_S)
            now = state.snapshot()
            ((pod, container),) = now.node.ledger.containers
            for some in (pod.annotations, container.annotations):
                assert sum(map(len, some.values())) <= MAX_TEXT + 1
            assert all(len(refusal.message) < 1000 for refusal in now.refusals)


@pytest.mark.parametrize("document", [one for _, one in documents()], ids=dict(documents()))
def test_a_pod_that_lies_is_read_and_costs_nobody_a_set(
    document: dict[str, Any],
) -> None:
    """Those of `make faults`, found by an agent that was away when they were made."""
    state = make_state()
    told = document["metadata"]["annotations"]
    request = nri.SynchronizeRequest()
    request.pods.add(id="l", uid="l", name="liar", namespace="d").annotations.update(told)
    one = request.containers.add(id="x", pod_sandbox_id="l", name="engine", state=3)
    one.annotations.update(told)  # as CRI-O copies them

    Plugin(state, devices_within).synchronize(request.SerializeToString(), BUDGET_S)
    serves(state)


def test_any_bytes_are_frames_or_end_the_connection() -> None:
    def check(random: Random) -> None:
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
                    assert frame.connection in (1, 2)

    seeds.each(seeds.of(FRAMES), check)


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
