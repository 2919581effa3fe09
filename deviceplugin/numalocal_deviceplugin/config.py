"""Flags and environment -> Config."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from numalocal.errors import SpecInvalid
from numalocal.log import LEVELS
from numalocal.problems import Problem
from numalocal.sets.poolfile import parse_pools
from numalocal.sets.pools import Pool
from numalocal.worker.documents import load


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the agent is started with.

    `root` holds the node's /sys and /proc.  `pools` empty = what suits the machine.
    `node_name` empty = the node is not annotated.
    """

    root: Path
    device_plugin_dir: Path
    pod_resources_socket: Path
    nri_socket: Path
    pools: tuple[Pool, ...]
    node_name: str
    log_level: str


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Config:
    """Read the command line; NODE_NAME in the environment is the default of --node-name.

    Raises:
        SpecInvalid: where the pool file cannot be read or has problems.
        SystemExit: for unknown or malformed flags, after argparse's message.
    """
    options = _parser(environment).parse_args(arguments)
    return Config(
        root=options.root,
        device_plugin_dir=options.device_plugin_dir,
        pod_resources_socket=options.pod_resources_socket,
        nri_socket=options.nri_socket,
        pools=() if options.pools is None else _pools(options.pools),
        node_name=options.node_name,
        log_level=options.log_level,
    )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="numalocal-deviceplugin",
        description="Advertise this node's CPU sets to the kubelet and bind containers to them.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--root", type=Path, default=Path("/"), help="directory that holds the node's sys and proc"
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
    parser.add_argument(
        "--pools",
        type=Path,
        metavar="FILE",
        help="YAML list of pools; empty or without it one pool, cpuset, that suits the machine",
    )
    parser.add_argument(
        "--node-name",
        default=environment.get("NODE_NAME", ""),
        help="name of this node's object, to be annotated; environment NODE_NAME",
    )
    parser.add_argument("--log-level", choices=LEVELS, default="info", help="least level to log")
    return parser


def _pools(path: Path) -> tuple[Pool, ...]:
    documents = load(path)
    if len(documents) != 1:
        message = f"must hold one YAML document, holds {len(documents)}"
        raise SpecInvalid([Problem("--pools", str(path), message)])
    return () if documents[0] == [] else parse_pools(documents[0])
