"""The exit statuses of `numalocal`: what does not fit is not what cannot be read."""

from typing import Final

OK: Final = 0
"""All is as asked: the plan fits, the run is verified."""
NOT_AS_ASKED: Final = 1
"""It was read, and does not fit, could not be had, or is not verified."""
UNREADABLE: Final = 2
"""Wrong usage (argparse ends with 2 as well), or a document or machine that cannot be read."""
