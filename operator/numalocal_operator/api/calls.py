"""Calls for any object by its path: pages of lists, and what may be gone already."""

from collections.abc import Iterator, Mapping
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from numalocal_operator.api.answers import CONFLICT, NOT_FOUND
from numalocal_operator.api.connection import JSON, STRATEGIC, TIMEOUT_S, Connection, connect

Raw = Mapping[str, Any]


class Calls:
    """Calls of one API server, each of which ends within `timeout_s`."""

    def __init__(self, api: client.ApiClient | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._connection = Connection(api or connect())

    def _pages(self, path: str, *, accept: str = JSON, limit: int, **query: str) -> Iterator[Raw]:
        following: dict[str, str] = {}
        while True:
            page = {**query, "limit": str(limit), **following}
            found = self._call("GET", path, accept=accept, query=page)
            yield from found.get("items") or ()  # an empty list of metadata has null
            following = {"continue": (found.get("metadata") or {}).get("continue") or ""}
            if not following["continue"]:
                return

    def _get(self, path: str) -> Raw | None:
        return self._if_there("GET", path)

    def _if_there(
        self, method: str, path: str, body: Raw | None = None, *, kind: str = JSON
    ) -> Raw | None:
        """Call; None where the object is gone."""
        try:
            return self._call(method, path, body, kind=kind)
        except ApiException as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def _if_same(self, method: str, path: str, uid: str, body: Raw) -> Raw | None:
        """Call for an object of a uid; None where it is gone, though another may have its name.

        That is a conflict, but not each conflict is that.
        """
        try:
            kind = STRATEGIC if method == "PATCH" else JSON
            return self._if_there(method, path, body, kind=kind)
        except ApiException as error:
            if error.status == CONFLICT:
                found = self._get(path)
                if found is None or found["metadata"]["uid"] != uid:
                    return None
            raise

    def _call(
        self,
        method: str,
        path: str,
        body: Raw | None = None,
        *,
        kind: str = JSON,
        accept: str = JSON,
        query: Mapping[str, str] | None = None,
    ) -> Raw:
        return self._connection.call(
            method,
            path,
            body,
            kind=kind,
            accept=accept,
            query=query,
            timeout_s=self._timeout_s,
        )
