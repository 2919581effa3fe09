"""The calls of one Lease; everything in and out is plain mappings."""

from collections.abc import Mapping
from typing import Any, Final

from kubernetes.client.exceptions import ApiException

from numalocal_operator.api.connection import Connection

CALL_S: Final = 2.0
"""What a call may take: two fit between the last renewal and giving up, with their pauses."""
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409

Raw = Mapping[str, Any]


class Lease:
    """Reads and writes one Lease; the API server's versions settle who writes."""

    def __init__(self, namespace: str, name: str, connection: Connection) -> None:
        self._metadata = {"name": name, "namespace": namespace}
        self._connection = connection
        self._all = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._one = f"{self._all}/{name}"

    def read(self) -> Raw | None:
        """Read it; None where there is none."""
        return self._call("GET", self._one, None, nothing=(_NOT_FOUND,))

    def write(self, before: Raw | None, spec: Raw) -> Raw | None:
        """Write it over what was read before; None where it has changed since, or is gone."""
        metadata = self._metadata if before is None else before["metadata"]
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": spec,
        }
        if before is None:
            return self._call("POST", self._all, body, nothing=(_CONFLICT,))
        return self._call("PUT", self._one, body, nothing=(_CONFLICT, _NOT_FOUND))

    def _call(
        self, method: str, path: str, body: Raw | None, *, nothing: tuple[int, ...]
    ) -> Raw | None:
        try:
            return self._connection.call(method, path, body, timeout_s=CALL_S)
        except ApiException as error:
            if error.status in nothing:
                return None
            raise
