"""The only calls of the Kubernetes API; everything in and out is plain mappings."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kubernetes.client.exceptions import ApiException

from numalocal import names
from numalocal.worker.inject import Manifest
from numalocal_operator.api.answers import (
    CONFLICT,
    NOT_FOUND,
    TROUBLE,
    Contended,
    NameTaken,
    Refused,
    reason,
    sentence,
)
from numalocal_operator.api.calls import Calls
from numalocal_operator.api.connection import JSON, STRATEGIC
from numalocal_operator.observing.companions import BUDGET, SERVICE

GROUP: Final = names.DOMAIN
VERSION: Final = "v1alpha1"
PLURAL: Final = "cpuinferenceworkers"
PODS: Final = "pods"
NODES: Final = "nodes"
SELECTOR: Final = f"{names.LABEL_BOUND}=true"
"""Of the pods that are ours to look at: a label is all by which a server filters a watch."""
COMPANIONS: Final = {SERVICE: "services", BUDGET: "poddisruptionbudgets"}
"""Of their kinds, the names in paths; those that have `names.LABEL_WORKER` are workers'."""

_REFUSALS: Final = (400, 403, 422)
"""Statuses of a manifest that the API server will refuse again as it stands."""
_NODE_PAGE: Final = 100
"""Nodes in one answer: what a large one tells is 100 KB."""
_PAGE: Final = 500
"""Other objects, or what names them, in one answer."""
_NAMING: Final = ("namespace", "name", "uid", "resourceVersion")

_MERGE: Final = "application/merge-patch+json"
_METADATA: Final = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_UNREAD: Final = f"{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""Asks for an answer that is short, as nobody reads it."""

_PREFIX: Final = {
    PODS: "/api/v1",
    NODES: "/api/v1",
    PLURAL: f"/apis/{GROUP}/{VERSION}",
    COMPANIONS[SERVICE]: "/api/v1",
    COMPANIONS[BUDGET]: "/apis/policy/v1",
}
_REVISIONS: Final = "controllerrevisions"

_log = logging.getLogger(__name__)

Raw = Mapping[str, Any]


class Cluster(Calls):
    """Reads and writes of one API server; every call ends within `timeout_s`.

    Calls raise the client's ApiException but for what a level-triggered loop expects: an object
    that is already gone, or already there.
    """

    def workers(self, namespace: str) -> Iterator[Raw]:
        """List all workers; an empty namespace means all."""
        return self._pages(_path(PLURAL, namespace), limit=_PAGE)

    def pods(self, namespace: str) -> Iterator[Raw]:
        """List all pods that are ours to look at; an empty namespace means all."""
        path = _path(PODS, namespace)
        return self._pages(path, limit=_PAGE, labelSelector=SELECTOR)

    def topologies(self) -> Iterator[Raw]:
        """List the NodeCpuTopology of all nodes; none where there is no such kind."""
        return self._without_crd(self._pages(_path(names.TOPOLOGIES), limit=_NODE_PAGE))

    def nodes(self) -> Iterator[Raw]:
        """List all nodes."""
        return self._pages(_path(NODES), limit=_NODE_PAGE)

    def metadata(self, plural: str, namespace: str = "", selector: str = "") -> Iterator[Raw]:
        """List what names all objects of a kind, whatever their size.

        Most of their metadata tells who wrote which field: thousands would be too large.
        """
        query = {"labelSelector": selector} if selector else {}
        path = _path(plural, namespace)
        found = self._pages(path, accept=_METADATA, limit=_PAGE, **query)
        for one in self._without_crd(found):
            metadata = one["metadata"]
            yield {field: metadata[field] for field in _NAMING if field in metadata}

    def _without_crd(self, found: Iterator[Raw]) -> Iterator[Raw]:
        try:
            yield from found
        except ApiException as error:
            if error.status != NOT_FOUND:
                raise
            crd = f"{names.TOPOLOGIES}.{GROUP}"
            _log.error("no node is heard: install the CRD", extra={"crd": crd})

    def worker(self, namespace: str, name: str) -> Raw | None:
        """Read a worker; None where it is gone."""
        return self._get(_path(PLURAL, namespace, name))

    def pod(self, namespace: str, name: str) -> Raw | None:
        """Read a pod; None where there is none."""
        return self._get(_path(PODS, namespace, name))

    def topology(self, name: str) -> Raw | None:
        """Read what a node tells; None where it tells nothing."""
        return self._get(_path(names.TOPOLOGIES, "", name))

    def create_pod(self, manifest: Manifest) -> Raw:
        """Create a pod; give it as it is.

        Raises:
            NameTaken: where there is one of that name.
            Contended: where the same call may do in a moment.
            Refused: with the API server's sentence.
        """
        return self._create(PODS, manifest)

    def try_pod(self, manifest: Raw) -> Raw:
        """Create a pod as a dry run; give what it would be after all admission."""
        path = _path(PODS, manifest["metadata"]["namespace"])
        return self._call("POST", path, manifest, query={"dryRun": "All"})

    def delete_pod(
        self,
        namespace: str,
        name: str,
        uid: str,
        *,
        terminal: bool = False,
        version: int | None = None,
    ) -> Raw | None:
        """Delete this very pod, a terminal one at once; give it as it ends, None where it has.

        Where a version is given it is only deleted as it was then.

        Raises:
            Contended: where it has changed since.
        """
        options: dict[str, Any] = {"preconditions": {"uid": uid}}
        if version is not None:
            options["preconditions"]["resourceVersion"] = str(version)
        if terminal:
            options["gracePeriodSeconds"] = 0
        path = _path(PODS, namespace, name)
        try:
            found = self._if_same("DELETE", path, uid, options)
        except ApiException as error:
            if version is not None and error.status == CONFLICT:
                raise Contended(name) from error
            raise
        metadata = found.get("metadata") or {} if found else {}
        # The API server removes what has no grace, and gives what it was.
        ends = metadata.get("deletionGracePeriodSeconds") or metadata.get("finalizers")
        return found if ends else None

    def own_pod(self, namespace: str, name: str, uid: str, owner: Raw) -> Raw | None:
        """Merge an owner into those of this very pod; give it, None where it is gone."""
        patch = {"metadata": {"uid": uid, "ownerReferences": [dict(owner)]}}
        return self._if_same("PATCH", _path(PODS, namespace, name), uid, patch)

    def mark_pod(self, namespace: str, name: str, uid: str) -> None:
        """Give this very pod the label by which we see it."""
        patch = {"metadata": {"uid": uid, "labels": {names.LABEL_BOUND: "true"}}}
        self._if_same("PATCH", _path(PODS, namespace, name), uid, patch)

    def patch_status(self, namespace: str, name: str, status: Raw) -> Raw | None:
        """Merge fields into a worker's status; give the worker, None where it is gone."""
        path = f"{_path(PLURAL, namespace, name)}/status"
        return self._if_there("PATCH", path, {"status": status}, kind=_MERGE)

    def tell_pod(self, metadata: Raw, condition: Mapping[str, str]) -> None:
        """Put a condition of ours beside a pod's others; nothing where the pod is gone."""
        path = f"{_path(PODS, metadata['namespace'], metadata['name'])}/status"
        patch = {"status": {"conditions": [dict(condition)]}}
        self._if_there("PATCH", path, patch, kind=STRATEGIC)

    def create_revision(self, revision: Manifest) -> None:
        """Create a ControllerRevision; one of that name, which tells by its hash, is as good."""
        try:
            path = _revision(revision["metadata"]["namespace"])
            self._call("POST", path, revision, accept=_UNREAD)
        except ApiException as error:
            if reason(error) != "AlreadyExists":
                raise

    def revision(self, namespace: str, name: str) -> Raw | None:
        """Read a ControllerRevision; None where there is none."""
        return self._get(_revision(namespace, name))

    def delete_revision(self, namespace: str, name: str, uid: str) -> None:
        """Delete this very ControllerRevision."""
        options = {"preconditions": {"uid": uid}}
        self._if_same("DELETE", _revision(namespace, name), uid, options)

    def companions(self, kind: str, namespace: str) -> Iterator[Raw]:
        """List the workers' objects of a kind; an empty namespace means all."""
        path = _path(COMPANIONS[kind], namespace)
        return self._pages(path, limit=_PAGE, labelSelector=names.LABEL_WORKER)

    def companion(self, kind: str, namespace: str, name: str) -> Raw | None:
        """Read one; None where there is none."""
        return self._get(_path(COMPANIONS[kind], namespace, name))

    def create_companion(self, manifest: Manifest) -> Raw:
        """Create one; raise as `create_pod` does."""
        return self._create(COMPANIONS[manifest["kind"]], manifest)

    def change_companion(self, kind: str, namespace: str, name: str, patch: Raw) -> Raw | None:
        """Merge a patch that names its uid; give the object, None where it is gone or another."""
        return self._if_there("PATCH", _path(COMPANIONS[kind], namespace, name), patch, kind=_MERGE)

    def remove_companion(self, kind: str, namespace: str, name: str, uid: str) -> Raw | None:
        """Delete this very one; give it as it goes, None where it has."""
        options = {"preconditions": {"uid": uid}}
        found = self._if_there("DELETE", _path(COMPANIONS[kind], namespace, name), options)
        return found if found and "deletionTimestamp" in (found.get("metadata") or {}) else None

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
            path = f"/api/v1/namespaces/{metadata['namespace']}/events"
            self._call("POST", path, event, accept=_UNREAD)
        except TROUBLE as error:
            _log.warning("event lost", extra={"reason": reason, "err": sentence(error)})

    def _create(self, plural: str, manifest: Manifest) -> Raw:
        metadata = manifest["metadata"]
        try:
            return self._call("POST", _path(plural, metadata["namespace"]), manifest)
        except ApiException as error:
            if error.status == CONFLICT:
                taken = reason(error) == "AlreadyExists"
                raise (NameTaken if taken else Contended)(metadata["name"]) from error
            if error.status in _REFUSALS:
                raise Refused(sentence(error)) from error
            raise


def _path(plural: str, namespace: str = "", name: str = "") -> str:
    prefix = _PREFIX.get(plural, f"/apis/{GROUP}/{VERSION}")
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"{prefix}{within}/{plural}" + (f"/{name}" if name else "")


def _revision(namespace: str, name: str = "") -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/{_REVISIONS}" + (f"/{name}" if name else "")
