"""How long is waited for what another thread, task or process does."""

from typing import Final

PATIENCE_S: Final = 60.0
"""How long whatever has to happen may take: a busy machine may stand still for seconds."""
