"""What a command loads: one that only shows starts in an instant."""

import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ENVIRONMENT, ROOT

LOADED = """
import sys
from numalocal import cli
status = cli.main(sys.argv[1:])
print(status, "psutil" in sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "loads"),
    [
        (["topology"], False),
        (["plan", "-f", str(ROOT / "examples" / "local.yaml")], False),
        (["run", "-f", "/nowhere"], True),
    ],
    ids=["topology", "plan", "run"],
)
def test_psutil_is_loaded_by_run_alone(
    arguments: list[str], *, loads: bool, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr.split()[-1] == str(loads)
