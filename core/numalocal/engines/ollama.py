"""Ollama: its threads are a matter of each request, and no variable of the server's tells them."""

from collections.abc import Mapping, Sequence
from typing import Final

from numalocal import names
from numalocal.engines.adapter import Adapter, Job, Seat


def _variables(_seat: Seat) -> Mapping[str, str]:
    return {}


def _notes(job: Job) -> Sequence[str]:
    notes = [
        "Ollama takes its number of threads from no variable (ollama#2929), and counts the host's "
        "cores: say `PARAMETER num_thread N` in the Modelfile, or options.num_thread in each "
        f"request, where N is {names.ENV_THREADS} in the container"
    ]
    if job.settings.reserved_cores:
        notes.append(
            f"spec.engine.reservedCores is {job.settings.reserved_cores}: N is that much less"
        )
    return notes


ADAPTERS: Final = (Adapter(name="ollama", variables=_variables, notes=_notes),)
