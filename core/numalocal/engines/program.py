"""Find the engine's program in what a container runs: job + adapter -> Call."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from numalocal.engines import arguments, wrappers
from numalocal.engines.adapter import Adapter
from numalocal.engines.arguments import Command, CommandLine
from numalocal.engines.call import UNKNOWN_PROGRAM, Call, Program
from numalocal.engines.job import Job
from numalocal.problems import printable

_NOTHING: Final = Command(name="", variables={})


def find(job: Job, engine: Adapter) -> Call:
    """Read a job's command line for one engine."""
    line = arguments.read(job.command, job.args, job.variables)
    found = [(one, program) for one in line.commands if (program := _program(one, job, engine))]
    # A script often prepares something in Python before it starts the engine.
    chosen = [pair for pair in found if pair[1].reads_options] or found[-1:]
    program = chosen[-1][1] if chosen else UNKNOWN_PROGRAM
    command = _together([one for one, _ in chosen] or line.commands)
    call = Call(
        job=job,
        program=program,
        command=command,
        several=len(chosen) > 1,
        abbreviated=engine.abbreviated,
        doubtful=command.doubtful or not chosen,
        closed="",
    )
    config = call.own(*engine.configs)
    return replace(
        call,
        doubtful=call.doubtful or bool(config),
        closed=_closed(call, line, config, engine.name),
    )


def _program(command: Command, job: Job, engine: Adapter) -> Program | None:
    """Find the program; an image's entry point may be one that runs what it gets."""
    if command.name or not command.words:
        return engine.program(command, job.image)
    first = replace(command, name=wrappers.base(command.words[0]), words=command.words[1:])
    named = engine.program(first, job.image) if _is_name(command.words) else None
    return named or engine.program(command, job.image)


def _is_name(words: Sequence[str]) -> bool:
    return not words[0].startswith("-") and bool(wrappers.base(words[0]))


def _together(commands: Sequence[Command]) -> Command:
    """Take commands of which each may call the engine for one: what any says may be an option."""
    if len(commands) == 1:
        return commands[0]
    words = [word for one in commands for word in one.words]
    variables = {name: value for one in commands for name, value in one.variables.items()}
    behind = frozenset().union(*(one.wrappers for one in commands))
    first = commands[-1] if commands else _NOTHING
    return replace(first, words=tuple(words), variables=variables, wrappers=behind)


def _closed(call: Call, line: CommandLine, config: str, engine: str) -> str:
    """Say why no argument can be added behind what the container runs; empty where one can."""
    if not call.job.argv:
        return "the template gives no args, and any would replace the image's own"
    if line.script:
        return "a shell reads the command"
    if config:
        return f"the file of {config} may say it"
    name = printable(call.command.name)
    if call.program is UNKNOWN_PROGRAM:
        return f"{name or 'its program'} is not known as a program of {engine}"
    if not call.program.reads_options:
        return f"{name} is {call.program.name}, which {engine}'s options do not reach"
    return "nothing behind `--` is an option" if "--" in call.command.words else ""
