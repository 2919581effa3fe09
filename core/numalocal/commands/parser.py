"""What the command line takes."""

import argparse
import importlib
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from math import isfinite
from typing import Any, Final

from numalocal.commands import output
from numalocal.commands.statuses import SAID

SHELLS: Final = ("bash", "zsh")
_WIDEST: Final = 96
_MOST_SECONDS: Final = 600


def make(command: str | None = None) -> argparse.ArgumentParser:
    """Make the parser of the whole command line; completions and the manual are made of it too.

    Where the command is known its own arguments are enough: all others take as long to make as a
    machine to read.
    """
    parser = _Parser(
        prog="numalocal",
        description="Give CPU inference workers their own cores and the memory beside them.",
        epilog=SAID,
        formatter_class=_Formatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and end")
    commands = parser.add_subparsers(
        required=True,
        metavar="COMMAND",
        dest="command",
        prog="numalocal",  # or argparse formats a usage to find it
    )
    for name in [one for one in COMMANDS if command in (one, None)] or COMMANDS:
        summary, arguments = COMMANDS[name]
        sentence = f"{summary[0].upper()}{summary[1:]}."
        made = commands.add_parser(
            name, help=summary, description=sentence, formatter_class=_Formatter
        )
        for add in arguments:
            add(made)
    return parser


def _shell(command: argparse.ArgumentParser) -> None:
    command.add_argument("shell", choices=SHELLS, help="the shell that sources it")


def _about(command: argparse.ArgumentParser) -> None:
    command.add_argument("about", nargs="?", choices=tuple(COMMANDS), metavar="COMMAND")


def _asking(command: argparse.ArgumentParser) -> None:
    for option, words in {
        "cpusets": "CPU sets for each pod, one for each rank",
        "pool": "pool of the sets; default: cpuset",
        "engine": "what is told its CPUs: vllm, sglang, llama.cpp, openmp, ...",
        "openmp": "OpenMP runtime: auto, gnu, llvm, intel or none",
        "reserved-cores": "cores of a pod that do not compute",
        "memory": "memory of each rank, such as 64Gi",
        "memory-policy": "how it is taken: Bind, Preferred, Interleave or WeightedInterleave",
        "memory-nodes": "from which NUMA nodes: Local, Near, MemoryOnly, Package or Any",
        "on-overflow": "where these do not hold it: Refuse or Interleave",
        "kv-cache": "KV cache of each rank, such as 16Gi",
        "enforcement": "Required, or BestEffort to run where nothing can be bound",
        "container": "the engine's container",
    }.items():
        command.add_argument(f"--{option}", metavar="TEXT", help=words)


def _worker(command: argparse.ArgumentParser) -> None:
    _file(command, "YAML with a CpuInferenceWorker; - is standard input")


def _workload(command: argparse.ArgumentParser) -> None:
    _file(command, "YAML with a Deployment, StatefulSet, Job or the like; - is standard input")


def _file(command: argparse.ArgumentParser, words: str) -> None:
    command.add_argument("-f", "--file", required=True, metavar="FILE", help=words)


def _pools(command: argparse.ArgumentParser) -> None:
    words = "YAML with pools; default: one set per NUMA node, less a core"
    command.add_argument("--pools", metavar="FILE", help=words)


def _root(command: argparse.ArgumentParser) -> None:
    words = "directory with the machine's sys and proc; default: this machine's"
    command.add_argument("--root", default="/", metavar="DIR", help=words)


def _measurement(command: argparse.ArgumentParser) -> None:
    words = "bytes read for a token; default: 256Mi"
    command.add_argument("--weights", type=_size_bytes, default="256Mi", help=words)
    words = f"length of each measurement, at most {_MOST_SECONDS}; default: 1"
    command.add_argument("--seconds", type=_seconds, default=1.0, help=words)


def _output(command: argparse.ArgumentParser) -> None:
    words = "a picture for the terminal, a document, or a drawing; default: text"
    choices = ("text", "json", "svg")
    command.add_argument("-o", "--output", choices=choices, default=choices[0], help=words)


def _size_bytes(text: str) -> int:
    """Read an amount of memory; argparse says what is wrong."""
    from numalocal import hints  # noqa: PLC0415 - one command needs them
    from numalocal.quantity import parse_bytes  # noqa: PLC0415

    try:
        size = parse_bytes(text)
    except ValueError:
        size = 0
    if size < 1:
        raise argparse.ArgumentTypeError(f"{text!r} {hints.no_size(text)}")
    return size


def _seconds(text: str) -> float:
    """Read a length of time; argparse says what is wrong."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not (isfinite(seconds) and 0 < seconds <= _MOST_SECONDS):
        message = f"{text!r} must be a number of seconds above 0, at most {_MOST_SECONDS}"
        raise argparse.ArgumentTypeError(message)
    return seconds


Add = Callable[[argparse.ArgumentParser], None]

COMMANDS: Final[Mapping[str, tuple[str, tuple[Add, ...]]]] = {
    "topology": (
        "show packages, NUMA nodes, caches, cores, CPU sets",
        (_pools, _root, _output),
    ),
    "plan": (
        "show where a CpuInferenceWorker would land, nothing started",
        (_worker, _pools, _root, _output),
    ),
    "run": (
        "run a CpuInferenceWorker on this machine, without a cluster",
        (_worker, _pools),
    ),
    "bench": (
        "measure this machine: bandwidth of its nodes, rate by threads",
        (_measurement, _output),
    ),
    "annotate": (
        "print a workload with annotations, and what its pods become",
        (_workload, _asking),
    ),
    "completion": ("print a shell's completion, to be sourced", (_shell,)),
    "help": ("show what a command does and takes", (_about,)),
}
"""By name what a command does, and its arguments."""


class _Parser(argparse.ArgumentParser):
    """Says with each thing that is unknown what was meant, and the usage of its own command."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Read what is known, and refuse the rest: what calls this would name no command."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            options = [one.partition("=")[0] for one in rest if one.startswith("-")]
            meant = [_meant(one, self._option_string_actions) for one in options]
            self.error(f"unrecognized arguments: {' '.join(rest)}{next(filter(None, meant), '')}")
        return found, rest

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += _meant(str(value), list(action.choices or ()))
            raise


def _meant(word: str, known: Collection[str]) -> str:
    from numalocal import hints  # noqa: PLC0415 - who makes no mistake starts without it

    near = hints.nearest(word, known)
    return f"; did you mean {near}?" if near else ""


class _Version(argparse.Action):
    """Looks the version up when it is asked for: that takes longer than the whole parser."""

    def __call__(self, parser: argparse.ArgumentParser, *_arguments: object) -> None:
        metadata = importlib.import_module("importlib.metadata")
        try:
            version = metadata.version("numalocal")
        except metadata.PackageNotFoundError:
            version = "of a source tree that is not installed"
        print(f"numalocal {version}")
        parser.exit()


class _Formatter(argparse.HelpFormatter):
    """Of the terminal's width, which is asked once: argparse makes one for every argument."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_width())


@lru_cache(maxsize=1)
def _width() -> int:
    return min(_WIDEST, output.width())
