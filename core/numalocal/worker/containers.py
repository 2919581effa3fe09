"""Containers of a pod template: the raw mapping in, a Container with what we read of it out."""

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from numalocal import names
from numalocal.fields import Fields
from numalocal.quantity import parse_bytes, parse_quantity
from numalocal.worker import lengths


class Variable(NamedTuple):
    """One entry of `env`; the value is None where only the cluster knows it (`valueFrom`)."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What we read of a container; all else of it goes to the API server as it stands.

    `path` is where it is in the document, for messages.  `env` is in the document's order, in which
    `$(NAME)` expands; `env_from` tells that the cluster adds more.  Amounts are None where none is
    given.  `mounts` are paths in the container.  `sidecar` tells an init container that runs on
    beside the others.
    """

    name: str
    path: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: tuple[Variable, ...]
    env_from: bool
    memory_request_bytes: int | None
    memory_limit_bytes: int | None
    mounts: frozenset[str]
    sidecar: bool

    @property
    def variables(self) -> Mapping[str, str | None]:
        """The variables by name: of two with the same name the last wins, as in Kubernetes."""
        return dict(self.env)


def parse(fields: Fields) -> Container:
    """Read a container, noting what is wrong with it."""
    resources = fields.below("resources")
    command, args, env = fields.texts("command"), fields.texts("args"), _env(fields)
    lengths.check(fields, (*_numbered("command", command), *_numbered("args", args)), env)
    return Container(
        name=_name(fields),
        path=fields.path,
        image=fields.text("image") or "",
        command=command,
        args=args,
        env=env,
        env_from=bool(fields.each("envFrom")),
        memory_request_bytes=memory_bytes(resources, "requests"),
        memory_limit_bytes=memory_bytes(resources, "limits"),
        mounts=_mounts(fields),
        sidecar=fields.text("restartPolicy") == "Always",
    )


def _numbered(name: str, words: Iterable[str]) -> Iterator[tuple[str, str]]:
    return ((f"{name}[{index}]", word) for index, word in enumerate(words))


def memory_bytes(resources: Fields, kind: str) -> int | None:
    """Read the memory of `requests` or `limits`, noting what is wrong with any amount of it."""
    amounts = resources.below(kind)
    memory = None
    for resource in amounts.names():
        value = amounts.raw(resource)
        if value is None or resource.startswith(f"{names.DOMAIN}/"):
            continue
        if resource == "memory":
            memory = amounts.size_bytes("memory") if kind == "limits" else _request(amounts)
        elif not _is_quantity(value):
            amounts.problem(resource, value, "must be an amount such as 2, 500m or 1Gi")
    return memory


def _is_quantity(value: object) -> bool:
    try:
        parse_quantity(str(value).strip())
    except ValueError:
        return False
    return True


def requested_sets(fields: Fields) -> Iterator[tuple[Fields, str]]:
    """Give each request for CPU sets that a container or a whole pod makes: amounts, resource."""
    for kind in ("requests", "limits"):
        amounts = fields.below("resources").below(kind)
        yield from ((amounts, one) for one in amounts.names() if one.startswith(f"{names.DOMAIN}/"))


def _request(amounts: Fields) -> int | None:
    """Read a request, which may be as small as none."""
    try:
        return parse_bytes(amounts.raw("memory"))
    except ValueError:
        return amounts.size_bytes("memory")  # notes it


def _name(fields: Fields) -> str:
    name = fields.raw("name")
    if not names.is_label(name):
        fields.problem("name", name, f"is no container's name, which {names.LABEL_RULE}")
        return ""
    if name == names.CHECK_CONTAINER:
        fields.problem("name", name, "is the container that numalocal adds; choose another name")
    return name


def _env(fields: Fields) -> tuple[Variable, ...]:
    entries = fields.raw("env")
    if isinstance(entries, Mapping):
        message = "must be a list such as [{name: NAME, value: text}]"
        fields.problem("env", entries, message)
        return ()
    return tuple(_variable(one) for one in fields.each("env"))


def _variable(entry: Fields) -> Variable:
    name = entry.raw("name")
    if not isinstance(name, str) or not _is_variable(name):
        rule = "must be printable ASCII characters without '='"
        entry.problem("name", name, f"is no variable's name, which {rule}")
    value = entry.text("value")
    if entry.raw("valueFrom") is None:
        return Variable(str(name), value or "")
    if value:
        message = "must be left out: the variable has a value already"
        entry.problem("valueFrom", entry.raw("valueFrom"), message)
    return Variable(str(name), None)


def _is_variable(name: str) -> bool:
    return bool(name) and name.isascii() and name.isprintable() and "=" not in name


def _mounts(fields: Fields) -> frozenset[str]:
    paths = (one.text("mountPath") for one in fields.each("volumeMounts"))
    return frozenset(posixpath.normpath(path) for path in paths if path)
