"""Who holds which CPUs on this node: the only judge.

A pod holds the CPUs of its CPU sets from its first container until its sandbox is stopped: the
kubelet stops it before it counts the pod's devices as free, while removal may come minutes later.
What the kubelet believes meanwhile does not matter, nor whether the pod's containers run, are
paused, or wait in back-off: no CPU is ever held by two pods.

Values in, values out: whoever keeps a ledger replaces it by what the methods return.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from numalocal.idset import IdSet, union
from numalocal.problems import shown
from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.errors import CpusHeld
from numalocal_deviceplugin.pods import Container, Pod, where
from numalocal_deviceplugin.tenant import Tenant


@dataclass(frozen=True)
class Ledger:
    """The tenants of a node, by pod uid."""

    tenants: Mapping[str, Tenant] = field(default_factory=dict)

    @cached_property
    def held(self) -> IdSet:
        """All CPUs that some pod holds."""
        return union(one.cpus for one in self.tenants.values() if one.holds)

    def held_by_others(self, uid: str) -> IdSet:
        """All CPUs that pods hold other than this one."""
        return union(one.cpus for key, one in self.tenants.items() if one.holds and key != uid)

    @cached_property
    def containers(self) -> Sequence[tuple[Pod, Container]]:
        """All live containers with their pods."""
        return [
            (one.pod, container)
            for one in self.tenants.values()
            for container in one.containers.values()
        ]

    def claim(self, pod: Pod, container: Container, assignment: Assignment) -> "Ledger":
        """Let a pod hold an assignment for one of its containers.

        Raises:
            CpusHeld: where another pod holds one of its CPUs.
        """
        others, tenant = self._succeeded(pod), self._tenant(pod)
        wanted = assignment.cpus
        if wanted & self.held - tenant.cpus:
            for uid, other in others.items():
                if uid != pod.uid and (overlap := other.cpus & wanted):
                    raise CpusHeld(
                        f"{where(pod, container)}: CPU {overlap} of its CPU sets is still held by "
                        f"pod {other.pod.namespace}/{other.pod.name} ({shown(uid)}), whose sandbox "
                        "runs; it is tried again until that pod has gone"
                    )
        claims = {**tenant.claims, container.name: assignment}
        return Ledger({**others, pod.uid: replace(tenant, claims=claims, listed=None)})

    def created(self, pod: Pod, container: Container) -> "Ledger":
        """Take in a container that is about to live, in place of those of its name in the pod.

        Nobody tells of one that ends by itself, and runtimes keep it for a look at its log.
        """
        tenant = self._tenant(pod)
        others = {key: one for key, one in tenant.containers.items() if one.name != container.name}
        now = replace(tenant, containers={**others, container.id: container})
        return Ledger({**self._succeeded(pod), pod.uid: now})

    def bound(self, places: Iterable[tuple[str, str, IdSet, IdSet]]) -> "Ledger":
        """Take what live containers are bound to by now.

        `places` are a pod's uid, a container's id, CPUs and memory nodes; of these none = as they
        were.
        """
        tenants = dict(self.tenants)
        for uid, container_id, cpus, mems in places:
            tenant = tenants.get(uid)
            was = None if tenant is None else tenant.containers.get(container_id)
            if tenant is not None and was is not None:
                now = was._replace(cpus=cpus, mems=mems or was.mems)
                containers = {**tenant.containers, container_id: now}
                tenants[uid] = replace(tenant, containers=containers)
        return Ledger(tenants)

    def stopped(self, uid: str, container_id: str) -> "Ledger":
        """Forget a container; its pod goes on holding what it was bound to."""
        tenant = self.tenants.get(uid)
        if tenant is None or container_id not in tenant.containers:
            return self
        left = {key: one for key, one in tenant.containers.items() if key != container_id}
        if not left and any(one.containers for one in self._namesakes(tenant.pod)):
            return self.without([uid])
        return self._with(replace(tenant, containers=left))

    def gone(self, pod: Pod) -> "Ledger":
        """Forget a pod whose sandbox was stopped, unless it has another sandbox by now."""
        tenant = self.tenants.get(pod.uid)
        if tenant is None or pod.id not in tenant.sandboxes:
            return self
        if left := tenant.sandboxes - {pod.id}:
            return self._with(replace(tenant, sandboxes=left))
        return self.without([pod.uid])

    def without(self, uids: Collection[str]) -> "Ledger":
        """Forget pods."""
        return Ledger({uid: one for uid, one in self.tenants.items() if uid not in uids})

    def unknown_to(self, listing: Collection[tuple[str, str]]) -> frozenset[str]:
        """Give the uids of pods of which nothing lives and that are not listed by name.

        For them nothing will be created any more, though nobody may ever tell that their sandboxes
        have stopped: containerd 1.7 does not for those from before its own restart.
        """
        return frozenset(
            uid
            for uid, one in self.tenants.items()
            if not one.containers and (one.pod.namespace, one.pod.name) not in listing
        )

    def listed(self, uid: str, assignment: Assignment | None) -> "Ledger":
        """Let a pod that claims nothing itself hold what the kubelet lists for it, if it is free.

        Such a pod waits for its crashed container to be created again: runtimes do not list what
        has exited.
        """
        tenant = self.tenants.get(uid)
        if tenant is None or tenant.claims or tenant.listed == assignment:
            return self
        if assignment is not None and self.held_by_others(uid) & assignment.cpus:
            return self
        return self._with(replace(tenant, listed=assignment))

    def _namesakes(self, pod: Pod) -> Sequence[Tenant]:
        """List other pods of the same namespace and name: at most one of them is not deleted."""
        return [
            one
            for uid, one in self.tenants.items()
            if uid != pod.uid and one.pod.name == pod.name and one.pod.namespace == pod.namespace
        ]

    def _succeeded(self, pod: Pod) -> Mapping[str, Tenant]:
        """Leave out predecessors of which nothing lives: for the pod to be there they had to go."""
        gone = {one.pod.uid for one in self._namesakes(pod) if not one.containers}
        return self.tenants if not gone else self.without(gone).tenants

    def _tenant(self, pod: Pod) -> Tenant:
        """Give the tenant that a pod is, in the sandbox that it has now."""
        known = self.tenants.get(pod.uid, Tenant(pod=pod, sandboxes=frozenset()))
        return replace(known, pod=pod, sandboxes=frozenset({pod.id}))

    def _with(self, tenant: Tenant) -> "Ledger":
        return Ledger({**self.tenants, tenant.pod.uid: tenant})
