"""Whatever happens on a node, in whatever order: no CPU is given twice, and all ends well.

A real kubelet and a real runtime are modelled; the agent between them is the agent itself.  A few
thousand steps each time; `make hostile` takes a million.
"""

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from numalocal_deviceplugin.settings import Idle
from numalocal_deviceplugin.standing import Policy

from .model_pods import KINDS, Pod
from .model_settling import settle
from .model_world import NAMES, POOLS, World

NODES = int(os.environ.get("NUMALOCAL_HOSTILE_NODES", "150"))
STEPS = 40
FEW = st.integers(0, 5)
TRULY = st.booleans()
POOL_FILES = st.integers(0, len(POOLS) - 1)
KIND = st.sampled_from([0, 0, 0, *range(len(KINDS))])


class Node(RuleBasedStateMachine):
    world: World

    @initialize(idle=st.sampled_from(Idle), pools=POOL_FILES, kinds=st.lists(KIND, max_size=3))
    def begins(self, idle: Idle, pools: int, kinds: list[int]) -> None:
        self.world = World(idle, pools)
        for name, kind in enumerate(kinds):
            self.pod_is_made(kind, name, 4)

    def pod(self, which: int) -> Pod | None:
        pods = self.world.kubelet.pods
        return pods[which % len(pods)] if pods else None

    @rule(kind=KIND, name=FEW, steps=st.integers(0, 6))
    def pod_is_made(self, kind: int, name: int, steps: int) -> None:
        self.world.new_pod(kind, name)
        self.world.kubelet.read_devices()
        for pod in self.world.kubelet.pods:
            self.world.admit(pod, asks=kind != 2)
        for _ in range(steps):
            self.world.start(self.world.kubelet.pods[-1])

    @rule(kind=KIND, name=FEW)
    def pod_is_admitted_by_an_old_list(self, kind: int, name: int) -> None:
        self.world.new_pod(kind, name)
        for pod in self.world.kubelet.pods:
            self.world.admit(pod, asks=True)

    @rule(steps=st.integers(1, 4))
    def all_pods_go_on(self, steps: int) -> None:
        for _ in range(steps):
            for pod in self.world.kubelet.pods:
                self.world.start(pod)

    @rule(which=FEW, fails=TRULY)
    def pod_goes_on(self, which: int, *, fails: bool) -> None:
        if pod := self.pod(which):
            self.world.start(pod, fails=fails)

    @rule(which=FEW, how=st.sampled_from(["crash", "stop", "update"]), again=TRULY)
    def container_ends(self, which: int, how: str, *, again: bool) -> None:
        if not (live := self.world.guests()):
            return
        one = live[which % len(live)]
        if how == "update":
            self.world.update(one)
        else:
            getattr(self.world.runtime, how)(one)
        if again:
            self.world.start(one.pod)

    @rule(which=FEW, sandbox=TRULY)
    def what_is_dead_is_removed(self, which: int, *, sandbox: bool) -> None:
        dead = [one for one in self.world.runtime.containers if not one.live]
        old = [one for one in self.world.runtime.sandboxes if one.stopped]
        if old and sandbox:
            self.world.runtime.remove_sandbox(old[which % len(old)])
        elif dead:
            self.world.runtime.remove(dead[which % len(dead)])

    @rule(which=FEW, steps=st.integers(1, 6), force=TRULY)
    def pod_is_deleted(self, which: int, steps: int, *, force: bool) -> None:
        pod = self.pod(which)
        for _ in range(steps):
            if pod in self.world.kubelet.pods:
                self.world.delete(pod, force=force)

    @rule(kind=KIND, which=FEW, name=FEW, steps=st.integers(1, 6), forced=TRULY)
    def kubelet_believes_that_a_pod_has_gone(
        self, kind: int, which: int, name: int, steps: int, *, forced: bool
    ) -> None:
        if pod := self.pod(which):
            if forced:
                self.world.delete(pod, force=True)
            else:
                self.world.kubelet.forget()
            self.pod_is_made(kind, name, steps)

    @rule(which=FEW, agent=st.sampled_from(["", "kslc", "ksc"]))
    def namesake_follows_before_the_old_sandbox_is_removed(self, which: int, agent: str) -> None:
        pod = self.pod(which)
        if pod is None:
            return
        while pod.known:
            self.world.delete(pod, force=False)
        self.world.new_pod(KINDS.index(pod.kind), NAMES.index(pod.name))
        made = self.world.kubelet.pods[-1]
        self.world.kubelet.read_devices()
        self.world.admit(made, asks=True)
        self.agent(self.world.pools, agent)
        for _ in range(4):
            self.world.start(made)

    @rule(which=FEW, steps=st.integers(0, 3))
    def container_is_made_anew_while_the_agent_is_away(self, which: int, steps: int) -> None:
        self.agent(0, "k")
        if live := self.world.guests():
            one = live[which % len(live)]
            self.world.runtime.crash(one)
            for _ in range(steps):
                self.world.start(one.pod)
        self.agent(self.world.pools, "slc")

    @rule(pools=POOL_FILES, steps=st.integers(1, 2))
    def pools_change_while_a_pod_is_checked(self, pools: int, steps: int) -> None:
        self.pod_is_made(0, 0, steps)
        self.agent(pools, "kslc")
        self.world.round()
        self.all_pods_go_on(2)

    @rule(looks=TRULY)
    def kubelet_pins(self, *, looks: bool) -> None:
        self.kubelet("pins")
        if looks:
            self.world.look()
        for one in self.world.guests():
            self.world.update(one)

    @rule(which=FEW, late=TRULY)
    def sandbox_is_made_anew(self, which: int, *, late: bool) -> None:
        if pod := self.pod(which):
            self.world.runtime.defers = late
            self.world.lose_sandbox(pod)
            for _ in range(4):
                self.world.start(pod)

    @rule(which=FEW, name=FEW, agent=st.sampled_from(["", "ks", "kslc"]), forgets=TRULY)
    def runtime_starts_and_knows_nothing_of_a_sandbox(
        self, which: int, name: int, agent: str, *, forgets: bool
    ) -> None:
        pod = self.pod(which)
        if pod is None or pod.sandbox is None or pod.sandbox.stopped:
            return
        self.world.runtime.restart(0)
        pod.sandbox.listed = False
        self.agent(self.world.pools, agent)
        self.world.connect(1)
        self.world.check()
        if forgets:
            self.world.kubelet.forget()
        self.pod_is_made(0, name, 4)
        self.world.check()
        self.world.runtime.stop_sandbox(pod.sandbox)

    @rule(which=FEW)
    def sandbox_dies(self, which: int) -> None:
        if pod := self.pod(which):
            self.world.lose_sandbox(pod)

    @rule(
        what=st.sampled_from(["forgets", "restarts", "pins", "falls silent", "speaks", "is asked"])
    )
    def kubelet(self, what: str) -> None:
        kubelet = self.world.kubelet
        match what:
            case "forgets":
                kubelet.forget()
            case "restarts" | "pins":
                self.world.restart_kubelet(Policy.STATIC if what == "pins" else Policy.NONE)
            case "is asked":
                self.world.ask()
            case _:
                kubelet.silent = what == "falls silent"
                kubelet.begins = False

    @rule()
    def kubelet_answers_late(self) -> None:
        self.world.hear()

    @rule(pools=POOL_FILES, steps=st.sampled_from(["k", "ks", "ksc", "kslc", "kslc", "s", "c"]))
    def agent(self, pools: int, steps: str) -> None:
        for step in steps:
            match step:
                case "k":
                    self.world.kill_agent()
                case "s":
                    self.world.start_agent(pools)
                case "l":
                    self.world.look()
                case _:
                    self.world.connect(1 + pools % 3)

    @rule(
        what=st.sampled_from(
            ["breaks", "mends", "lists again", "loses request", "loses answer", "is older"]
        )
    )
    def runtime(self, what: str) -> None:
        runtime = self.world.runtime
        match what:
            case "breaks" if runtime.plugin is not None:
                runtime.disconnect()
            case "mends":
                self.world.connect(2)
            case "lists again":
                self.world.synchronize_again()
            case "is older":
                runtime.by_name = not runtime.by_name
            case _ if what.startswith("loses"):
                runtime.loses = what.removeprefix("loses ")
            case _:  # it is broken already
                pass

    @rule(which=FEW, what=st.sampled_from(["late", "delivered", "repeated"]))
    def event(self, which: int, what: str) -> None:
        match what:
            case "late":
                self.world.runtime.defers = True
            case "delivered":
                self.world.runtime.deliver()
            case _:
                self.world.runtime.repeat(which)

    @rule(refuses=TRULY)
    def runtime_refuses_updates(self, *, refuses: bool) -> None:
        self.world.runtime.refuses_updates = refuses

    @rule(cpu=st.integers(0, 10), on=TRULY)
    def cpu_goes_or_comes(self, cpu: int, *, on: bool) -> None:
        self.world.online(cpu, on=on)

    @rule(on=TRULY)
    def memory_goes_or_comes(self, *, on: bool) -> None:
        self.world.tier(on=on)

    @rule(which=FEW, comes=TRULY)
    def runtime_is_another_version(self, which: int, *, comes: bool) -> None:
        self.world.runtime.restart(which)
        if comes:
            self.world.connect(1)

    @rule(seconds=st.sampled_from([1, 11, 31]))
    def time_passes(self, seconds: int) -> None:
        self.world.now_s += seconds

    @rule()
    def agent_looks(self) -> None:
        self.world.look()

    @rule()
    def round_is_done(self) -> None:
        self.world.round()

    @invariant()
    def no_cpu_has_two_owners(self) -> None:
        if hasattr(self, "world"):
            self.world.check()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            settle(self.world)


class TestNode(Node.TestCase):  # type: ignore[misc, valid-type]
    settings = settings(
        max_examples=NODES,
        stateful_step_count=STEPS,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
