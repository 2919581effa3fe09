"""Let vLLM's own parser read: `vllm_options FOLDER`, a list of command lines as JSON on stdin.

FOLDER has vllm/utils/argparse_utils.py, and vllm/engine/arg_utils.py for the names of the options.
For each command line comes a mapping of what it gives, by an option's first name, or null where the
parser refuses it.
"""

import json
import re
import sys
from argparse import ArgumentError
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, NoReturn

from .vllm_planning import stand_in

_ADDED: Final = re.compile(r'add_argument\(\s*((?:"-[^"]+",?\s*)+)')


class Refused(Exception):
    """The parser's own message."""


def parser(folder: Path) -> Any:
    """Make vLLM's parser with its options, each with one value of any kind."""
    stand_in("vllm").__path__ = [str(folder / "vllm")]
    stand_in("vllm.utils").__path__ = [str(folder / "vllm" / "utils")]
    silent = SimpleNamespace(**dict.fromkeys(("warning", "info", "warning_once"), _ignore))
    stand_in("vllm.logger", init_logger=lambda _name: silent)
    sys.modules["regex"] = re
    made = import_module("vllm.utils.argparse_utils").FlexibleArgumentParser()
    text = (folder / "vllm" / "engine" / "arg_utils.py").read_text(encoding="utf-8")
    seen: set[str] = set()
    for found in _ADDED.finditer(text):
        names = [name for name in re.findall(r'"(-[^"]+)"', found[1]) if name not in seen]
        seen.update(names)
        if names:
            made.add_argument(*names, dest=names[0])
    made.add_argument("words", nargs="*")
    made.error = _refuse
    return made


def _ignore(*_words: object) -> None:
    """Log nothing."""


def _refuse(message: str) -> NoReturn:
    raise Refused(message)


def given(made: Any, words: list[str]) -> dict[str, str] | None:
    """Give what a command line says."""
    try:
        values = vars(made.parse_args(words))
    except (Refused, ArgumentError, ValueError):
        return None
    return {
        name: value
        for name, value in values.items()
        if name.startswith("-") and isinstance(value, str)
    }


if __name__ == "__main__":
    made = parser(Path(sys.argv[1]))
    sys.stdout.write(json.dumps([given(made, words) for words in json.load(sys.stdin)]))
