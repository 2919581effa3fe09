"""Write what was run on the lab into the table of docs/runtimes.md: its rows are runs alone.

A run leaves a file in build/runs (tests/e2e/ran.py), which replaces the row of the same versions,
machine and suite.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "build" / "runs"
DOCUMENT = ROOT / "docs" / "runtimes.md"
BEGIN, END = "<!-- table of runs -->\n", "<!-- end of the table -->\n"
HEAD = (
    "| containerd | runc | Kubernetes | machine | Linux | suite | passed | minutes |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |\n"
)
_SAME = (0, 1, 2, 3, 5)
"""The columns that tell a run from others."""

Row = tuple[str, ...]


def row(run: Mapping[str, str | int]) -> Row:
    """Give a run's row."""
    passed, failed = int(run["passed"]), int(run["failed"])
    told = (run[name] for name in ("containerd", "runc", "kubernetes", "machine", "linux", "suite"))
    return (*map(str, told), f"{passed} of {passed + failed}", str(run["minutes"]))


def rows(text: str) -> list[Row]:
    """Read the rows that the document has."""
    table = text.partition(BEGIN)[2].partition(END)[0]
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


def with_runs(text: str, runs: Iterable[Mapping[str, str | int]]) -> str:
    """Give the document with these runs in its table, newest versions first."""
    kept = {_key(one): one for one in [*rows(text), *map(row, runs)]}
    ordered = sorted(kept.values(), key=lambda one: [_number(one[0]), _number(one[2]), *one[3:]])
    lines = [f"| {' | '.join(one)} |\n" for one in reversed(ordered)]
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{HEAD}{''.join(lines)}\n{END}{rest.partition(END)[2]}"


def _key(one: Row) -> Row:
    return tuple(one[place] for place in _SAME)


def _number(version: str) -> str:
    return ".".join(part.zfill(4) for part in version.split("."))


def main() -> None:
    """Put every run of build/runs into the table."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RUNS.glob("*.json"))]
    made = with_runs(DOCUMENT.read_text(encoding="utf-8"), runs)
    DOCUMENT.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
