"""Ports of a Service: as its spec asks for them, or as the template's containers have them."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeGuard

from numalocal import names
from numalocal.fields import Fields

PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
MAX_PORTS: Final = 100
_MAX_PORT: Final = 65535
_PORT_NAME: Final = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?", re.ASCII)
_PORT_NAME_RULE: Final = (
    "must be a port from 1 to 65535, or a container port's name: at most 15 lower case letters, "
    "digits and '-', with a letter among them"
)

_DEFAULT_NAME: Final = re.compile(r"(port|udp|sctp)-[0-9]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port of a Service; `target` is the container's, by number or by name."""

    name: str
    port: int
    target: int | str
    protocol: str


def asked(fields: Fields) -> list[Port]:
    """Read the ports of a service's spec, noting what is wrong."""
    found = []
    given = fields.each("ports")
    if len(given) > MAX_PORTS:
        fields.problem("ports", len(given), f"are too many: at most {MAX_PORTS}")
    for one in given[:MAX_PORTS]:
        one.only(("name", "port", "targetPort", "protocol"))
        number = _number(one, "port")
        protocol = one.choice("protocol", PROTOCOLS, PROTOCOLS[0])
        found.append(
            Port(
                name=_name(one, number, protocol),
                port=number,
                target=_target(one, number),
                protocol=protocol,
            )
        )
        _refuse_double(one, found)
    return found


def _refuse_double(fields: Fields, found: Sequence[Port]) -> None:
    """Refuse a name, or a number and protocol, that an earlier port has."""
    *earlier, last = found
    message = "is another port's; give each its own"
    if last.name in [one.name for one in earlier]:
        fields.problem("name", last.name, message)
    if (last.port, last.protocol) in [(one.port, one.protocol) for one in earlier]:
        fields.problem("port", last.port, message)


def _number(fields: Fields, name: str) -> int:
    if fields.raw(name) is None:
        fields.problem(name, None, f"must be a port from 1 to {_MAX_PORT}")
    return fields.integer(name, 1, least=1, most=_MAX_PORT)


def _name(fields: Fields, number: int, protocol: str) -> str:
    name = fields.raw("name")
    if name is None:
        return _default_name(number, protocol)
    if not names.is_label(name):
        fields.problem("name", name, f"is no port's name, which {names.LABEL_RULE}")
    return str(name)


def _default_name(number: int, protocol: str) -> str:
    """Name a port; without a protocol that a mesh would read as the only one spoken there."""
    return f"port-{number}" if protocol == PROTOCOLS[0] else f"{protocol.lower()}-{number}"


def _target(fields: Fields, number: int) -> int | str:
    target = fields.raw("targetPort")
    if target is None:
        return number
    if type(target) is int and 1 <= target <= _MAX_PORT:
        return target
    if not isinstance(target, str) or not _PORT_NAME.fullmatch(target):
        fields.problem("targetPort", target, _PORT_NAME_RULE)
    return str(target)


def of_template(spec: Fields) -> list[Port]:
    """Take the ports that the template's containers have, each once, with names of their own."""
    found: dict[tuple[int, str], Port] = {}
    named: set[str] = set()
    for one in _container_ports(spec):
        number = _number(one, "containerPort")
        protocol = one.choice("protocol", PROTOCOLS, PROTOCOLS[0])
        name = one.raw("name")
        if not _is_free(name, named):
            name = _default_name(number, protocol)
        if (number, protocol) not in found and len(found) < MAX_PORTS:
            named.add(name)
            found[number, protocol] = Port(name=name, port=number, target=number, protocol=protocol)
    return list(found.values())


def _is_free(name: object, named: Collection[str]) -> TypeGuard[str]:
    """Tell whether a port of the Service may have a name; those like our own are left to us."""
    if not isinstance(name, str) or not _PORT_NAME.fullmatch(name):
        return False
    return name not in named and not _DEFAULT_NAME.fullmatch(name)


def _container_ports(spec: Fields) -> Iterator[Fields]:
    for container in spec.below("template").below("spec").each("containers"):
        yield from container.each("ports")
