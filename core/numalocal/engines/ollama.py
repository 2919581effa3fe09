"""Ollama: its threads are a matter of each request, and no variable of the server's tells them."""

from collections.abc import Sequence
from typing import Final

from numalocal import names
from numalocal.engines.adapter import Adapter
from numalocal.engines.call import Call


def _notes(call: Call) -> Sequence[str]:
    notes = [
        "Ollama takes its number of threads from no variable (ollama#2929), and counts the host's "
        "cores: say `PARAMETER num_thread N` in the Modelfile, or options.num_thread in each "
        f"request, where N is {names.ENV_THREADS} in the container"
    ]
    if reserved := call.job.settings.reserved_cores:
        notes.append(f"spec.engine.reservedCores is {reserved}: N is that much less")
    return notes


_UNREAD: Final = "Ollama has no such variable (ollama#2929)"

ADAPTERS: Final = (
    Adapter(
        name="ollama",
        ignores=dict.fromkeys(("OLLAMA_NUM_THREADS", "OLLAMA_NUM_THREAD"), _UNREAD),
        notes=_notes,
    ),
)
