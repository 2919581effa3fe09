"""Print documents and pictures."""

import json
import os
import sys
from collections.abc import Mapping


def document(content: Mapping[str, object]) -> None:
    """Print a JSON object, a line for each of its fields and for each member of a list."""
    fields = ",\n".join(f"  {json.dumps(name)}: {_value(value)}" for name, value in content.items())
    sys.stdout.write(f"{{\n{fields}\n}}\n")


def _value(value: object) -> str:
    if not isinstance(value, list) or not value:
        return json.dumps(value)
    members = ",\n".join(f"    {json.dumps(one)}" for one in value)
    return f"[\n{members}\n  ]"


def width() -> int:
    """How many characters a line has: the terminal's, $COLUMNS, or 100 where there is neither."""
    try:
        return int(os.environ.get("COLUMNS", "")) or os.get_terminal_size().columns
    except (ValueError, OSError):
        return 100


def colour() -> bool:
    """Colour is for terminals whose user does not set NO_COLOR (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
