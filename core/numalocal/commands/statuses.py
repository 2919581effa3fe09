"""What the exit status of a command says."""

from typing import Final

OK: Final = 0
"""All is as asked: shown, fits, verified."""
NOT_AS_ASKED: Final = 1
"""A worker or pool does not fit this machine, or a run is not verified."""
UNUSABLE: Final = 2
"""Arguments, a document, the machine, the binder or standard output cannot be used."""
SIGNALLED: Final = 128
"""And the number of the signal that ended a run early, as shells say it."""
INTERRUPTED: Final = SIGNALLED + 2
"""Ctrl-C."""
READER_GONE: Final = 141
"""What reads standard output went away, as shells say of a program that SIGPIPE ended."""

SAID: Final = (
    f"exit status: {OK} all is as asked; {NOT_AS_ASKED} a worker or pool does not fit, or a run is "
    f"not verified; {UNUSABLE} arguments, a document, the machine or the binder cannot be used; "
    f"{INTERRUPTED} interrupted (143 by SIGTERM, 129 by SIGHUP)."
)
