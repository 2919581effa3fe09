"""Read a command line that somebody else wrote."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

_SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})


def words(command: Sequence[str]) -> tuple[str, ...]:
    """Give a command's arguments; a shell's script counts by its words."""
    if not is_script(command):
        return tuple(command)
    return tuple(word for argument in command for word in argument.split())


def is_script(command: Sequence[str]) -> bool:
    """Tell whether a shell reads the command, so that nothing can be added behind it."""
    shell = bool(command) and PurePosixPath(command[0]).name in _SHELLS
    script = command[1] if shell and len(command) > 1 else command[0] if command else ""
    return script.startswith("-") and not script.startswith("--") and script.endswith("c")


def has(command: Sequence[str], option: str) -> bool:
    """Tell whether an option is given, as `--name value` or `--name=value`.

    Many engines take `_` for `-` in names.
    """
    return any(_name(argument) == _name(option) for argument in command)


def value(command: Sequence[str], option: str) -> str | None:
    """Give an option's value, the last one where it is given twice; None where it has none."""
    found = None
    for argument, following in zip(command, (*command[1:], None), strict=False):
        if _name(argument) == _name(option):
            found = argument.partition("=")[2] if "=" in argument else following
    return found


def _name(argument: str) -> str:
    name = argument.partition("=")[0]
    return name.replace("_", "-") if name.startswith("--") else name
