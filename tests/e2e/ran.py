"""What was run on the lab, and how it went: `make runs` makes a table of it in docs/runtimes.md."""

import json
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from lab.choices import chosen
from lab.cluster import Lab
from lab.shape import SHAPES

FOLDER = Path(__file__).parents[2] / "build" / "runs"
VARIABLE = "NUMALOCAL_LAB_SUITE"
"""Names the suite that is run; a run of some tests alone has none, and leaves no trace."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What the node says that it is of."""

    containerd: str
    runc: str
    kubernetes: str
    linux: str
    machine: str


@dataclass(slots=True)
class Run:
    """One that has begun: `pair` is known once the lab is up."""

    suite: str
    begun_s: float = field(default_factory=time.monotonic)
    pair: Pair | None = None

    def write(self, *, passed: int, failed: int) -> None:
        """Keep it, in place of what was kept of the same pair and suite."""
        if self.pair is None or not self.suite:
            return
        pair = {name: getattr(self.pair, name) for name in Pair.__slots__}
        minutes = round((time.monotonic() - self.begun_s) / 60)
        told = {"suite": self.suite, **pair, "passed": passed, "failed": failed, "minutes": minutes}
        FOLDER.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^\w.]+", "-", "-".join([*pair.values(), self.suite]))
        (FOLDER / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n")


def begun() -> Run:
    """Begin a run of the suite that the environment names."""
    return Run(os.environ.get(VARIABLE, ""))


def seen(lab: Lab) -> Pair:
    """Ask the node for its versions."""
    told = lab.kubectl_json("get", "nodes")["items"][0]["status"]["nodeInfo"]
    shape = chosen(os.environ).shape
    return Pair(
        containerd=_version(told["containerRuntimeVersion"]),
        runc=_version(lab.node("runc --version")),
        kubernetes=_version(told["kubeletVersion"]),
        linux=_version(told["kernelVersion"]),
        machine=next(name for name, one in SHAPES.items() if one == shape),
    )


def _version(text: str) -> str:
    found = re.search(r"\d+\.\d+(\.\d+)?", text)
    return found[0] if found else "unknown"
