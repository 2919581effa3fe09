"""How many ranks an engine's own arguments start, beside what the worker says."""

from collections.abc import Sequence
from math import prod

from numalocal.engines.call import Call


def notes(call: Call, factors: Sequence[Sequence[str]], machines: Sequence[str]) -> Sequence[str]:
    """Compare the product of some options, of one machine of `machines`, with the worker's ranks.

    Each factor is an option by all its names, 1 where it is not given.  Where nobody knows one of
    the numbers there is nothing to compare.
    """
    names = [name for factor in (*factors, machines) for name in factor]
    numbers = [call.number(*factor) for factor in factors]
    known = [number for number in numbers if number is not None]
    divisor = call.number(*machines)
    if not call.own(*names) or len(known) < len(numbers) or not divisor:
        return ()
    started, ranks = prod(known) // divisor, call.job.ranks
    if started == ranks:
        return ()
    return (
        f"its arguments start {started} ranks, and spec.ranks is {ranks}: the engine refuses a "
        f"list of another length; say ranks: {started}",
    )
