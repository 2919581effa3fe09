"""The chart as helm renders it, and the schema of the CRD."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import binaries
from lab.choices import chosen

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "numalocal"
EXAMPLES = ROOT / "examples"
GROUPS = Path(__file__).parent / "node-groups.yaml"

Document = Mapping[str, Any]
Helm = Callable[..., "subprocess.CompletedProcess[str]"]
Render = Callable[..., Sequence[Document]]


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Run helm with arguments; its exit status is the caller's to judge.

    A helm that is built from its module takes Kubernetes for an old one where no cluster is asked.
    """
    program = binaries.found_helm(os.environ)
    if program is None:
        pytest.skip("no helm: `make helm` builds one, or name one by NUMALOCAL_HELM")

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [str(program), *map(str, arguments)]
        if arguments[0] in ("template", "lint"):
            command.append(f"--kube-version={chosen(os.environ).release}")
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
    """Give the objects of the default values."""
    return by_name(render())


def by_name(documents: Sequence[Document]) -> Mapping[tuple[str, str], Document]:
    """Give objects by kind and name."""
    return {(one["kind"], one["metadata"]["name"]): one for one in documents}
