"""`numalocal completion`: what a shell sources to complete the command line."""

import argparse
import sys
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "completions"
"""Made by `make manual`."""


def main(arguments: argparse.Namespace) -> int:
    """Print the completion of a shell."""
    sys.stdout.write((FOLDER / f"numalocal.{arguments.shell}").read_text(encoding="utf-8"))
    return 0
