"""`numalocal plan`: show where a worker would land."""

import argparse

from numalocal.commands import output, picture, sentences, sets, statuses
from numalocal.commands.sources import source
from numalocal.host import plan
from numalocal.host.placement import guests, place, users
from numalocal.host.shortages import shortages
from numalocal.machine.discovery import discover
from numalocal.machine.sysfs import Sysfs
from numalocal.worker import documents
from numalocal.worker.spec import parse_worker


def main(arguments: argparse.Namespace) -> int:
    """Print where every rank would be and what the engine is told; 1 where memory does not fit.

    Raises:
        NumalocalError: where worker or pools have problems, or the machine cannot give the sets.
    """
    worker = parse_worker(documents.load_worker(source(arguments.file)))
    machine = discover(Sysfs(arguments.root))
    parts = sets.cut(machine, arguments.pools)
    placements = place(worker, machine, parts)
    short = shortages(worker, machine, parts, placements)
    if arguments.output == "json":
        output.document(plan.document(worker, placements, short))
    else:
        title = f"Where worker {worker.name} would land"
        everybody, others = users(worker, placements), guests(worker, placements)
        picture.draw(machine, parts, everybody, arguments.output, title=title, guests=others)
    if arguments.output == "text":
        width = output.width()
        told = plan.text(worker, placements, short, width=width, sentence=sentences.shown)
        output.text(f"\n{told}")
    return statuses.NOT_AS_ASKED if short else statuses.OK
