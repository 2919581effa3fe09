"""Let all faults of a world end, and see that what should run does, and that nothing is left."""

from numalocal_deviceplugin.settings import Idle
from numalocal_deviceplugin.standing import Policy

from .model_pods import KINDS, Pod
from .model_world import MACHINE, World

_FOR_EVER = frozenset({"hostile", "forgotten", "nothing", "old pools", "no policy", "no tier"})
"""Who is refused for one of these is made anew by its controller."""


def settle(world: World) -> None:
    """End all faults; then every pod runs that may, and in the end nothing is left."""
    end_faults(world)
    for pod in [one for one in world.kubelet.pods if not one.wanted]:
        remove(world, pod)
    world.now_s += 60
    run_all(world)
    world.round()
    for pod in list(world.kubelet.pods):
        remove(world, pod)
    world.now_s += 60
    world.round()
    check_empty(world)
    check_serves(world)


def end_faults(world: World) -> None:
    runtime, kubelet = world.runtime, world.kubelet
    runtime.loses, runtime.defers, runtime.refuses_updates = "", False, False
    kubelet.silent, kubelet.begins, kubelet.policy = False, False, Policy.NONE
    world.machine = MACHINE
    world.asked = None
    world.start_agent(world.pools)
    world.look()
    world.connect(1)
    runtime.deliver()
    world.round()
    world.round()


def remove(world: World, pod: Pod) -> None:
    while pod in world.kubelet.pods:
        world.delete(pod, force=False)


def run_all(world: World) -> None:
    """Start every pod; one that is refused runs as soon as those have gone that hold its CPUs."""
    while waiting := _waiting(world):
        pod = waiting[0]
        why = world.reason(pod, _next(world, pod))
        assert why, f"{pod.subject} does not run, for no reason"
        if why in _FOR_EVER:
            remove(world, pod)
            continue
        holders = [one for one in world.kubelet.pods if one is not pod and one.cpus & pod.cpus]
        assert why == "held", why
        assert holders, f"{pod.subject} waits for nobody"
        for one in holders:
            remove(world, one)


def check_empty(world: World) -> None:
    now = world.now()
    assert set(now.node.ledger.tenants) == {world.kubelet.own.uid}
    assert now.refusals == ()
    assert not now.facts.undecided
    assert [one for one in world.offers() if one.refusal] == []
    if world.idle is Idle.SHARED:
        assert now.node.others == MACHINE.online


def check_serves(world: World) -> None:
    """See that the node still serves a worker."""
    world.new_pod(0, 0)
    (pod,) = world.kubelet.pods
    assert pod.kind is KINDS[0]
    world.kubelet.read_devices()
    world.admit(pod, asks=True)
    for _ in range(4):
        assert world.start(pod)
    assert [one for one, _ in world.bound()] == world.guests()
    world.round()


def _waiting(world: World) -> list[Pod]:
    """Let every pod go on as far as it can, and give those that wait."""
    for _ in range(8):
        for pod in world.kubelet.pods:
            world.start(pod)
    return [one for one in world.kubelet.pods if one.admitted and _next(world, one)]


def _next(world: World, pod: Pod) -> str:
    """Name the container that a pod is to have next; empty = it has all."""
    live = {one.name for one in world.runtime.live() if one.sandbox is pod.sandbox}
    todo = ("numalocal-check",) if pod.kind.checked and not pod.checked else ()
    return next((one for one in todo or pod.kind.containers if one not in live), "")
