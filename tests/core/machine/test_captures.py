"""Discovery, judged by captures of real machines, see tests/topologies/README.md."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from captured import CAPTURES, TRUTHS, Truth, unpacked
from numalocal.idset import IdSet
from numalocal.machine.discovery import discover
from numalocal.machine.sysfs import Sysfs
from numalocal.machine.topology import document

Documents = Callable[[str], Truth]

FIELDS: dict[str, tuple[str, ...]] = {
    "online_cpus": (),
    "offline_cpus": (),
    "allowed_cpus": (),
    "allowed_nodes": (),
    "packages": ("id", "cpus"),
    "numa_nodes": ("id", "cpus", "memory_bytes"),
    "cores": ("cpus", "package", "numa"),
    "l3": ("cpus",),
    "numa_distances": (),
    "dies": (),
    "clusters": (),
    "books": (),
    "drawers": (),
    "cpu_kinds": ("cpus",),
}
"""The fields that are compared, and of those that list objects the members that count."""


def counting(value: Any, field: str) -> object:
    """Reduce a field to what counts: packages and kinds in any order, as two may share an id."""
    if value is None or not FIELDS[field]:
        return value
    objects = [tuple(one[member] for member in FIELDS[field]) for one in value]
    return sorted(objects, key=str) if field in {"packages", "cpu_kinds"} else objects


def expected(truth: Truth, field: str) -> object:
    """Give what a document must hold; what an answer leaves out has a meaning too."""
    meaning = {
        "allowed_cpus": truth["online_cpus"],
        "allowed_nodes": str(IdSet.of(node["id"] for node in truth["numa_nodes"])),
        "numa_distances": None,
    }
    return counting(truth.get(field, meaning.get(field, [])), field)


@pytest.fixture(scope="module")
def documents() -> Documents:
    @cache
    def discovered(name: str) -> Truth:
        return dict(document(discover(Sysfs(unpacked(name)))))

    return discovered


def test_every_capture_has_its_answer() -> None:
    assert {path.name.removesuffix(".tar.xz") for path in CAPTURES.glob("*.tar.xz")} == set(TRUTHS)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        pytest.param(name, field, id=f"{name}-{field}")
        for name, truth in TRUTHS.items()
        for field in FIELDS
        if field not in truth["doubtful"]
    ],
)
def test_discovery_agrees_with_hwloc(documents: Documents, name: str, field: str) -> None:
    assert counting(documents(name)[field], field) == expected(TRUTHS[name], field)


@pytest.mark.parametrize(
    "name", [name for name, truth in TRUTHS.items() if "thread_sibling_groups" in truth]
)
def test_cores_are_what_the_kernel_calls_thread_siblings(documents: Documents, name: str) -> None:
    cores = [core["cpus"] for core in documents(name)["cores"]]

    assert cores == TRUTHS[name]["thread_sibling_groups"]


BROKEN = {"inconsistent", "overlapping-nodes", "cpus-without-node", "empty-l3-mask"}


@pytest.mark.parametrize(
    "name", [name for name, truth in TRUTHS.items() if BROKEN.intersection(truth["quirks"])]
)
def test_what_is_inconsistent_is_found(documents: Documents, name: str) -> None:
    assert documents(name)["findings"]


@pytest.mark.parametrize("name", ["24em64t-2n6c2t", "40intel64-2g2n4c", "8em64t-4c2t"])
def test_nothing_is_found_on_a_plain_machine(documents: Documents, name: str) -> None:
    assert documents(name)["findings"] == []


def test_the_command_prints_the_document(documents: Documents) -> None:
    name = "256ppc-8n8s4t"
    command = [sys.executable, "-m", "numalocal.cli", "topology", "--root", str(unpacked(name))]

    done = subprocess.run([*command, "-o", "json"], capture_output=True, text=True, check=True)

    assert documents(name).items() <= json.loads(done.stdout).items()  # and the CPU sets
    assert done.stderr == ""
