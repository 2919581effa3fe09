"""Any program: it gets the binding, and numalocal's own variables to make of them what it can."""

from collections.abc import Mapping
from typing import Final

from numalocal.engines.adapter import Adapter, Seat


def _variables(_seat: Seat) -> Mapping[str, str]:
    return {}


ADAPTERS: Final = (Adapter(name="none", variables=_variables),)
