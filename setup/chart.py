"""Write the table of values in the chart's README, or with `--check` tell that it is out of date.

A value is told by the comment above it, as far as its first paragraph; one that has no comment is
part of the value around it.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
CHART = ROOT / "charts" / "numalocal"
README = CHART / "README.md"
BEGIN, END = "<!-- table of values -->\n", "<!-- end of the table -->\n"

Row = tuple[str, str, str]


def made() -> str:
    """Give the README's text with the table anew."""
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    rows = rows_of(yaml.compose(text, yaml.SafeLoader), text.splitlines())
    lines = ["| value | default | what |", "| --- | --- | --- |"]
    lines += [f"| `{name}` | {default} | {told} |" for name, default, told in rows]
    return "\n".join([f"{before}{BEGIN}", *lines, f"\n{END}{after}"])


def rows_of(mapping: yaml.Node, lines: Sequence[str], path: str = "") -> Iterator[Row]:
    """Give name, default and sentence of each value, in the file's order."""
    for key, value in mapping.value:
        name = f"{path}.{key.value}".lstrip(".")
        told = _comment(lines, key.start_mark.line)
        if any(_comment(lines, one.start_mark.line) for one, _ in _entries(value)):
            yield name, "", told
            yield from rows_of(value, lines, name)
        else:
            yield name, f"`{_default(value)}`", told


def _entries(node: yaml.Node) -> Sequence[tuple[yaml.Node, yaml.Node]]:
    return node.value if isinstance(node, yaml.MappingNode) else ()


def _default(node: yaml.Node) -> str:
    value = yaml.safe_load(yaml.serialize(node, Dumper=yaml.SafeDumper))
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...").replace("''", '""')


def _comment(lines: Sequence[str], at: int) -> str:
    """Join the first paragraph of the comment that ends above a line."""
    start = at
    while start and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    words = [line.lstrip().removeprefix("#").strip() for line in lines[start:at]]
    return (
        " ".join(words[: words.index("")] if "" in words else words)
        .replace("|", "\\|")
        .replace("<", "&lt;")
    )


def main() -> int:
    """Write, or only compare; 1 where the README is out of date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    text = made()
    if text == README.read_text(encoding="utf-8"):
        return 0
    if parser.parse_args().check:
        sys.stderr.write(f"{README.relative_to(ROOT)} is out of date: make chart\n")
        return 1
    README.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
