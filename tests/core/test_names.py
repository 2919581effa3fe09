import tomllib
from pathlib import Path

import yaml

from numalocal import names

ROOT = Path(__file__).parents[2]


def test_all_parts_are_of_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((ROOT / "charts" / "numalocal" / "Chart.yaml").read_text())

    assert project["version"] == chart["version"] == chart["appVersion"] == names.VERSION
