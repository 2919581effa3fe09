"""An API server of a few paths on loopback: what the operator calls, with its real refusals.

Objects are plain mappings by path.  It knows uids, versions, label selectors, pages, names that
are taken, merge patches of a status and preconditions of a deletion; all else is 404.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from . import kstatus

Raw = dict[str, Any]

WORKERS = "/apis/numalocal.io/v1alpha1/namespaces/serving/cpuinferenceworkers"
PODS = "/api/v1/namespaces/serving/pods"
EVENTS = "/api/v1/namespaces/serving/events"
SERVICES = "/api/v1/namespaces/serving/services"
BUDGETS = "/apis/policy/v1/namespaces/serving/poddisruptionbudgets"
REVISIONS = "/apis/apps/v1/namespaces/serving/controllerrevisions"
SECRETS = "/api/v1/namespaces/serving/secrets"
NODES = "/api/v1/nodes"
TOPOLOGIES = "/apis/numalocal.io/v1alpha1/nodecputopologies"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/system/leases"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


@dataclass
class FakeApi:
    """What the server holds, what it was asked, and what it refuses."""

    objects: dict[str, Raw] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of every call, in order."""
    refusals: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    """Status and message for a method and path."""
    callers: set[str] = field(default_factory=set)
    """User agents of the calls."""
    accepted: set[str] = field(default_factory=set)
    """Kinds of answers that were asked for."""
    url: str = ""
    versioned: bool = False
    """Whether objects have a resourceVersion; without one, each counts as newer than the last."""
    faults: list[AssertionError] = field(default_factory=list)
    """What the operator may not ask for, and did: its own tests would take it for a lost answer."""
    version: int = 100
    history: list[tuple[str, Raw]] = field(default_factory=list)
    """What a watch would tell, type and object, where objects have versions."""
    loses: Callable[[], bool] = lambda: False
    """Whether an answer is lost on its way, after what was asked took place."""
    admission: Callable[[Raw], object] = lambda _: None
    """What changes an object before it is made."""
    _uids: int = 0

    def put(self, collection: str, raw: Mapping[str, Any]) -> str:
        """Hold an object; give its path."""
        path = f"{collection}/{raw['metadata']['name']}"
        self.objects[path] = json.loads(json.dumps(raw))
        self.changed(path)
        return path

    def changed(self, path: str) -> Raw:
        """Give an object its next version, where it has any."""
        self.version += 1
        found = self.objects[path]
        if self.versioned:
            new = "resourceVersion" not in found["metadata"]
            found["metadata"]["resourceVersion"] = str(self.version)
            self._tell("ADDED" if new else "MODIFIED", found)
        return found

    def remove(self, path: str) -> Raw:
        """Let an object be gone, with a version of its own."""
        found = self.changed(path)
        del self.objects[path]
        if self.versioned:
            self.history[-1] = "DELETED", self.history[-1][1]
        return found

    def _tell(self, kind: str, raw: Raw) -> None:
        self.history.append((kind, json.loads(json.dumps(raw))))

    def names(self, collection: str) -> list[str]:
        """Name the objects of a collection."""
        return [path.rpartition("/")[2] for path in self._paths(collection)]

    def writes(self) -> list[tuple[str, str]]:
        """Give the calls that change something."""
        return [one for one in self.requests if one[0] != "GET"]

    def answer(self, method: str, url: str, body: Any) -> tuple[int, Raw]:
        """Answer a request: status and object."""
        parts = urlsplit(url)
        self.requests.append((method, parts.path))
        refused = self.refusals.get((method, parts.path))
        return _status(*refused) if refused else self._answer(method, parts, body)

    def _answer(self, method: str, parts: SplitResult, body: Any) -> tuple[int, Raw]:
        path = parts.path.removesuffix("/status") if method == "PATCH" else parts.path
        match method:
            case "POST":
                return self._create(path, body)
            case "GET" if path not in self.objects and not _names_an_object(path):
                return self._list(path, parse_qs(parts.query))
            case _ if path not in self.objects:
                return _status(404, f"{path} not found")
            case "GET":
                return 200, self.objects[path]
            case _:
                return self._change(method, parts.path, body or {})

    def _change(self, method: str, path: str, body: Raw) -> tuple[int, Raw]:
        match method:
            case "PATCH":
                return self._patch(path, body)
            case "PUT":
                return self._replace(path, body)
            case _:
                return self._delete(path, body)

    def _paths(self, collection: str) -> list[str]:
        return [path for path in self.objects if path.rpartition("/")[0] == collection]

    def _list(self, collection: str, query: Mapping[str, list[str]]) -> tuple[int, Raw]:
        """Give as many as are asked for, and where the next page begins."""
        found = [self.objects[path] for path in self._within(collection)]
        for term in filter(None, query.get("labelSelector", [""])[0].split(",")):
            found = [one for one in found if _selected(one, term)]
        start = int(query.get("continue", ["0"])[0])
        end = start + int(query.get("limit", ["1000000"])[0])
        rest = {"continue": str(end)} if len(found) > end else {}
        return 200, {"items": found[start:end] or None, "metadata": rest}

    def _within(self, collection: str) -> list[str]:
        """Give the paths of a collection, of one namespace or of all."""
        if "/namespaces/" in collection or collection in (TOPOLOGIES, NODES):
            return self._paths(collection)
        group, _, kind = collection.rpartition("/")
        return [
            path
            for path in self.objects
            if path.startswith(f"{group}/namespaces/") and path.split("/")[-2] == kind
        ]

    def _create(self, collection: str, body: Raw) -> tuple[int, Raw]:
        self._uids += 1
        metadata = body["metadata"]
        if "generateName" in metadata:
            metadata["name"] = f"{metadata['generateName']}{self._uids}"
        self.admission(body)
        if f"{collection}/{metadata['name']}" in self.objects:
            return _status(409, f"{metadata['name']} already exists", "AlreadyExists")
        metadata["uid"] = f"made-{self._uids}"
        return 201, self.objects[self.put(collection, body)]

    def _patch(self, path: str, body: Raw) -> tuple[int, Raw]:
        found = self.objects[path.removesuffix("/status")]
        if path.startswith(PODS) and "metadata" in body:
            return self._own(path, body["metadata"])
        if path.startswith(CONFIGURATIONS):
            _merge(found["webhooks"], body["webhooks"], "name")
            return 200, found
        if path.startswith((SERVICES, BUDGETS)):
            return self._merge_into(path, body)
        assert path.endswith("/status"), "only the status is the operator's to write"
        status = found.setdefault("status", {})
        if path.startswith(PODS):  # a strategic merge, as the API server does for its own kinds
            _merge(status.setdefault("conditions", []), body["status"]["conditions"], "type")
        else:
            status.update(body["status"])
            if "conditions" in status:
                # What the operator has not heard of yet cannot be in it.
                kstatus.hold(status, status["observedGeneration"])
        return 200, self.changed(path.removesuffix("/status"))

    def _merge_into(self, path: str, body: Raw) -> tuple[int, Raw]:
        """Merge as RFC 7386 says it; a uid and a version of the object's must be its."""
        found = self.objects[path]["metadata"]
        given = body["metadata"]
        same = given["uid"] == found["uid"]
        if not same or given.get("resourceVersion", "") not in ("", found.get("resourceVersion")):
            return _status(409, "the object has been modified")
        self.objects[path] = _merged(self.objects[path], body)
        return 200, self.changed(path)

    def _own(self, path: str, given: Raw) -> tuple[int, Raw]:
        """Merge owners by their uid, as a strategic merge does; a uid of the pod's must be its."""
        found = self.objects[path]["metadata"]
        assert set(given) <= {"uid", "ownerReferences", "labels"}, "all else is the users'"
        if given["uid"] != found["uid"]:
            return _status(409, "the UID in the precondition does not match")
        found["labels"] = {**found.get("labels", {}), **given.get("labels", {})}
        for one in given.get("ownerReferences", ()):
            before = found.get("ownerReferences", [])
            owners = [other for other in before if other["uid"] != one["uid"]]
            found["ownerReferences"] = owners if one.get("$patch") == "delete" else [*owners, one]
        return 200, self.changed(path)

    def _replace(self, path: str, body: Raw) -> tuple[int, Raw]:
        version = self.objects[path]["metadata"].get("resourceVersion")
        if body["metadata"].get("resourceVersion") != version:
            return _status(409, "the object has been modified")
        self._uids += 1
        body["metadata"]["resourceVersion"] = f"v{self._uids}"
        self.objects[path] = body
        return 200, body

    def _delete(self, path: str, options: Raw) -> tuple[int, Raw]:
        wanted = options.get("preconditions", {}).get("uid")
        if wanted not in (None, self.objects[path]["metadata"]["uid"]):
            return _status(409, "the UID in the precondition does not match")
        metadata = self.objects[path]["metadata"]
        version = options.get("preconditions", {}).get("resourceVersion")
        if version not in (None, metadata.get("resourceVersion")):
            return _status(409, "the ResourceVersion in the precondition does not match")
        at_once = options.get("gracePeriodSeconds") == 0 or path.startswith(REVISIONS)
        at_once |= path.startswith(PODS) and _never_ran(self.objects[path])
        metadata["deletionTimestamp"] = "2026-01-02T03:04:35Z"
        if path.startswith((SERVICES, BUDGETS)):
            if metadata.get("finalizers"):
                return 200, self.changed(path)
            self.remove(path)
            return 200, {"kind": "Status", "status": "Success"}
        metadata["deletionGracePeriodSeconds"] = 0 if at_once else 30
        return 200, self.remove(path) if at_once else self.changed(path)


def _never_ran(pod: Raw) -> bool:
    """Tell of a pod without a node, which the API server gives no time to end."""
    return not (pod["spec"].get("nodeName") or pod.get("status"))


def _names_an_object(path: str) -> bool:
    """Tell the path of an object that is not there from that of a collection."""
    kinds = (PODS, WORKERS, REVISIONS, SERVICES, BUDGETS, TOPOLOGIES, LEASES)
    return path.startswith(tuple(f"{kind}/" for kind in kinds)) or path[-1].isdigit()


def _merged(raw: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    found = dict(raw) if isinstance(raw, dict) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = _merged(found.get(name), value)
    return found


def _selected(raw: Raw, term: str) -> bool:
    """Tell whether an object's labels fit one term of a selector."""
    labels = raw["metadata"].get("labels", {})
    if "!=" in term:
        key, value = term.split("!=")
        return bool(labels.get(key) != value)
    key, equals, value = term.partition("=")
    return key in labels and (not equals or labels[key] == value)


def _merge(found: list[Raw], given: list[Raw], key: str) -> None:
    """Merge a list by its key: what is there is changed, what is not is added."""
    for one in given:
        same = next((other for other in found if other[key] == one[key]), None)
        if same is None:
            found.append(one)
            continue
        for field_name, value in one.items():
            if isinstance(value, dict):
                same[field_name] = {**same.get(field_name, {}), **value}
            else:
                same[field_name] = value


def _status(code: int, message: str, reason: str = "") -> tuple[int, Raw]:
    return code, {"kind": "Status", "code": code, "message": message, "reason": reason}


@contextmanager
def serving() -> Iterator[FakeApi]:
    """Serve a fake on a free port of loopback."""
    api = FakeApi()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            api.callers.add(self.headers["User-Agent"])
            api.accepted.add(self.headers["Accept"])
            try:
                code, raw = api.answer(self.command, self.path, body)
            except AssertionError as fault:
                api.faults.append(fault)
                raise
            if api.loses():
                self.close_connection = True
                return
            data = json.dumps(raw).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 # the library's names

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 # as above
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        api.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield api
        server.shutdown()
        thread.join()
        assert not api.faults
