"""The CPUs of pods while something happens to them, by the node's kernel."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

from faults import judging, kernel
from faults.kernel import Kernel, Running
from faults.population import EXPECTED
from lab.cluster import Lab
from lab.commands import LabError
from numalocal.idset import IdSet, union


@dataclass(slots=True)
class Watch:
    """Every look at the node while it lasted."""

    looks: list[Kernel] = field(default_factory=list)

    def given_twice(self) -> set[str]:
        """Name CPUs of sets on which two pods were bound at one look."""
        return {said for look in self.looks for said in judging.given_twice(EXPECTED, look)}

    def times_seen(self, uid: str) -> int:
        """Count the looks at which a pod had processes."""
        return sum(any(one.pod_uid == uid for one in look.containers) for look in self.looks)


@contextmanager
def watching(lab: Lab) -> Iterator[Watch]:
    """Look at the node again and again, beside what the test does."""
    watch, ended = Watch(), Event()

    def look() -> None:
        while not ended.is_set():
            try:
                watch.looks.append(_look(lab))
            except LabError:  # the node is away: nobody can see it
                ended.wait(0.5)

    thread = Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        ended.set()
        thread.join()


def of_pod(lab: Lab, uid: str) -> tuple[Running, ...]:
    """Look at the containers of a pod."""
    every = _look(lab).containers
    return tuple(one for one in every if one.pod_uid == uid and not one.sandbox)


def cpus_of(lab: Lab, uid: str) -> IdSet:
    """Give the CPUs on which a pod's processes can run now."""
    return union(one.used for one in of_pod(lab, uid))


def on(lab: Lab, uid: str, cpus: IdSet) -> Callable[[], bool]:
    """Ask whether a pod runs, and on exactly these CPUs."""
    return lambda: cpus_of(lab, uid) == cpus


def _look(lab: Lab) -> Kernel:
    return kernel.parse(lab.node(kernel.LOOK, timeout_s=60))
