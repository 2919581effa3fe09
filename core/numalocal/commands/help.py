"""`numalocal help`: what a command does and takes."""

import argparse
import sys

from numalocal.commands import parser


def main(arguments: argparse.Namespace) -> int:
    """Print the help of a command, or of all."""
    parser.make().parse_args([arguments.about, "--help"] if arguments.about else ["--help"])
    sys.exit(0)
