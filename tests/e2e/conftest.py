"""The lab with numalocal installed by helm, and workers that are gone after each test."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import nodeless
import ran
from annotated import Annotated
from installed import install
from lab.api_server import ApiServer
from lab.choices import Choices, chosen
from lab.cluster import Lab, down, running, up
from lab.commands import LabError
from lab.shape import SHAPES, TWO_NODES
from workers import Workers

RUN = pytest.StashKey[ran.Run]()
LOGS = Path(__file__).parents[2] / "build" / "e2e-logs"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs the lab, and leave out what needs another lab than the one chosen."""
    ours = [one for one in items if Path(__file__).parent in one.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.e2e)
        if "lab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.node)
    choices = chosen(os.environ)
    others = {one for one in ours if _is_of_another(one, choices)}
    items[:] = [one for one in items if one not in others]
    config.hook.pytest_deselected(items=list(others))


def _is_of_another(item: pytest.Item, choices: Choices) -> bool:
    if item.get_closest_marker("node") is None:
        return False
    if item.get_closest_marker("validator") and not choices.runtime.validates:
        return True
    asked = item.get_closest_marker("shape")
    return (SHAPES[asked.args[0]] if asked else TWO_NODES) != choices.shape


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[RUN] = ran.begun()


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        told = {kind: len(reporter.stats.get(kind, ())) for kind in ("passed", "failed", "error")}
        failed = told["failed"] + told["error"]
        # There is none where this file was found among other tests, after the session's start.
        if (run := session.config.stash.get(RUN, None)) is not None:
            run.write(passed=told["passed"], failed=failed)


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Use the lab of `make lab` where one runs, and leave it; else one for these tests alone."""
    found = running()
    made = up()
    try:
        try:
            install(made)
        except LabError:
            made.collect_logs(LOGS / "install")
            raise
        request.config.stash[RUN].pair = ran.seen(made)
        yield made
    finally:
        if found is None:
            down()


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The chart on an API server without nodes."""
    with nodeless.installed(tmp_path_factory.mktemp("api")) as found:
        yield found


@pytest.fixture
def workers(lab: Lab) -> Iterator[Workers]:
    made = Workers(lab)
    yield made
    made.delete_all()


@pytest.fixture
def annotated(lab: Lab) -> Iterator[Annotated]:
    made = Annotated(lab)
    yield made
    made.delete_all()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Keep the logs of everything where a test has failed."""
    report = yield
    fixtures = getattr(item, "funcargs", {})
    if report.failed and isinstance(lab := fixtures.get("lab"), Lab):  # type: ignore[attr-defined]
        folder = LOGS / re.sub(r"\W+", "-", item.name).strip("-")
        lab.collect_logs(folder)
        report.sections.append(("logs", f"kept in {folder}"))  # type: ignore[attr-defined]
    return report
