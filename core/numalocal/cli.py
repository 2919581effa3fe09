"""The command line: `numalocal COMMAND`, and what becomes of a command's errors."""

import argparse
import gc
import importlib
import io
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from numalocal.commands import parser
from numalocal.commands.statuses import INTERRUPTED, NOT_AS_ASKED, OK, READER_GONE, UNUSABLE
from numalocal.errors import NumalocalError, PoolUnmet, SetsUnavailable, SpecInvalid


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; errors become sentences on standard error, and an exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal cannot show is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    if sys.stdout is None:
        _say("standard output is closed")
        return UNUSABLE
    try:
        status = _run(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        status = READER_GONE  # it has seen enough, as `head` does
    except KeyboardInterrupt:
        status = INTERRUPTED
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        _say(f"{named}{error.strerror or error}")
        status = UNUSABLE
    _end_output()
    return status


def _run(argv: Sequence[str] | None) -> int:
    try:
        arguments, command = _loaded(argv)
        return int(command.main(arguments))
    except SystemExit as end:
        return int(end.code or OK)  # argparse has said all
    except SpecInvalid as error:
        for problem in error.problems:
            _say(str(problem))
    except (PoolUnmet, SetsUnavailable) as error:
        _say(str(error))
        return NOT_AS_ASKED
    except NumalocalError as error:
        _say(str(error))
    return UNUSABLE


def _loaded(argv: Sequence[str] | None) -> tuple[argparse.Namespace, ModuleType]:
    """Read the arguments and load the command, and no other: `topology` starts in an instant."""
    gc.disable()  # what is loaded stays, so nothing is gained by looking for what can go
    try:
        given = sys.argv[1:] if argv is None else argv
        arguments = parser.make(next(iter(given), None)).parse_args(given)
        return arguments, importlib.import_module(f"numalocal.commands.{arguments.command}")
    finally:
        gc.enable()


def _say(sentence: str) -> None:
    print(f"numalocal: {sentence}", file=sys.stderr)


def _end_output() -> None:
    """Let Python's own end write nothing more where writing has failed: it would complain.

    Where a reader takes nothing, Ctrl-C ends the waiting for it.
    """
    try:
        sys.stdout.flush()
    except (OSError, KeyboardInterrupt):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
