"""The chart as helm renders it, and the schema of the CRD."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "numalocal"
EXAMPLES = ROOT / "examples"

Document = Mapping[str, Any]
Helm = Callable[..., "subprocess.CompletedProcess[str]"]
Render = Callable[..., Sequence[Document]]


def find_helm(environ: Mapping[str, str]) -> Path | None:
    """Look where NUMALOCAL_HELM says, then on PATH, then among what the lab has built."""
    if named := environ.get("NUMALOCAL_HELM"):
        return Path(named)
    if found := shutil.which("helm", path=environ.get("PATH")):
        return Path(found)
    cache = environ.get("NUMALOCAL_CACHE")
    folder = Path(cache) if cache else Path.home() / ".cache" / "numalocal"
    built = sorted(folder.glob("helm-*/helm"), key=lambda path: path.stat().st_mtime)
    return built[-1] if built else None


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Run helm with arguments; its exit status is the caller's to judge."""
    program = find_helm(os.environ)
    if program is None:
        pytest.skip("no helm: `make lab` builds one, or name one by NUMALOCAL_HELM")

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [str(program), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture(scope="session")
def render(helm: Helm) -> Render:
    """Render the chart, by default ours, as the release numalocal; give its objects."""

    def documents(*arguments: str, chart: Path = CHART) -> Sequence[Document]:
        made = helm("template", "numalocal", chart, "--namespace=numalocal-system", *arguments)
        assert made.returncode == 0, made.stderr
        return [document for document in yaml.safe_load_all(made.stdout) if document]

    return documents


@pytest.fixture(scope="session")
def objects(render: Render) -> Mapping[tuple[str, str], Document]:
    """Give the objects of the default values by kind and name."""
    return {(one["kind"], one["metadata"]["name"]): one for one in render()}
