"""The command line: `numalocal topology`, `plan`, `run` and `bench`."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from numalocal.commands import statuses
from numalocal.errors import MachineUnreadable, NumalocalError, SpecInvalid


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; errors become sentences on standard error and an exit status."""
    arguments = _parser().parse_args(argv)
    try:
        # What a command needs is loaded for that command alone: `topology` starts in an instant.
        command = importlib.import_module(f"numalocal.commands.{arguments.command}")
        return int(command.main(arguments))
    except SpecInvalid as error:
        for problem in error.problems:
            print(f"numalocal: {problem}", file=sys.stderr)
        return statuses.UNREADABLE
    except MachineUnreadable as error:
        print(f"numalocal: {error}", file=sys.stderr)
        return statuses.UNREADABLE
    except NumalocalError as error:
        print(f"numalocal: {error}", file=sys.stderr)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has seen enough, as `head` does
    return statuses.NOT_AS_ASKED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="numalocal",
        description="Give CPU inference workers their own cores and memory.",
        formatter_class=_Formatter,
    )
    commands = parser.add_subparsers(
        required=True,
        metavar="COMMAND",
        dest="command",
        prog="numalocal",  # or argparse formats a usage to find it
    )
    topology = _command(commands, "topology", "show packages, NUMA nodes, caches, cores, CPU sets")
    plan = _command(commands, "plan", "show where a CpuInferenceWorker would land, nothing started")
    run = _command(commands, "run", "run a CpuInferenceWorker on this machine, without a cluster")
    bench = _command(
        commands, "bench", "measure this machine: bandwidth of its nodes, rate by threads"
    )
    bench.add_argument("--weights", default="256Mi", help="bytes read for a token; default: 256Mi")
    bench.add_argument(
        "--seconds", type=float, default=1.0, help="length of each measurement; default: 1"
    )
    for command in (plan, run):
        command.add_argument(
            "-f", "--file", required=True, metavar="FILE", help="YAML with a CpuInferenceWorker"
        )
    for command in (topology, plan, run):
        command.add_argument(
            "--pools",
            metavar="FILE",
            help="YAML file with pools; default: one set per NUMA node, less a core",
        )
    for command in (topology, plan):
        command.add_argument(
            "--root",
            default="/",
            metavar="DIR",
            help="directory with the machine's sys and proc; default: this machine's",
        )
    for command in (topology, plan, bench):
        command.add_argument(
            "-o",
            "--output",
            choices=("text", "json", "svg"),
            default="text",
            help="a picture for the terminal, a document, or a drawing; default: text",
        )
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str
) -> argparse.ArgumentParser:
    sentence = f"{summary[0].upper()}{summary[1:]}."
    return commands.add_parser(name, help=summary, description=sentence, formatter_class=_Formatter)


class _Formatter(argparse.HelpFormatter):
    """Of a fixed width: argparse makes one for every argument, and would ask the terminal."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=96)


if __name__ == "__main__":
    sys.exit(main())
