"""Everything that can go wrong, by what the caller can do about it.

    NumalocalError
    ├── ListInvalid           a CPU or node list that the kernel would refuse
    ├── SpecInvalid           a document with problems, each at a field path
    ├── MachineUnreadable     a kernel file that is missing or malformed
    ├── PoolUnmet             a pool that this machine cannot give
    ├── SetsUnavailable       more CPU sets asked for than are free
    ├── MemoryUnreachable     NUMA nodes asked for that a CPU set does not have
    ├── AssignmentInvalid     an assignment that is not ours or is damaged
    ├── ReportInvalid         a text that is not the binder's report
    └── LaunchFailed          a local worker that could not be started

Each carries one sentence for the user: what, where, the value, what would be right.
"""

from collections.abc import Sequence

from numalocal.problems import Problem


class NumalocalError(Exception):
    """The root of all our errors; its text is one sentence for the user."""


class ListInvalid(NumalocalError, ValueError):
    """A text that is not in the kernel's list format."""


class SpecInvalid(NumalocalError):
    """A document that cannot be used; `problems` holds all that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


class MachineUnreadable(NumalocalError):
    """A file of /sys or /proc, at `path`, that is missing or says what it cannot mean."""

    def __init__(self, path: str, message: str) -> None:
        self.path = path
        self.message = message
        super().__init__(f"{path}: {message}")


class PoolUnmet(NumalocalError):
    """A pool whose rule leaves no CPU set, or no shared CPU, on this machine."""


class SetsUnavailable(NumalocalError):
    """More CPU sets were asked for than there are."""


class MemoryUnreachable(NumalocalError):
    """A CPU set that has none of the NUMA nodes that its memory is asked from."""


class AssignmentInvalid(NumalocalError):
    """A text that is not an assignment written by `Assignment.to_json`."""


class ReportInvalid(NumalocalError):
    """A text that is not a report written by `numalocal-bind check`."""


class LaunchFailed(NumalocalError):
    """A worker that could not be started on this machine."""
