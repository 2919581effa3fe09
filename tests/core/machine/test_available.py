from pathlib import Path

import pytest

from numalocal.machine.discovery import discover
from numalocal.machine.discovery.available import read_available
from numalocal.machine.sysfs import Sysfs

MIB = 1 << 20


def available(root: Path, files: dict[str, str]) -> dict[int, int]:
    node = "sys/devices/system/node"
    told = {"sys/devices/system/cpu/online": "0-1"}
    told |= {f"{node}/node{name}": text for name, text in files.items() if name[0].isdigit()}
    told |= {name: text for name, text in files.items() if not name[0].isdigit()}
    for name, text in told.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="ascii")
    sysfs = Sysfs(root)
    return read_available(sysfs, discover(sysfs))


def meminfo(node: int, **mib: int) -> str:
    names = {"active": "Active(file)", "inactive": "Inactive(file)", "slab": "SReclaimable"}
    lines = {names.get(name, name): size * 1024 for name, size in mib.items()}
    return "\n".join(f"Node {node} {name}: {size} kB" for name, size in lines.items())


@pytest.mark.parametrize(
    ("files", "mib"),
    [
        pytest.param(
            {
                "0/meminfo": meminfo(0, MemTotal=64, MemFree=8, active=2, inactive=4, slab=1),
                "1/meminfo": meminfo(1, MemTotal=64, MemFree=60),
            },
            {0: 15, 1: 60},
            id="free and what is given back",
        ),
        pytest.param(
            {
                "0/meminfo": meminfo(0, MemTotal=64, MemFree=60),
                "0/hugepages/hugepages-1024kB/nr_hugepages": "56",
                "1/meminfo": meminfo(1, MemTotal=64),
            },
            {0: 8},
            id="no more than is usable, and nothing of a node that does not tell",
        ),
        pytest.param(
            {
                "0/meminfo": meminfo(0, MemTotal=64, MemFree=1),
                "proc/meminfo": "MemTotal: 65536 kB\nMemAvailable: 20480 kB",
            },
            {0: 20},
            id="a node that is alone",
        ),
        pytest.param(
            {"proc/meminfo": "MemTotal: 65536 kB\nMemAvailable: 20480 kB"},
            {0: 20},
            id="a kernel without NUMA",
        ),
        pytest.param(
            {"0/meminfo": meminfo(0, MemTotal=64, MemFree=60)}, {0: 60}, id="no /proc/meminfo"
        ),
        pytest.param({"proc/meminfo": "MemTotal: 65536 kB"}, {}, id="nothing is told"),
    ],
)
def test_what_is_available_is_counted_as_the_check_counts_it(
    tmp_path: Path, files: dict[str, str], mib: dict[int, int]
) -> None:
    assert available(tmp_path, files) == {node: size * MIB for node, size in mib.items()}
