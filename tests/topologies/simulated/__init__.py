"""Machines that no capture shows: as files (`write`, `written`) and as the answer (`truth`).

spec        what a machine is made of, and where that puts its CPUs
text        the kernel's formats of sets
cpus        /sys/devices/system/cpu
nodes       /sys/devices/system/node
processes   /proc
tree        all of these, put into a directory
answer      what discovery must find, by arithmetic on the spec
machines    the machines by name
"""

from simulated.answer import truth
from simulated.machines import MACHINES
from simulated.spec import GIB, Simulated
from simulated.tree import write, written

__all__ = ["GIB", "MACHINES", "Simulated", "truth", "write", "written"]
