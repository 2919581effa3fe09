"""Two operators on a real API server: one writes, whatever happens to it, and the audit log tells.

A round ends, stops or cuts off the replica that leads, while workers are scaled and pods deleted
all the time. NUMALOCAL_LEADER_ROUNDS says how many rounds there are.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import audited
from audited import Write
from lab.api_server import ApiServer
from lab.commands import LabError, wait_for
from nodeless import installed, named, rendered, topology
from replicas import Callers, Replica, authorize, replica

ROUNDS = int(os.environ.get("NUMALOCAL_LEADER_ROUNDS", "12"))
NAMESPACE = "serving"
WORKERS = 6
MOST_S = 15.0
"""How long it may take until another replica has written, where the machine is not busy."""
AWAY_S = 60.0
ANSWERS_S = 3.0
"""How long the webhook of one that ends answers on at least."""
CONDITION = {"reason": "Serving", "message": "", "lastTransitionTime": "2026-01-02T03:04:05Z"}


@dataclass
class Scene:
    """An API server with two operators, and the audit of what they write."""

    api: ApiServer
    folder: Path
    replicas: Sequence[Replica]

    def writes(self) -> list[Write]:
        return audited.writes(self.folder, [one.user for one in self.replicas])

    def leader(self, timeout_s: float = 120) -> Replica:
        """Wait until one says that it leads."""
        wait_for("a leader", lambda: any(one.leads() for one in self.replicas), timeout_s=timeout_s)
        return next(one for one in self.replicas if one.leads())

    def pods(self) -> dict[str, str]:
        found = self.api.kubectl_json("get", "pods", f"--namespace={NAMESPACE}")["items"]
        return {one["metadata"]["name"]: one["metadata"]["uid"] for one in found}

    def settled(self, replicas: dict[str, int]) -> bool:
        """Tell whether each worker has as many pods as it asks; which go first is not ours here."""
        found = Counter(name.rpartition("-")[0] for name in self.pods())
        return dict(found) == replicas


def worker(name: str, count: int) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "engine", "image": "engine"}]}}
    return {
        "apiVersion": "numalocal.io/v1alpha1",
        "kind": "CpuInferenceWorker",
        **named(name, namespace=NAMESPACE),
        "spec": {"replicas": count, "template": template},
    }


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with installed(tmp_path / "api", audited.flags(tmp_path)) as api:
        account = {"apiVersion": "v1", "kind": "ServiceAccount"}
        api.apply({"apiVersion": "v1", "kind": "Namespace", **named(NAMESPACE)})
        api.apply({**account, **named("default", namespace=NAMESPACE)})
        api.apply(topology("node-a"))
        status = {
            "conditions": [{"type": "Ready", "status": "True", **CONDITION}],
            "counts": {"sets": 4, "free": 4},
            "pools": [{"name": "cpuset", "sets": 4, "cpusPerSet": 2}],
        }
        patch = f"--patch={json.dumps({'status': status})}"
        api.kubectl("patch", "nct", "node-a", "--subresource=status", "--type=merge", patch)
        api.apply(*(one for one in rendered() if one["kind"] == "MutatingWebhookConfiguration"))
        authorize(api)
        with replica(api, tmp_path, "operator-a") as a, replica(api, tmp_path, "operator-b") as b:
            made = Scene(api, tmp_path, (a, b))
            try:
                made.leader()
                wait_for("both webhooks", lambda: not (a.review() or b.review()), timeout_s=120)
                yield made
            finally:
                for one in made.replicas:
                    sys.stdout.write((tmp_path / f"{one.user}.log").read_text()[-20_000:])


@contextmanager
def busy(scene: Scene, chance: random.Random) -> Iterator[dict[str, int]]:
    """Scale workers and delete pods all the time; gives how many replicas each has."""
    counts = {f"w{one}": 2 for one in range(WORKERS)}
    scene.api.apply(*(worker(name, count) for name, count in counts.items()))
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.1):
            name = chance.choice(list(counts))
            with suppress(LabError):
                if chance.random() < 0.3:
                    count = chance.randint(1, 3)
                    scale = ("scale", f"ciw/{name}", f"--replicas={count}")
                    scene.api.kubectl(*scale, f"--namespace={NAMESPACE}")
                    counts[name] = count  # once it is so: the call may have failed
                else:
                    pod = f"{name}-{chance.randrange(counts[name])}"
                    flags = (f"--namespace={NAMESPACE}", "--wait=false", "--ignore-not-found")
                    scene.api.kubectl("delete", "pod", pod, *flags)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield counts
    finally:
        ended.set()
        thread.join()


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a replica; `status` is that with which it ends, None where it lives on."""

    name: str
    act: Callable[[Replica], None]
    status: int | None


def told(one: Replica) -> None:
    """Tell it to end, as a rollout and a drain do: endpoints may name it a little longer."""
    one.send(signal.SIGTERM)
    end = time.monotonic() + ANSWERS_S
    while True:
        fault = one.review()
        if time.monotonic() > end:  # an answer that comes later proves nothing
            return
        assert fault == ""
        time.sleep(0.1)


FAULTS = (
    Fault("killed", lambda one: one.send(signal.SIGKILL), -signal.SIGKILL),
    # The kernel ends it when it goes on: it could be about to write.
    Fault("stopped", lambda one: one.send(signal.SIGSTOP), signal.SIGALRM),
    Fault("cut off", lambda one: one.way.cut(), None),
    Fault("told to end", told, 0),
)


def mended(one: Replica, fault: Fault) -> None:
    """Let a replica be as before; what has ended is started again, as its kubelet would."""
    one.send(signal.SIGCONT)
    one.way.heal()
    if fault.status is not None:
        assert one.process is not None
        assert one.process.wait(120) == fault.status
        one.start()
    wait_for(f"the webhook of {one.user}", lambda: not one.review(), timeout_s=120)
    one.is_still = False


def test_another_replica_takes_over_and_nobody_else_ever_writes(scene: Scene) -> None:
    chance = random.Random(13)
    took: dict[str, list[float]] = defaultdict(list)
    callers = Callers(scene.replicas)
    with callers.calling():
        with busy(scene, chance) as counts:
            for number in range(ROUNDS):
                fault = FAULTS[number % len(FAULTS)]
                took[fault.name].append(_round(scene, fault, chance))
        wait_for("what is asked", lambda: scene.settled(counts), timeout_s=120)

    writes = scene.writes()
    for name, seconds in took.items():
        most, mean = max(seconds), sum(seconds) / len(seconds)
        say(f"{name}: {len(seconds)} rounds, {mean:.1f} s mean, {most:.1f} s most")
    say(f"{len(writes)} writes; {callers.answers} reviews, {callers.longest_s:.2f} s longest")
    assert list(audited.usurped(writes)) == []
    assert callers.faults == []
    assert callers.answers > 10 * ROUNDS
    # The best of each: beside other tests a replica may wait for a CPU as long as for a Lease.
    assert all(min(seconds) < MOST_S for seconds in took.values()), took
    assert not doubled(writes)


def _round(scene: Scene, fault: Fault, chance: random.Random) -> float:
    """Do a fault to the leader; give how many seconds it took until another has written."""
    leader = scene.leader()
    (other,) = (one for one in scene.replicas if one is not leader)
    wait_for(f"the webhook of {other.user}", lambda: not other.review(), timeout_s=120)
    time.sleep(chance.uniform(0.5, 2.5))
    # What is cut off from the API server still answers its webhook.
    leader.is_still = fault.status is not None
    began_s = time.time()
    fault.act(leader)

    def first() -> Write | None:
        return audited.first_after(scene.writes(), began_s, leader.user)

    wait_for("a write of the other", lambda: first() is not None, timeout_s=120)
    found = first()
    assert found is not None
    mended(leader, fault)
    return found.came_s - began_s


def say(what: str) -> None:
    """Write a figure; pytest shows it with -s."""
    sys.stdout.write(f"{what}\n")


def doubled(writes: Sequence[Write]) -> list[str]:
    """Name the pods that were made under another name than a replica's: beside a living one."""
    made = {one.what for one in writes if one.verb == "create" and one.what.startswith("pods/")}
    return [one for one in made if one.rpartition("/")[2].count("-") > 1]


def test_two_operators_outlive_an_api_server_that_is_away(scene: Scene) -> None:
    scene.api.apply(worker("llama", 2))
    wait_for("its pods", lambda: len(scene.pods()) == 2, timeout_s=120)
    before = scene.pods()
    callers = Callers(scene.replicas)
    processes = [one.process for one in scene.replicas]

    with callers.calling():
        for one in scene.replicas:
            one.way.refuse()
        time.sleep(AWAY_S)
        assert not any(one.leads() for one in scene.replicas)
        scene.api.apply(worker("later", 3))
        for one in scene.replicas:
            one.way.heal()
        healed_s = time.monotonic()
        wait_for("the other worker's pods", lambda: len(scene.pods()) == 5, timeout_s=120)
        say(f"at work again after {time.monotonic() - healed_s:.1f} s")

    assert callers.faults == []
    assert before.items() <= scene.pods().items()
    assert [one.process for one in scene.replicas] == processes
    assert all(one is not None and one.poll() is None for one in processes)
    assert list(audited.usurped(scene.writes())) == []
