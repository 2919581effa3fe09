"""The only calls of the Kubernetes API; everything in and out is plain mappings."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from numalocal import names
from numalocal.errors import NumalocalError
from numalocal.worker.inject import Manifest

GROUP: Final = names.DOMAIN
VERSION: Final = "v1alpha1"
PLURAL: Final = "cpuinferenceworkers"

TROUBLE: Final = (ApiException, HTTPError, OSError)
"""Kinds of errors that a network and a busy API server bring."""

_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_REFUSALS: Final = (400, 403, 422)
"""Statuses of a manifest that the API server will refuse again as it stands."""
_LASTING: Final = (400, 401, 403, 404, 405, 413, 422)
"""Statuses of a call that is wrong, or not allowed; others come of the moment."""
_TIMEOUT_S: Final = 20
_PAGE: Final = 100
"""Nodes in one answer: what a large one tells is 100 KB."""

_log = logging.getLogger(__name__)

Raw = Mapping[str, Any]


class PodRefused(NumalocalError):
    """The API server refuses a pod for what it is: malformed, over a quota, against a policy."""


class Cluster:
    """Reads and writes of one API server; every call ends within 20 s.

    Calls raise the client's ApiException but for what a level-triggered loop expects: an object
    that is already gone, or already there.
    """

    def __init__(self, api: client.ApiClient | None = None) -> None:
        api = api or client.ApiClient()
        # The API server's audit log and every object's managedFields name the writer by this.
        api.user_agent = "numalocal-operator"
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
        others = (self.pod(namespace, name) for name in wanted if name not in known)
        return [*found, *(one for one in others if one is not None)]

    def topologies(self) -> Iterator[Raw]:
        """List the NodeCpuTopology of all nodes; none where there is no such kind."""
        following = ""
        while True:
            try:
                found = self._custom.list_cluster_custom_object(
                    GROUP,
                    VERSION,
                    names.TOPOLOGIES,
                    limit=_PAGE,
                    _continue=following,
                    _request_timeout=_TIMEOUT_S,
                )
            except ApiException as error:
                if error.status == _NOT_FOUND:
                    crd = f"{names.TOPOLOGIES}.{GROUP}"
                    _log.error("no node is heard: install the CRD", extra={"crd": crd})
                    return
                raise
            yield from found["items"]
            following = found.get("metadata", {}).get("continue") or ""
            if not following:
                return

    def create_pod(self, manifest: Manifest) -> bool:
        """Create a pod; False where the name is taken.

        Raises:
            PodRefused: with the API server's sentence.
        """
        try:
            self._core.create_namespaced_pod(
                manifest["metadata"]["namespace"],
                manifest,
                _request_timeout=_TIMEOUT_S,
                _preload_content=False,
            )
        except ApiException as error:
            if error.status == _CONFLICT:
                return False
            if error.status in _REFUSALS:
                raise PodRefused(sentence(error)) from error
            raise
        return True

    def try_pod(self, manifest: Raw) -> Raw:
        """Create a pod as a dry run; give what it would be after all admission."""
        answer = self._core.create_namespaced_pod(
            manifest["metadata"]["namespace"],
            manifest,
            dry_run="All",
            _request_timeout=_TIMEOUT_S,
            _preload_content=False,
        )
        found: Raw = json.loads(answer.data)
        return found

    def delete_pod(self, namespace: str, name: str, uid: str, *, terminal: bool = False) -> None:
        """Delete this very pod; a terminal one at once, as nothing of it runs any more."""
        options: dict[str, Any] = {"preconditions": {"uid": uid}}
        if terminal:
            options["gracePeriodSeconds"] = 0
        try:
            self._core.delete_namespaced_pod(
                name, namespace, body=options, _request_timeout=_TIMEOUT_S, _preload_content=False
            )
        except ApiException as error:
            # A conflict: the name has passed to another pod, so this one is gone as well.
            if error.status not in (_NOT_FOUND, _CONFLICT):
                raise

    def own_pod(self, namespace: str, name: str, uid: str, owner: Raw) -> None:
        """Merge an owner into those of this very pod; nothing where it is gone."""
        metadata = {"uid": uid, "ownerReferences": [dict(owner)]}
        try:
            self._core.patch_namespaced_pod(
                name,
                namespace,
                {"metadata": metadata},
                _request_timeout=_TIMEOUT_S,
                _preload_content=False,
            )
        except ApiException as error:
            # A conflict: the name has passed to another pod.
            if error.status not in (_NOT_FOUND, _CONFLICT):
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

    def tell_pod(self, metadata: Raw, condition: Mapping[str, str]) -> None:
        """Put a condition of ours beside a pod's others; nothing where the pod is gone."""
        try:
            self._core.patch_namespaced_pod_status(
                metadata["name"],
                metadata["namespace"],
                {"status": {"conditions": [dict(condition)]}},
                _request_timeout=_TIMEOUT_S,
                _preload_content=False,
            )
        except ApiException as error:
            if error.status != _NOT_FOUND:
                raise

    def event(self, involved: Raw, kind: str, reason: str, message: str, now: str) -> None:
        """Record an Event on a worker or a pod: kind is Normal or Warning.

        It is news for people, not state: one that cannot be written is lost, with a log line.
        """
        metadata = involved["metadata"]
        reference = {
            "apiVersion": involved.get("apiVersion", f"{GROUP}/{VERSION}"),
            "kind": involved.get("kind", names.KIND),
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        }
        event = {
            "metadata": {"generateName": f"{metadata['name']}-"},
            "involvedObject": reference,
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": "numalocal-operator"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            self._core.create_namespaced_event(
                metadata["namespace"], event, _request_timeout=_TIMEOUT_S, _preload_content=False
            )
        except ApiException as error:
            _log.warning("event lost", extra={"reason": reason, "err": sentence(error)})

    def pod(self, namespace: str, name: str) -> Raw | None:
        """Read a pod; None where there is none."""
        try:
            answer = self._core.read_namespaced_pod(
                name, namespace, _request_timeout=_TIMEOUT_S, _preload_content=False
            )
        except ApiException as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        return dict(json.loads(answer.data))


def sentence(error: Exception) -> str:
    """Give the message of the Status object that the API server answers with, or what there is."""
    if not isinstance(error, ApiException):
        return f"{type(error).__name__}: the API server cannot be reached"
    try:
        return str(json.loads(error.body or "")["message"])
    except (ValueError, TypeError, KeyError):
        return f"{error.status} {error.reason}"


def is_lasting(error: Exception) -> bool:
    """Tell whether the API server has understood a call and will refuse it again as it stands."""
    status = error.status if isinstance(error, ApiException) else None
    return status in _LASTING
