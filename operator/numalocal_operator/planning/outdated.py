"""Which pods of a worker make room for others: of an older spec, unbound, or waiting in vain."""

from collections.abc import Iterable
from typing import NamedTuple

from numalocal.worker.inject import PoolNumbers
from numalocal.worker.spec import Worker
from numalocal_operator.observing.observed import ObservedPod, is_to_be_replaced
from numalocal_operator.planning.barring import Barred
from numalocal_operator.planning.numbers import outgrown


class Made(NamedTuple):
    """By what a pod would be made now."""

    numbers: PoolNumbers
    barred: Barred

    def leaves_behind(self, pod: ObservedPod) -> bool:
        """Tell whether a pod waits in vain, for a node or for its first container to be created.

        It asks for too much, is kept off the wrong nodes, or came to one that cannot bind it.
        What does not say by what it was made might have a successor that does not either.
        """
        if pod.sized_by is None or pod.ready:
            return False
        if pod.node:
            return pod.check_passed is None and self.barred.strands(pod.node)
        return outgrown(pod.sized_by, self.numbers) or self.barred.misleads(pod.kept_off)


def given_up(
    worker: Worker, kept: Iterable[ObservedPod | None], wanted: str, made: Made
) -> tuple[ObservedPod, ...]:
    """Pick the pods to give up for a new revision, or a start with its binding, if it is time.

    So are those that were made for other nodes than there are, and wait in vain.

    What does not serve goes at once; of what serves only so many that no more than the worker
    allows are missing.  CPU sets are scarce, so the old pod goes before the new one comes.
    A pod that has lost its revision stays: where admission takes it off, the next one had none
    either, and pods would come and go without end.
    """
    live = [pod for pod in kept if pod and not (pod.terminal or pod.deleting)]
    outdated = [
        pod
        for pod in live
        if is_to_be_replaced(pod)
        or (pod.revision not in ("", wanted) and not worker.paused)
        or (pod.revision == wanted and made.leaves_behind(pod))
    ]
    idle = [pod for pod in outdated if not pod.ready]
    spare = worker.max_unavailable - (worker.replicas - sum(pod.ready for pod in live))
    serving = [pod for pod in reversed(outdated) if pod.ready]
    return (*idle, *serving[: max(spare, 0)])
