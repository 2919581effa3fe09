"""The calls for single objects; everything in and out is plain mappings."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from kubernetes.client.exceptions import ApiException

from numalocal import names
from numalocal.worker.inject import Manifest
from numalocal_operator.api.answers import (
    CONFLICT,
    TROUBLE,
    Contended,
    NameTaken,
    Refused,
    reason,
    sentence,
)
from numalocal_operator.api.connection import JSON, STRATEGIC
from numalocal_operator.api.lists import Lists
from numalocal_operator.api.paths import (
    COMPANIONS,
    EVENTS,
    GROUP,
    PLURAL,
    PODS,
    REVISIONS,
    VERSION,
    path,
)

_REFUSALS: Final = (400, 403, 422)
"""Statuses of a manifest that the API server will refuse again as it stands."""
_MERGE: Final = "application/merge-patch+json"
_UNREAD: Final = f"{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""Asks for an answer that is short, as nobody reads it."""

_log = logging.getLogger(__name__)

Raw = Mapping[str, Any]


class Cluster(Lists):
    """Reads and writes of one API server; every call ends within `timeout_s`.

    Calls raise the client's ApiException but for what a level-triggered loop expects: an object
    that is already gone, or already there.
    """

    def worker(self, namespace: str, name: str) -> Raw | None:
        """Read a worker; None where it is gone."""
        return self._get(path(PLURAL, namespace, name))

    def pod(self, namespace: str, name: str) -> Raw | None:
        """Read a pod; None where there is none."""
        return self._get(path(PODS, namespace, name))

    def topology(self, name: str) -> Raw | None:
        """Read what a node tells; None where it tells nothing."""
        return self._get(path(names.TOPOLOGIES, "", name))

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
        pods = path(PODS, manifest["metadata"]["namespace"])
        return self._call("POST", pods, manifest, query={"dryRun": "All"})

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
        try:
            found = self._if_same("DELETE", path(PODS, namespace, name), uid, options)
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
        return self._if_same("PATCH", path(PODS, namespace, name), uid, patch)

    def mark_pod(self, namespace: str, name: str, uid: str) -> None:
        """Give this very pod the label by which we see it."""
        patch = {"metadata": {"uid": uid, "labels": {names.LABEL_BOUND: "true"}}}
        self._if_same("PATCH", path(PODS, namespace, name), uid, patch)

    def patch_status(self, namespace: str, name: str, status: Raw) -> Raw | None:
        """Merge fields into a worker's status; give the worker, None where it is gone."""
        at = f"{path(PLURAL, namespace, name)}/status"
        return self._if_there("PATCH", at, {"status": status}, kind=_MERGE)

    def tell_pod(self, metadata: Raw, condition: Mapping[str, str]) -> None:
        """Put a condition of ours beside a pod's others; nothing where the pod is gone."""
        at = f"{path(PODS, metadata['namespace'], metadata['name'])}/status"
        patch = {"status": {"conditions": [dict(condition)]}}
        self._if_there("PATCH", at, patch, kind=STRATEGIC)

    def create_revision(self, revision: Manifest) -> None:
        """Create a ControllerRevision; one of that name, which tells by its hash, is as good."""
        try:
            revisions = path(REVISIONS, revision["metadata"]["namespace"])
            self._call("POST", revisions, revision, accept=_UNREAD)
        except ApiException as error:
            if reason(error) != "AlreadyExists":
                raise

    def revision(self, namespace: str, name: str) -> Raw | None:
        """Read a ControllerRevision; None where there is none."""
        return self._get(path(REVISIONS, namespace, name))

    def delete_revision(self, namespace: str, name: str, uid: str) -> None:
        """Delete this very ControllerRevision."""
        options = {"preconditions": {"uid": uid}}
        self._if_same("DELETE", path(REVISIONS, namespace, name), uid, options)

    def companion(self, kind: str, namespace: str, name: str) -> Raw | None:
        """Read one; None where there is none."""
        return self._get(path(COMPANIONS[kind], namespace, name))

    def create_companion(self, manifest: Manifest) -> Raw:
        """Create one; raise as `create_pod` does."""
        return self._create(COMPANIONS[manifest["kind"]], manifest)

    def change_companion(self, kind: str, namespace: str, name: str, patch: Raw) -> Raw | None:
        """Merge a patch that names its uid; give the object, None where it is gone or another."""
        return self._if_there("PATCH", path(COMPANIONS[kind], namespace, name), patch, kind=_MERGE)

    def remove_companion(self, kind: str, namespace: str, name: str, uid: str) -> Raw | None:
        """Delete this very one; give it as it goes, None where it has."""
        options = {"preconditions": {"uid": uid}}
        found = self._if_there("DELETE", path(COMPANIONS[kind], namespace, name), options)
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
            self._call("POST", path(EVENTS, metadata["namespace"]), event, accept=_UNREAD)
        except TROUBLE as error:
            _log.warning("event lost", extra={"reason": reason, "err": sentence(error)})

    def _create(self, plural: str, manifest: Manifest) -> Raw:
        metadata = manifest["metadata"]
        try:
            return self._call("POST", path(plural, metadata["namespace"]), manifest)
        except ApiException as error:
            if error.status == CONFLICT:
                taken = reason(error) == "AlreadyExists"
                raise (NameTaken if taken else Contended)(metadata["name"]) from error
            if error.status in _REFUSALS:
                raise Refused(sentence(error)) from error
            raise
