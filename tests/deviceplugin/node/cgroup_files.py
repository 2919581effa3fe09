"""What the kernel writes into a container's cgroup (version 2) on 2 NUMA nodes."""

from collections.abc import Mapping
from pathlib import Path

FILES: Mapping[str, str] = {
    "memory.numa_stat": (
        "anon N0=1048576 N1=3145728\n"
        "file N0=0 N1=1048576\n"
        "kernel_stack N0=16384 N1=32768\n"
        "pagetables N0=4096 N1=8192\n"
        "shmem N0=0 N1=1048576\n"
        "anon_thp N0=0 N1=2097152\n"
        "unevictable N0=0 N1=0\n"
    ),
    "cpu.stat": (
        "usage_usec 12500000\n"
        "user_usec 12000000\n"
        "system_usec 500000\n"
        "nice_usec 0\n"
        "core_sched.force_idle_usec 0\n"
        "nr_periods 40\n"
        "nr_throttled 4\n"
        "throttled_usec 250000\n"
        "nr_bursts 0\n"
        "burst_usec 0\n"
    ),
    "cpu.pressure": (
        "some avg10=0.00 avg60=1.25 avg300=0.40 total=1500000\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=250000\n"
    ),
    "memory.pressure": (
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
    ),
    "io.pressure": (
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=750000\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n"
    ),
    "cpuset.cpus.effective": "6-7\n",
    "cpuset.mems.effective": "1\n",
}


def write(directory: Path, **changed: str | None) -> Path:
    """Write a container's files, some with another text, or left out where that is None."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        other = changed.get(name.replace(".", "_"), text)
        if other is not None:
            (directory / name).write_text(other)
    return directory
