"""Print what an extra of pyproject.toml needs, one requirement a line: `dependencies.py EXTRA`.

An image installs this as a layer of its own, which a change of our code does not touch.
"""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
requirements = [*project["dependencies"], *project["optional-dependencies"][sys.argv[1]]]
sys.stdout.write("".join(f"{one}\n" for one in requirements))
