"""Write what shells and `man` read of the command line, or with `--check` tell what is out of date.

The completions stand in the package, the manual in docs/; both are made of the parser.
"""

import argparse
import os
import sys
from pathlib import Path

import shtab
from argparse_manpage.manpage import Manpage

from numalocal.commands import completion, parser

ROOT = Path(__file__).parents[1]
TITLE = '.TH NUMALOCAL 1 "" numalocal "User Commands"'
PATHS = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY}


def files() -> dict[Path, str]:
    """Give every file with its text."""
    texts = {
        completion.FOLDER / f"numalocal.{shell}": shtab.complete(completable(), shell)
        for shell in parser.SHELLS
    }
    return {**texts, ROOT / "docs" / "numalocal.1": manual()}


def completable() -> argparse.ArgumentParser:
    """Make the parser, and tell which of its arguments are paths."""
    made = parser.make()
    (commands,) = (one.choices for one in made._actions if one.dest == "command")
    for command in commands.values():
        for action in command._actions:
            if action.metavar in PATHS:
                action.complete = PATHS[action.metavar]
    return made


def manual() -> str:
    """Write the manual; its first line would tell the day on which it was made."""
    made = parser.make()
    made.man_short_description = "CPU inference workers with their own cores and memory"
    _, *lines = str(Manpage(made)).splitlines()
    return "\n".join([TITLE, *(line.rstrip() for line in lines), ""])


def main() -> int:
    """Write all files; with `--check` write nothing, and fail where one would change."""
    os.environ["COLUMNS"] = "80"
    stale = [
        path
        for path, text in files().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv:
        for path in stale:
            sys.stderr.write(f"{path.relative_to(ROOT)} is out of date: run `make manual`\n")
        return int(bool(stale))
    for path in stale:
        path.write_text(files()[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
