"""The chart as it is given away: what it says of itself, its README, and its archive."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from numalocal.worker.spec import parse_worker

from .conftest import CHART, ROOT, Helm, Render
from .test_images import images

ABOUT: Mapping[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text())


def told(name: str) -> Any:
    return yaml.safe_load(ABOUT["annotations"][f"artifacthub.io/{name}"])


def test_it_says_which_images_it_runs(render: Render) -> None:
    assert {one["name"]: one["image"] for one in told("images")} == images(render())


def test_it_says_which_kinds_it_brings() -> None:
    brought = {
        (crd["spec"]["names"]["kind"], crd["spec"]["versions"][0]["name"], crd["metadata"]["name"])
        for crd in map(yaml.safe_load, (one.read_text() for one in CHART.glob("definitions/*")))
    }

    assert {(one["kind"], one["version"], one["name"]) for one in told("crds")} == brought


def test_its_examples_are_workers() -> None:
    for example in told("crdsExamples"):
        metadata = {**example["metadata"], "namespace": "default", "uid": "w-1", "generation": 1}
        assert parse_worker({**example, "metadata": metadata}).ranks == 2


def test_it_has_the_icon_that_it_names() -> None:
    path = ABOUT["icon"].partition("/main/")[2]

    assert ET.parse(ROOT / path).getroot().tag.endswith("svg")


def test_its_readme_has_every_value_and_what_is_told_of_it() -> None:
    check = [sys.executable, str(ROOT / "setup" / "chart.py"), "--check"]

    done = subprocess.run(check, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    readme = (CHART / "README.md").read_text()
    for value in ("images.agent", "agent.idle", "operator.namespace", "metrics.alerts.enabled"):
        assert f"| `{value}` | " in readme


def test_every_row_of_the_readme_says_what_it_is() -> None:
    rows = [one for one in (CHART / "README.md").read_text().splitlines() if one.startswith("| `")]

    assert len(rows) > 40
    assert [one for one in rows if not one.endswith(". |")] == []


def test_its_archive_renders_what_the_folder_does(
    helm: Helm, render: Render, tmp_path: Path
) -> None:
    made = helm("package", CHART, "--destination", tmp_path)
    assert made.returncode == 0, made.stderr

    assert render(chart=tmp_path / f"numalocal-{ABOUT['version']}.tgz") == render()
