"""A node of the model: kubelet, runtime and the real agent between them, and what must be true."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from numalocal import names
from numalocal.errors import PoolUnmet
from numalocal.idset import IdSet, union
from numalocal.sets.assignment import Assignment
from numalocal.sets.memoryask import MemoryPolicy
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool
from numalocal_deviceplugin.facts import RequiredPlugins
from numalocal_deviceplugin.kubelet.offers import Offer, offers
from numalocal_deviceplugin.kubelet.service import DevicePluginService
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.node.document import About, document
from numalocal_deviceplugin.node.repair import Repair
from numalocal_deviceplugin.refusals import Reason
from numalocal_deviceplugin.runtime.plugin import Plugin
from numalocal_deviceplugin.settings import Idle, Settings
from numalocal_deviceplugin.settling import Listing
from numalocal_deviceplugin.snapshot import Snapshot
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State
from numalocal_deviceplugin.thisnode import Node
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

from ..nodes import KERNEL, make_machine, with_tier
from . import model_pods
from .model_kubelet import Aborted, ModelKubelet
from .model_pods import KINDS, LEFT_ALONE, Container, Memory, Pod, Sandbox
from .model_runtime import ModelRuntime, Refused, RuntimeFailed

FLAT = make_machine(nodes=2, cores=3, threads=2)
MACHINE = with_tier(FLAT)
ABOUT = About(agent="1", kernel="6.12")
POOLS = (
    (Pool(name="cpuset", size=1),),  # 2-3 and 4-5, 8-9 and 10-11
    (Pool(name="cpuset"),),  # 2-5, 8-11
    (Pool(name="cpuset", size=1, nodes=IdSet.of([0])), Pool(name="big", nodes=IdSet.of([1]))),
    (Pool(name="cpuset", size=1, reserve=2),),  # 4-5, 10-11
)
NAMES = ("llama-0", "llama-1", "web-0")
TIER = Memory("2", None)
NEAR_TIER = IdSet.of([0])
POLICIES = {0: "Bind", nri.MPOL_PREFERRED_MANY: "Preferred", nri.MPOL_INTERLEAVE: "Interleave"}
UNBINDABLE = frozenset({Reason.NOT_BOUND, Reason.CPUS_HELD})


class World:
    """`lapsed` says that a container may be where it should not be until the next round."""

    def __init__(self, idle: Idle, pools: int) -> None:
        self.kubelet, self.runtime = ModelKubelet(), ModelRuntime()
        self.runtime.lost = self._lost
        self.runtime.barred = lambda: self.state is not None and self.now().node.barred is not None
        self.idle, self.now_s = idle, 100.0
        self.machine = MACHINE
        self.state: State | None = None
        self.pools = pools
        self.holds: dict[Sandbox, IdSet] = {}
        self.lapsed, self.refused = True, False
        self.asked: tuple[Listing, Ledger] | None = None
        self._number = 0
        self.runtime.create(self.runtime.run_sandbox(self.kubelet.own), "agent", {})
        self.start_agent(pools)
        self.look()
        self.connect(1)
        self.round()

    # What happens

    def start_agent(self, pools: int) -> None:
        if self.state is not None:
            return
        for chosen in (pools, self.pools):
            try:
                cut = partition(self.machine, POOLS[chosen])
            except PoolUnmet:
                continue
            settings = Settings(idle=self.idle, left_alone=frozenset({LEFT_ALONE}), kernel=KERNEL)
            self.pools = chosen
            self.state = State(self.machine, cut, settings, clock=lambda: self.now_s)
            self.repair = Repair(
                self.state, self.runtime.correct, Path("/nowhere"), clock=lambda: self.now_s
            )
            self.kubelet.services = {
                one.name: DevicePluginService(one.name, self.state) for one in cut.pools
            }
            return

    def kill_agent(self) -> None:
        if self.runtime.plugin is not None:
            self.runtime.disconnect()
        self.state, self.asked, self.holds = None, None, {}
        self.kubelet.services = {}
        self.kubelet.read_devices()

    def connect(self, parts: int) -> None:
        if self.state is None or self.runtime.plugin is not None:
            return
        plugin = Plugin(self.state, self.kubelet.devices_within)
        self.runtime.connect(plugin, parts)
        if self.runtime.plugin is None:
            return
        self.state.runtime_synchronized()
        self._rebuilt()

    def synchronize_again(self) -> None:
        if self.runtime.plugin is not None:
            self.runtime.synchronize_again()
            if self.runtime.plugin is not None:
                self._rebuilt()

    def look(self) -> None:
        """Look at the node as the agent's watch does."""
        if self.state is None:
            return
        before = self.now().node
        with suppress(PoolUnmet):
            self.state.set_machine(self.machine)
        if not self.kubelet.silent:
            self.state.set_policy(self.kubelet.policy)
            self.state.set_listing(self.kubelet.listing(), before.ledger)
        self._changed(before)

    def ask(self) -> None:
        """Ask for the kubelet's list, whose answer comes later."""
        if self.state is not None and not self.kubelet.silent:
            self.asked = self.kubelet.listing(), self.now().node.ledger

    def hear(self) -> None:
        if self.state is not None and self.asked is not None:
            before = self.now().node
            self.state.set_listing(*self.asked)
            self.asked = None
            self._changed(before)

    def new_pod(self, kind: int, name: int) -> None:
        """Make a pod, unless one of its name is there."""
        made = Pod(f"uid-{self._number}", NAMES[name % len(NAMES)], KINDS[kind % len(KINDS)])
        if any(one.known and one.subject == made.subject for one in self.kubelet.pods):
            return  # or the API server would refuse it
        self._number += 1
        made.admitted = not made.kind.requests
        self.kubelet.pods.append(made)

    def admit(self, pod: Pod, *, asks: bool) -> None:
        pool = next(iter(self.kubelet.services), "cpuset")
        if not pod.admitted and pod.known and pod.wanted:
            try:
                self.kubelet.admit(pod, pool, asks=asks)
            except Aborted:
                pod.wanted = False  # UnexpectedAdmissionError: its controller makes another
                pod.given = {}

    def start(self, pod: Pod, *, fails: bool = False) -> bool:
        """Take a pod's next step; False where there is none, or where it is refused."""
        if not (pod.admitted and pod.known and pod.wanted):
            return False
        if pod.sandbox is None or pod.sandbox.stopped:
            self.runtime.run_sandbox(pod)
            return True
        live = {one.name: one for one in self.runtime.live() if one.sandbox is pod.sandbox}
        if names.CHECK_CONTAINER in live:
            self.runtime.crash(live[names.CHECK_CONTAINER])
            pod.checked = True
            return True
        todo = (names.CHECK_CONTAINER,) if pod.kind.checked and not pod.checked else ()
        for name in todo or pod.kind.containers:
            if name not in live:
                return self._create(pod, pod.sandbox, name, fails=fails)
        return False

    def delete(self, pod: Pod, *, force: bool) -> None:
        """Begin a pod's end, or take the next step of it."""
        pod.wanted = False
        if force:
            pod.known, pod.given = False, {}
        sandboxes = [one for one in self.runtime.sandboxes if one.pod is pod]
        running = [one for one in self.runtime.live() if one.pod is pod]
        if running:
            self.runtime.stop(running[0])
        elif any(not one.stopped for one in sandboxes):
            self.runtime.stop_sandbox(next(one for one in sandboxes if not one.stopped))
        elif pod.known:
            pod.known, pod.given = False, {}
        elif sandboxes:
            self.runtime.remove_sandbox(sandboxes[0])
        else:
            self.kubelet.pods.remove(pod)

    def lose_sandbox(self, pod: Pod) -> None:
        """Let a pod's sandbox die; the kubelet makes another."""
        if pod.sandbox is not None and not pod.sandbox.stopped and pod.wanted:
            self.runtime.stop_sandbox(pod.sandbox)

    def restart_kubelet(self, policy: Policy) -> None:
        """Start the kubelet anew: what does not run is admitted again, with its devices."""
        self.kubelet.policy, self.kubelet.begins = policy, True
        self.kubelet.read_devices()
        running = {one.pod for one in self.runtime.live()}
        for pod in self.kubelet.pods:
            ids = {one for given in pod.given.values() for one in given.ids}
            if pod not in running and pod.given and not ids <= self.kubelet.healthy():
                pod.wanted = False

    def online(self, cpu: int, *, on: bool) -> None:
        """Bring a CPU up or down; the first one is always there."""
        change = IdSet.of([cpu % 11 + 1])
        now = self.machine.online
        self.machine = self.machine.with_online(now | change if on else now - change)
        self.lapsed = True

    def tier(self, *, on: bool) -> None:
        """Bring the memory of the tier up or down."""
        self.machine = (MACHINE if on else FLAT).with_online(self.machine.online)
        self.lapsed = True

    def update(self, one: Container) -> None:
        """Let the kubelet update a container: where it pins, with CPUs of its own."""
        static = self.kubelet.policy is Policy.STATIC
        self.runtime.update(one, str(self.machine.online) if static else "")
        one.born_on = IdSet() if static else one.born_on
        self.lapsed = self.lapsed or static

    def round(self) -> None:
        """Let the agent do what it does every few seconds, and look at the result."""
        self.look()
        if self.state is None:
            return
        self.mend()
        if self.runtime.refuses_updates:
            self.refused = True
        elif self.refused:  # it is tried again, later each time
            self.refused, self.now_s = False, self.now_s + 600
            self.mend()
        if self.binds and self.kubelet_tells and not self.runtime.refuses_updates:
            self.lapsed = self.machine != self.now().node.machine
            if not self.lapsed:
                self.check_round()

    def mend(self) -> None:
        """Let the agent set back what is wrong: the memory of one is moved at a time."""
        for _ in self.runtime.live():
            self.repair.once()

    # What is true

    def now(self) -> Snapshot:
        assert self.state is not None
        return self.state.snapshot()

    @property
    def binds(self) -> bool:
        """Whether the agent is there, is told of everything, and may adjust."""
        return (
            self.state is not None
            and self.runtime.plugin is not None
            and self.now().node.barred is None
        )

    @property
    def kubelet_tells(self) -> bool:
        return not (self.kubelet.silent or self.kubelet.begins)

    def guests(self) -> list[Container]:
        """List all live containers but the agent's own."""
        return [one for one in self.runtime.live() if one.pod is not self.kubelet.own]

    def bound(self) -> Iterator[tuple[Container, IdSet]]:
        """List the live containers that have CPUs of their own."""
        for one in self.runtime.live():
            cpus = IdSet.parse(one.cpus)
            if cpus and cpus <= one.pod.cpus:
                yield one, cpus & self.machine.online

    def check(self) -> None:
        """See that no CPU has two owners, nor, while the agent works, a guest."""
        bound = list(self.bound())
        for place, (one, cpus) in enumerate(bound):
            for other, theirs in bound[:place]:
                if one.pod is not other.pod:
                    assert cpus.isdisjoint(theirs), (
                        f"CPU {cpus & theirs} is given twice: to {one.id} and {other.id}"
                    )
        if self.state is not None and self.runtime.plugin is not None:
            tenants = self.now().node.ledger.tenants
            for pod, cpus in self.holders():
                assert pod.uid in tenants, f"{pod.subject} holds CPU {cpus} and is not known"
                assert cpus <= tenants[pod.uid].cpus, f"{pod.subject} holds {cpus}, and more"
        if self.binds and not self.lapsed and self.now().node.others:
            self.check_others(union(cpus for _, cpus in bound))

    def check_others(self, held: IdSet) -> None:
        own = {one.id for one, _ in self.bound()}
        undecided = self.now().facts.undecided
        for one in self.runtime.live():
            if one.id in own or one.id in undecided or one.pod.kind.namespace == LEFT_ALONE:
                continue
            where = one.runs_on(self.machine.online)
            assert where.isdisjoint(held), f"{one.id} runs on {where}, of which {held} are held"

    def check_round(self) -> None:
        """See that all is as it should be, or said."""
        self.check()
        refused = {one.subject for one in self.now().refusals if one.reason in UNBINDABLE}
        unbound = {
            one.subject for one in self.now().refusals if one.reason is Reason.STARTED_UNBOUND
        }
        for one in self.runtime.live():
            named = f"{one.pod.subject}/{one.name}"
            if one.given is None or named in refused:
                continue
            assert one.runs_on(self.machine.online) == one.given.cpus & self.machine.online, named
            assert one.mems == self.mems_of(one.pod, one.given), named
            if all(
                other is one or f"{other.pod.subject}/{other.name}" != named
                for other in self.runtime.live()
            ):
                lacks = not one.answered and not one.pod.kind.takes_less
                assert (named in unbound) == lacks, named
        self.check_checks()
        self.check_offers()
        self.check_document()

    def mems_of(self, pod: Pod, given: Assignment) -> str | None:
        """Give the memory nodes that a pod's containers are to have; None where there are none."""
        memory = pod.kind.memory
        if memory == TIER and not given.mems <= NEAR_TIER:
            return None
        mems = memory.tiered if self.is_tiered else memory.flat
        return str(given.mems) if mems == "" else mems

    @property
    def is_tiered(self) -> bool:
        """Whether the machine that the agent knows has its tier."""
        return len(self.now().node.machine.nodes) > len(FLAT.nodes)

    def check_document(self) -> None:
        """See that what the node tells of its runtime and of its holders' memory is so."""
        told, runtime = document(self.now(), ABOUT), self.runtime
        able = [str(one) for one in MemoryPolicy] if runtime.nri else ["Bind"]
        assert told["memory"]["policies"] == able
        if told["requiredPlugins"] == RequiredPlugins.ENFORCED:
            assert runtime.enforces
        live = {one.id: one for one in runtime.live()}
        for one in told["sets"]:
            owner = one.get("owner", {})
            if (holder := live.get(owner.get("containerID"))) and "memory" in owner:
                has = POLICIES[holder.policy]
                assert owner["memory"]["policy"] == has, f"{holder.id} has {has}: {owner}"

    def check_checks(self) -> None:
        """See that a check stays on its pod's CPUs, whatever the pools have become since.

        Unless the kubelet forgot what it gave, or gave it twice.
        """
        tenants = self.now().node.ledger.tenants
        for one in self.runtime.live():
            pod = one.pod
            twice = any(other is not pod and other.cpus & pod.cpus for other in self.kubelet.pods)
            if one.born_on != pod.cpus or not pod.cpus or pod.given != pod.once or twice:
                continue
            if one.name == names.CHECK_CONTAINER and pod.known:
                assert one.runs_on(self.machine.online) <= pod.cpus, f"{one.id} is moved"
                assert pod.cpus <= tenants[pod.uid].cpus, f"{pod.subject} holds nothing"

    def check_offers(self) -> None:
        """See that what is held is offered to nobody else."""
        for offer in self.offers():
            # The kubelet lists pods by name: a namesake has what its predecessor holds.
            entitled = {
                pod.subject
                for pod in self.kubelet.pods
                if any(offer.set.id in given.ids for given in pod.given.values())
            }
            for pod, cpus in self.holders():
                if cpus & offer.set.present and pod.subject not in entitled:
                    assert offer.refusal is not None, f"{offer.set.id} is offered and held"

    def offers(self) -> list[Offer]:
        now = self.now()
        return [one for pool in now.node.partition.pools for one in offers(pool.name, now)]

    def holders(self) -> list[tuple[Pod, IdSet]]:
        """List what must be held: a sandbox whose stop was told has nothing.

        Nor has one after which another came whose stop was told, nor a pod of which nothing lives,
        and that the kubelet does not know or that has been made anew.
        """
        living = {one.pod for one in self.runtime.live()}
        namesakes = Counter(one.subject for one in self.kubelet.pods)
        self.holds = {
            one: cpus
            for one, cpus in self.holds.items()
            if not (one.told or one.outlived)
            and (one.pod in living or (one.pod.known and namesakes[one.pod.subject] == 1))
        }
        return [(one.pod, cpus) for one, cpus in self.holds.items()]

    def reason(self, pod: Pod, name: str) -> str:
        """Find out why a container may be refused; empty = for no reason."""
        if self.runtime.plugin is None and self.runtime.enforces:
            return "required"
        now = self.now().node
        given = [pod.given[name]] if name in pod.given else []
        if name == names.CHECK_CONTAINER:
            given = list(pod.given.values())
        cpus = union(model_pods.cpus_of(one) for one in given)
        ours = {one.id for one in now.partition.sets}
        old = any(not ours.issuperset(one.ids) for one in given)
        asks = old or name == names.CHECK_CONTAINER
        others = [
            one.pod
            for one in self.runtime.sandboxes
            # A runtime lists a stopped one until it is removed, and the kubelet its pod's devices.
            if one.pod is not pod and (not one.told or one.pod.given) and one.pod.cpus & cpus
        ]
        memory = pod.kind.memory
        sets = [Assignment.parse(text) for one in given for text in one.annotations.values()]
        needs = memory.policy_of(tiered=self.is_tiered) and not pod.kind.takes_less
        # A stopped sandbox that is listed has what the kubelet lists for its pod's namesake.
        tenants = now.ledger.tenants.values()
        listed = union(one.listed.cpus for one in tenants if one.listed is not None)
        reasons = {
            "no policy": bool(needs) and not self.runtime.nri,
            "no tier": any(self.mems_of(pod, one) is None for one in sets),
            "hostile": pod.kind.hostile,
            "barred": now.barred is not None,
            "offline": now.machine.online != MACHINE.online,
            "silent": not self.kubelet_tells and asks,
            "forgotten": name in pod.once and name not in pod.given,
            "nothing": name == names.CHECK_CONTAINER and not pod.given,
            "old pools": name == names.CHECK_CONTAINER and old,
            "held": bool(others) or bool(listed & cpus),
        }
        return next((one for one, holds in reasons.items() if holds), "")

    def _create(self, pod: Pod, sandbox: Sandbox, name: str, *, fails: bool) -> bool:
        annotations = dict(pod.kind.annotations) if pod.kind.copies_annotations else {}
        if name in pod.given:
            annotations |= pod.given[name].annotations
        connected = self.runtime.plugin
        try:
            one = self.runtime.create(sandbox, name, annotations, fails=fails)
        except Refused as refused:
            self._check_refusal(pod, name, str(refused))
            return False
        except RuntimeFailed:
            return False
        if connected is None or not one.answered:
            return True
        if one.given is not None and self.runtime.nri and self.runtime.plugin is not None:
            assert one.policy == pod.kind.memory.policy_of(tiered=self.is_tiered), one.id
        assert not pod.kind.hostile, f"{pod.subject}/{name} was created"
        cpus = IdSet.parse(one.cpus)
        if cpus and cpus <= pod.cpus:
            for other, theirs in self.holders():
                assert other is pod or cpus.isdisjoint(theirs), (
                    f"CPU {cpus & theirs} of {one.id} is still {other.subject}'s"
                )
            self.holds[sandbox] = self.holds.get(sandbox, IdSet()) | cpus
        else:
            assert one.given is None, f"{one.id} was created on {cpus}, without its CPU sets"
        return True

    def _check_refusal(self, pod: Pod, name: str, said: str) -> None:
        assert self.reason(pod, name), f"{pod.subject}/{name} is refused for nothing: {said}"
        assert len(said) < 1000

    def _rebuilt(self) -> None:
        """Forget what no live container tells: the agent may, where the kubelet lists nothing.

        Of one that was told nothing itself an agent knows by which it was created.
        """
        known, self.holds = self.holds, {}
        for one, cpus in self.bound():
            if one.given is not None or cpus <= known.get(one.sandbox, IdSet()):
                self.holds[one.sandbox] = self.holds.get(one.sandbox, IdSet()) | cpus
        self.lapsed = not self.binds

    def _changed(self, before: Node) -> None:
        """Allow a round to bring others where they belong, where that is elsewhere now."""
        after = self.now().node
        held = before.ledger.held, before.machine, before.barred is None
        if held != (after.ledger.held, after.machine, after.barred is None):
            self.lapsed = True

    def _lost(self) -> None:
        self.lapsed = True
        if self.state is not None:
            self.state.runtime_lost()
