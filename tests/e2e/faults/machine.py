"""Faults of the machine: CPUs, disk, network, power."""

import signal
import time
from contextlib import suppress
from random import Random

from lab import network
from lab.cluster import Lab, boot_again
from lab.commands import LabError, run

# All but a little in one piece, which costs nothing; the rest byte by byte.
_FILL = """
free=$(df --output=avail --block-size=1 /var | tail -1)
fallocate -l $((free - (32 << 20))) /var/full
dd if=/dev/zero of=/var/full-too bs=64k 2>/dev/null
sleep {seconds}
rm -f /var/full /var/full-too
"""


def take_cpus_offline(lab: Lab, random: Random) -> str:
    """Take one CPU or a whole core offline, and back."""
    cpus = random.choice(["2", "3", "6", "7", "[23]", "[67]", "4", "[45]"])
    seconds = random.randint(1, 12)
    files = f"/sys/devices/system/cpu/cpu{cpus}/online"
    lab.node(f"echo 0 | tee {files}; sleep {seconds}; echo 1 | tee {files}")
    return f"CPUs {cpus} offline for {seconds} s"


def fill_disk(lab: Lab, random: Random) -> str:
    seconds = random.randint(5, 20)
    lab.node(_FILL.format(seconds=seconds), timeout_s=240)
    return f"/var full for {seconds} s"


def lose_network(lab: Lab, random: Random) -> str:
    seconds = random.randint(2, 20)
    run([*network.ENTER, "ip", "link", "set", network.TAP, "down"])
    try:
        time.sleep(seconds)
    finally:
        run([*network.ENTER, "ip", "link", "set", network.TAP, "up"])
    return f"no network for {seconds} s"


def reboot(lab: Lab, random: Random) -> str:
    """Restart without stopping units: engines ignore SIGTERM, and systemd waits 90 s for each."""
    with suppress(LabError):  # the connection may end before the answer
        lab.node("systemctl reboot --force")
    boot_again(lab, timeout_s=60)
    return "node restarted"


def cut_power(lab: Lab, random: Random) -> str:
    lab.processes.send("qemu", signal.SIGKILL)
    boot_again(lab, timeout_s=10)
    return "power cut"
