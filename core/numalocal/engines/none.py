"""Any program: it gets the binding, and numalocal's own variables to make of them what it can."""

from typing import Final

from numalocal.engines.adapter import Adapter

ADAPTERS: Final = (Adapter(name="none"),)
