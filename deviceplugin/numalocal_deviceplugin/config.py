"""Flags and environment -> Config."""

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from numalocal.log import LEVELS
from numalocal.names import is_label
from numalocal.problems import Problem
from numalocal.sets.memoryask import Enforcement
from numalocal_deviceplugin.settings import Idle

HTTP_ADDRESS: Final = ":9461"

_INDEX: Final = re.compile(r"[0-9]{2}")
_ADDRESS: Final = re.compile(
    r"(\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[^:\[\]/]*)):(?P<port>[0-9]{1,5})"
)
_HIGHEST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; `host` empty = all of IPv4 and IPv6, `port` 0 = any that is free."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the agent is started with.

    `root` holds the node's /sys and /proc, and `cgroup_root` is where its whole cgroup tree is
    mounted.  `pools_file` None = what suits the machine.  `node_name` empty = the node has no
    object.  `left_alone` are namespaces.  `http_address` None = nothing is served.
    """

    root: Path
    cgroup_root: Path
    device_plugin_dir: Path
    pod_resources_socket: Path
    nri_socket: Path
    nri_index: str
    pools_file: Path | None
    idle: Idle
    enforcement: Enforcement
    left_alone: frozenset[str]
    http_address: Address | None
    node_name: str
    log_level: str


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Config:
    """Read the command line; NODE_NAME in the environment is the default of --node-name.

    Raises:
        SystemExit: with 2 for unknown or malformed flags, after a message with all that is wrong.
    """
    parser = _parser(environment)
    options = parser.parse_args(arguments)
    if problems := list(_problems(options)):
        parser.error("; ".join(map(str, problems)))
    return Config(
        root=options.root,
        cgroup_root=options.cgroup_root or options.root / "sys/fs/cgroup",
        device_plugin_dir=options.device_plugin_dir,
        pod_resources_socket=options.pod_resources_socket,
        nri_socket=options.nri_socket,
        nri_index=options.nri_index,
        pools_file=options.pools,
        idle=Idle(options.idle),
        enforcement=Enforcement(options.enforcement),
        left_alone=frozenset(options.leave_alone),
        http_address=_address(options.http_address),
        node_name=options.node_name,
        log_level=options.log_level,
    )


def _problems(options: argparse.Namespace) -> Iterator[Problem]:
    """Say all that is wrong with values; argparse itself would stop at the first."""
    choices = (
        ("--idle", options.idle, tuple(Idle)),
        ("--enforcement", options.enforcement, tuple(Enforcement)),
        ("--log-level", options.log_level, LEVELS),
    )
    for flag, value, known in choices:
        if value not in known:
            yield Problem(flag, value, f"must be one of {', '.join(known)}")
    for name in options.leave_alone:
        if not is_label(name):
            yield Problem("--leave-alone", name, "must be a namespace, such as kube-system")
    if not _INDEX.fullmatch(options.nri_index):
        yield Problem("--nri-index", options.nri_index, "must be two digits, such as 10")
    found = _ADDRESS.fullmatch(options.http_address)
    if options.http_address and (found is None or int(found["port"]) > _HIGHEST_PORT):
        message = "must be [host]:port, such as :9461, 127.0.0.1:9461 or [::1]:9461, or empty"
        yield Problem("--http-address", options.http_address, message)


def _address(text: str) -> Address | None:
    if (found := _ADDRESS.fullmatch(text)) is None:
        return None
    return Address(found["v6"] or found["host"] or "", int(found["port"]))


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="numalocal-deviceplugin",
        description="Advertise this node's CPU sets to the kubelet and bind containers to them.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    _add_places(parser)
    _add_choices(parser)
    parser.add_argument(
        "--node-name",
        default=environment.get("NODE_NAME", ""),
        help="name of this node's object; environment NODE_NAME",
    )
    parser.add_argument(
        "--http-address",
        default=HTTP_ADDRESS,
        metavar="[HOST]:PORT",
        help="where /livez, /readyz and /metrics are served; empty = nowhere",
    )
    parser.add_argument(
        "--log-level", default="info", metavar="|".join(LEVELS), help="least level to log"
    )
    return parser


def _add_places(parser: argparse.ArgumentParser) -> None:
    """Add the folders and sockets of the node."""
    parser.add_argument(
        "--root", type=Path, default=Path("/"), help="directory that holds the node's sys and proc"
    )
    parser.add_argument(
        "--cgroup-root",
        type=Path,
        metavar="DIR",
        help="where the node's whole cgroup tree is mounted; without it sys/fs/cgroup of --root",
    )
    parser.add_argument(
        "--device-plugin-dir",
        type=Path,
        default=Path("/var/lib/kubelet/device-plugins"),
        help="the kubelet's directory of device plugin sockets",
    )
    parser.add_argument(
        "--pod-resources-socket",
        type=Path,
        default=Path("/var/lib/kubelet/pod-resources/kubelet.sock"),
        help="socket of the kubelet's PodResources API",
    )
    parser.add_argument(
        "--nri-socket",
        type=Path,
        default=Path("/var/run/nri/nri.sock"),
        help="socket of the container runtime's NRI",
    )


def _add_choices(parser: argparse.ArgumentParser) -> None:
    """Add what the node's owner decides."""
    parser.add_argument(
        "--pools",
        type=Path,
        metavar="FILE",
        help="YAML list of pools, taken anew when it changes; empty or without it one pool, "
        "cpuset, that suits the machine",
    )
    parser.add_argument(
        "--idle",
        default=str(Idle.SHARED),
        metavar="|".join(Idle),
        help="whether CPU sets that nobody has are lent to all other containers",
    )
    parser.add_argument(
        "--enforcement",
        default=str(Enforcement.REQUIRED),
        metavar="|".join(Enforcement),
        help="whether CPU sets are offered only while they can be bound to, or without the "
        "container runtime's NRI as well",
    )
    parser.add_argument(
        "--leave-alone",
        action="append",
        default=[],
        metavar="NAMESPACE",
        help="move no container of this namespace; may be repeated",
    )
    parser.add_argument(
        "--nri-index",
        default="10",
        metavar="NN",
        help="when the runtime asks this plugin among others: the lowest first",
    )
