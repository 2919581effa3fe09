"""What a process costs: CPU time and memory, as the kernel counts them."""

import os
import re
from pathlib import Path

MIB = 1 << 20
_RESET_PEAK = "5"


class Process:
    """One that runs, by pid."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)

    def cpu_s(self) -> float:
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        return self._bytes("VmRSS")

    def peak_bytes(self) -> int:
        """Give the most that was resident since the start, or since it was last forgotten."""
        return self._bytes("VmHWM")

    def forget_peak(self) -> None:
        (self._folder / "clear_refs").write_text(_RESET_PEAK)

    def _bytes(self, name: str) -> int:
        found = re.search(
            rf"^{name}:\s+(\d+) kB$", (self._folder / "status").read_text(), re.MULTILINE
        )
        assert found is not None, f"{self._folder} has no {name}"
        return int(found[1]) << 10
