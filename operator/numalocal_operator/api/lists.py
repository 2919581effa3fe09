"""Lists of objects, page by page."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kubernetes.client.exceptions import ApiException

from numalocal import names
from numalocal_operator.api.answers import NOT_FOUND
from numalocal_operator.api.calls import Calls
from numalocal_operator.api.connection import JSON
from numalocal_operator.api.paths import COMPANIONS, GROUP, NODES, PLURAL, PODS, SELECTOR, path

_NODE_PAGE: Final = 100
"""Nodes in one answer: what a large one tells is 100 KB."""
_PAGE: Final = 500
"""Other objects, or what names them, in one answer."""
_NAMING: Final = ("namespace", "name", "uid", "resourceVersion")
_METADATA: Final = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

_log = logging.getLogger(__name__)

Raw = Mapping[str, Any]


class Lists(Calls):
    """What there is of each kind."""

    def workers(self, namespace: str) -> Iterator[Raw]:
        """List all workers; an empty namespace means all."""
        return self._pages(path(PLURAL, namespace), limit=_PAGE)

    def pods(self, namespace: str) -> Iterator[Raw]:
        """List all pods that are ours to look at; an empty namespace means all."""
        return self._pages(path(PODS, namespace), limit=_PAGE, labelSelector=SELECTOR)

    def topologies(self) -> Iterator[Raw]:
        """List the NodeCpuTopology of all nodes; none where there is no such kind."""
        return self._without_crd(self._pages(path(names.TOPOLOGIES), limit=_NODE_PAGE))

    def nodes(self) -> Iterator[Raw]:
        """List all nodes."""
        return self._pages(path(NODES), limit=_NODE_PAGE)

    def metadata(self, plural: str, namespace: str = "", selector: str = "") -> Iterator[Raw]:
        """List what names all objects of a kind, whatever their size.

        Most of their metadata tells who wrote which field: thousands would be too large.
        """
        query = {"labelSelector": selector} if selector else {}
        found = self._pages(path(plural, namespace), accept=_METADATA, limit=_PAGE, **query)
        for one in self._without_crd(found):
            metadata = one["metadata"]
            yield {field: metadata[field] for field in _NAMING if field in metadata}

    def companions(self, kind: str, namespace: str) -> Iterator[Raw]:
        """List the workers' objects of a kind; an empty namespace means all."""
        all_ = path(COMPANIONS[kind], namespace)
        return self._pages(all_, limit=_PAGE, labelSelector=names.LABEL_WORKER)

    def _without_crd(self, found: Iterator[Raw]) -> Iterator[Raw]:
        try:
            yield from found
        except ApiException as error:
            if error.status != NOT_FOUND:
                raise
            crd = f"{names.TOPOLOGIES}.{GROUP}"
            _log.error("no node is heard: install the CRD", extra={"crd": crd})
