"""Settings of all tests, and what may be skipped where nothing else may."""

import os
from collections.abc import Generator
from fnmatch import fnmatchcase
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

# A machine that is busy with other things is slow now and then; that is no failure.  Nor is a
# change judged by luck: examples are the same each time, but where somebody looks for others.
settings.register_profile(
    "numalocal",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="NUMALOCAL_EXPLORE" not in os.environ,
)
settings.load_profile("numalocal")

MAY_BE_SKIPPED = {
    # test and its reason, as patterns: why no set-up can help
    ("*/test_exec.py::test_memory_that_was_taken_before_is_moved*", "one NUMA node: *"): (
        "e2e/test_bare_machines.py moves memory on a machine that has two"
    ),
    ("*/test_report.py::*", "this is a container of a pod"): "its termination log is the pod's",
    ("*/test_overflow_cost.py::test_both_rates*", "others used these CPUs"): (
        "e2e/test_bare_machines.py measures on CPUs that nobody else uses"
    ),
    ("*", "only root can *"): "CI is root",
    ("*", "system call numbers unknown"): "the filters are written for x86-64 and ARM",
}
"""With NUMALOCAL_SKIPS=fail, as .ci/run has it, every other skip is a failure."""

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


@pytest.fixture
def measured() -> dict[str, str]:
    """Give what a process with an environment of its own needs to be measured as well."""
    return {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return judged((yield))


def judged(report: Report) -> Report:
    """Fail what was skipped and may not be; a test that fails as expected is none of these."""
    if os.environ.get("NUMALOCAL_SKIPS") != "fail" or not report.skipped:
        return report
    if hasattr(report, "wasxfail") or not isinstance(report.longrepr, tuple):
        return report
    reason = report.longrepr[2].removeprefix("Skipped: ")
    for test, why in MAY_BE_SKIPPED:
        if fnmatchcase(report.nodeid, test) and fnmatchcase(reason, why):
            return report
    report.outcome = "failed"
    report.longrepr = f"skipped, and not in MAY_BE_SKIPPED of tests/conftest.py: {reason}"
    return report
