"""The container runtime's full list, which comes in parts -> its pods, and what lives in them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from numalocal_deviceplugin.errors import FrameInvalid
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.pods import Container, Pod
from numalocal_deviceplugin.runtime import messages
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

_MOST_BYTES: Final = 64 << 20
"""Of the messages of one list: five hundred containers take three."""


class Listed:
    """The list under way: it begins with the connection, and again when it was whole."""

    def __init__(self) -> None:
        self._pods: dict[str, Pod] = {}
        self._containers: list[tuple[Pod, Container]] = []
        self._size_bytes = 0

    def add(self, payload: bytes) -> bool:
        """Take one part; True = it was the last.

        Raises:
            FrameInvalid: where the list does not end; half of it must not be taken for all.
        """
        self._size_bytes += len(payload)
        if self._size_bytes > _MOST_BYTES:
            self._pods, self._containers = {}, []
            raise FrameInvalid(f"the container runtime's list has more than {_MOST_BYTES} bytes")
        request = nri.SynchronizeRequest.FromString(payload)
        self._pods |= {message.id: messages.pod(message) for message in request.pods}
        self._containers += messages.residents(request.containers)
        return not request.more

    def end(self, before: Ledger) -> tuple[Collection[Pod], Sequence[tuple[Pod, Container]]]:
        """Give all pods and the live containers with theirs, and begin again.

        Only the whole list pairs them: a container may come in an earlier part than its pod.
        `before` knows pods that are not listed.
        """
        live = [(pod, one) for pod, one in self._containers if one.live]
        pods = _unlisted((pod for pod, _ in live), before) | self._pods
        self._pods, self._containers, self._size_bytes = {}, [], 0
        return pods.values(), [(pods[pod.id], one) for pod, one in live]


def _unlisted(pods: Iterable[Pod], before: Ledger) -> dict[str, Pod]:
    """Give by sandbox what is known of pods that the runtime may not list.

    containerd lists the containers of sandboxes whose state it could not find out when it started,
    and not these: what lives there holds its CPUs all the same.
    """
    known: Mapping[str, Pod] = {one.pod.id: one.pod for one in before.tenants.values()}
    return {pod.id: known.get(pod.id, pod) for pod in pods}
