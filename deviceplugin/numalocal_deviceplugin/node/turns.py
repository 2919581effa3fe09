"""Which turns of a watch are taken: the next after a change, and some of those without one."""

from numalocal_deviceplugin.facts import Facts


class Turns:
    """Counts the turns since a watch has found nothing to do; of these every so many are due."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._at_rest: Facts | None = None
        self._count = 0

    def is_due(self, facts: Facts) -> bool:
        """Take a turn with the facts of now, and tell whether to look in it."""
        self._count = self._count + 1 if facts is self._at_rest else 0
        return self._count % self._every == 0

    def rest(self, facts: Facts | None) -> None:
        """Take that a look found nothing to do as long as these are the facts; None = it did."""
        self._at_rest = facts
