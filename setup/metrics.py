"""Write what is made of the table of metrics, or with `--check` tell what is out of date.

The table of docs/metrics.md, and of the chart the dashboard and the alerts.
"""

import argparse
import json
import sys
from pathlib import Path

import alerts
import dashboard
import yaml

from numalocal_deviceplugin.node.table import TABLE, Metric

ROOT = Path(__file__).parents[1]
CHART = ROOT / "charts" / "numalocal"
DOCUMENT = ROOT / "docs" / "metrics.md"
BEGIN, END = "<!-- table of metrics -->\n", "<!-- end of the table -->\n"


def files() -> dict[Path, str]:
    """Give every file with its text."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    return {
        DOCUMENT: f"{before}{BEGIN}\n{_table()}\n{END}{after}",
        CHART / "dashboards" / "numalocal.json": f"{json.dumps(dashboard.made(), indent=1)}\n",
        CHART / "alerts" / "numalocal.yaml": yaml.safe_dump(
            alerts.made(), sort_keys=False, width=120, allow_unicode=True
        ),
    }


def _table() -> str:
    rows = [_row(one) for one in TABLE]
    return "".join(["| name | kind | labels | what |\n| --- | --- | --- | --- |\n", *rows])


def _row(one: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in one.labels)
    return f"| `{one.name}` | {one.kind} | {labels} | {one.help} |\n"


def main() -> int:
    """Write, or only compare; 1 where a file is out of date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    stale = [
        path
        for path, text in files().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        if check:
            sys.stderr.write(f"{path.relative_to(ROOT)} is out of date: make metrics\n")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(files()[path], encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
