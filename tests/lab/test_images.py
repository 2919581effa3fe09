"""What the lab builds is what the sources say, and a changed source is never missed."""

import re
from pathlib import Path

import pytest
import yaml

from lab import base_image, binaries, golang, images
from lab.node_image import FILES

ROOT = Path(__file__).parents[2]


def lines(name: str) -> list[str]:
    return (ROOT / name).read_text().splitlines()


def test_the_targets_are_the_dockerfiles() -> None:
    stages = re.findall(r"^FROM .* AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)

    assert set(images.TARGETS) < set(stages)


def test_the_base_has_the_name_that_the_dockerfile_asks_for() -> None:
    assert f"ARG BASE_IMAGE={base_image.NAME}" in lines("Dockerfile")


def test_the_tag_is_the_charts() -> None:
    chart = yaml.safe_load((ROOT / "charts" / "numalocal" / "Chart.yaml").read_text())

    assert chart["appVersion"] == images.VERSION


@pytest.mark.parametrize(
    "allowed", [line[1:] for line in lines(".dockerignore") if line.startswith("!")]
)
def test_all_that_a_build_can_see_is_in_the_key_of_the_images(allowed: str) -> None:
    assert allowed in images.SOURCES


def test_every_source_exists() -> None:
    assert [one for one in images.SOURCES if not (ROOT / one).exists()] == []


@pytest.mark.parametrize(("version", "release"), binaries.RELEASES.items())
def test_the_go_module_names_the_version_that_is_reported(version: str, release: str) -> None:
    module = (binaries.SOURCE / version / "go.mod").read_text()

    assert release.startswith(f"v{version}.")
    assert f"k8s.io/kubernetes {release}\n" in module


@pytest.mark.parametrize(("version", "release"), binaries.RELEASES.items())
def test_every_staging_module_is_the_one_of_that_version(version: str, release: str) -> None:
    staging = release.replace("v1.", "v0.", 1)
    module = (binaries.SOURCE / version / "go.mod").read_text()

    replaced = re.findall(r"^replace (\S+) => (\S+) (\S+)$", module, re.MULTILINE)

    assert len(replaced) > 30
    assert {(old == new, version) for old, new, version in replaced} == {(True, staging)}


def test_every_component_is_known_to_the_binary() -> None:
    source = (binaries.SOURCE / "main.go").read_text()

    assert set(re.findall(r'^\t\t"(\S+)":', source, re.MULTILINE)) == set(binaries.COMPONENTS)


@pytest.mark.parametrize(
    ("said", "minor"),
    [
        ("go version go1.26.8 linux/amd64", 26),
        ("go version go1.27rc1 linux/arm64", 27),
        ("go version devel", 0),
    ],
)
def test_the_version_of_go_is_read(said: str, minor: int) -> None:
    assert golang._minor(said) == minor


def test_no_secret_is_part_of_the_nodes_image() -> None:
    every = FILES.parent.rglob("*")
    held = [path for path in every if path.suffix in {".key", ".crt", ".kubeconfig"}]

    assert held == []
