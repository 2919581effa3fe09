"""The only calls of the Kubernetes API; everything in and out is plain mappings."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from numalocal import names
from numalocal_operator.pod import KIND, Manifest

GROUP: Final = names.DOMAIN
VERSION: Final = "v1alpha1"
PLURAL: Final = "cpuinferenceworkers"

_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_TIMEOUT_S: Final = 20

Raw = Mapping[str, Any]


class Cluster:
    """Reads and writes of one API server; every call ends within 20 s.

    Calls raise the client's ApiException but for what a level-triggered loop expects: an object
    that is already gone, or already there.
    """

    def __init__(self, api: client.ApiClient | None = None) -> None:
        # The client's annotations want its model classes; the API and we speak plain mappings.
        self._core: Any = client.CoreV1Api(api)
        self._custom: Any = client.CustomObjectsApi(api)

    def worker(self, namespace: str, name: str) -> Raw | None:
        """Read a worker; None where it is gone."""
        try:
            found = self._custom.get_namespaced_custom_object(
                GROUP, VERSION, namespace, PLURAL, name, _request_timeout=_TIMEOUT_S
            )
        except ApiException as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        return dict(found)

    def workers(self, namespace: str) -> list[tuple[str, str]]:
        """List (namespace, name) of all workers; an empty namespace means all."""
        if namespace:
            found = self._custom.list_namespaced_custom_object(
                GROUP, VERSION, namespace, PLURAL, _request_timeout=_TIMEOUT_S
            )
        else:
            found = self._custom.list_cluster_custom_object(
                GROUP, VERSION, PLURAL, _request_timeout=_TIMEOUT_S
            )
        metadata = [one["metadata"] for one in found["items"]]
        return [(one["namespace"], one["name"]) for one in metadata]

    def pods(self, namespace: str, worker: str, wanted: Iterable[str]) -> list[Raw]:
        """List a worker's pods, and whatever else has one of the wanted names."""
        answer = self._core.list_namespaced_pod(
            namespace,
            label_selector=f"{names.LABEL_WORKER}={worker}",
            _request_timeout=_TIMEOUT_S,
            _preload_content=False,
        )
        found: list[Raw] = json.loads(answer.data)["items"]
        known = {one["metadata"]["name"] for one in found}
        others = (self._pod(namespace, name) for name in wanted if name not in known)
        return [*found, *(one for one in others if one is not None)]

    def cpus_per_set(self, pool: str) -> int | None:
        """Give the CPUs of a pool's largest set on any node; None where no agent offers it."""
        answer = self._core.list_node(_request_timeout=_TIMEOUT_S, _preload_content=False)
        sizes = []
        for node in json.loads(answer.data)["items"]:
            published = (node["metadata"].get("annotations") or {}).get(names.ANNOTATION_POOLS)
            if published:
                sizes.append(json.loads(published).get(pool, {}).get("cpusPerSet", 0))
        return max(sizes, default=0) or None

    def create_pod(self, manifest: Manifest) -> bool:
        """Create a pod; False where the name is taken."""
        try:
            self._core.create_namespaced_pod(
                manifest["metadata"]["namespace"], manifest, _request_timeout=_TIMEOUT_S
            )
        except ApiException as error:
            if error.status == _CONFLICT:
                return False
            raise
        return True

    def delete_pod(self, namespace: str, name: str, *, terminal: bool = False) -> None:
        """Delete a pod; a terminal one at once, as nothing of it runs any more."""
        grace = {"grace_period_seconds": 0} if terminal else {}
        try:
            self._core.delete_namespaced_pod(name, namespace, **grace, _request_timeout=_TIMEOUT_S)
        except ApiException as error:
            if error.status != _NOT_FOUND:
                raise

    def patch_status(self, namespace: str, name: str, status: Raw) -> None:
        """Merge fields into a worker's status; nothing where the worker is gone."""
        try:
            self._custom.patch_namespaced_custom_object_status(
                GROUP,
                VERSION,
                namespace,
                PLURAL,
                name,
                {"status": status},
                _request_timeout=_TIMEOUT_S,
            )
        except ApiException as error:
            if error.status != _NOT_FOUND:
                raise

    def event(self, worker: Raw, kind: str, reason: str, message: str, now: str) -> None:
        """Record an Event on a worker: kind is Normal or Warning."""
        metadata = worker["metadata"]
        involved = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        }
        event = {
            "metadata": {"generateName": f"{metadata['name']}-"},
            "involvedObject": involved,
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": "numalocal-operator"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        self._core.create_namespaced_event(
            metadata["namespace"], event, _request_timeout=_TIMEOUT_S
        )

    def _pod(self, namespace: str, name: str) -> Raw | None:
        try:
            answer = self._core.read_namespaced_pod(
                name, namespace, _request_timeout=_TIMEOUT_S, _preload_content=False
            )
        except ApiException as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        return dict(json.loads(answer.data))
