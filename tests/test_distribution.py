"""The wheel that the build backend makes holds the three packages, typed, and nothing else."""

import tomllib
import zipfile
from collections.abc import Mapping
from email import message_from_string
from email.message import Message
from pathlib import Path, PurePosixPath

import pytest
from hatchling import build

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGES = {
    "numalocal": "core",
    "numalocal_deviceplugin": "deviceplugin",
    "numalocal_operator": "operator",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Give the text of each file of the wheel by its name there."""
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)  # a build backend's hooks are called in the root of the source
        name = build.build_wheel(str(folder))
    with zipfile.ZipFile(folder / name) as archive:
        return {one: archive.read(one).decode(errors="replace") for one in archive.namelist()}


@pytest.fixture(scope="module")
def metadata(wheel: Mapping[str, str]) -> Message:
    (name,) = (name for name in wheel if name.endswith(".dist-info/METADATA"))
    return message_from_string(wheel[name])


def test_every_file_of_the_packages_is_in_it(wheel: Mapping[str, str]) -> None:
    ours = {
        str(path.relative_to(ROOT / root))
        for package, root in PACKAGES.items()
        for path in (ROOT / root / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }

    assert {name for name in wheel if PurePosixPath(name).parts[0] in PACKAGES} == ours


def test_nothing_else_is_in_it_but_what_describes_it(wheel: Mapping[str, str]) -> None:
    version = PROJECT["version"]
    roots = {PurePosixPath(name).parts[0] for name in wheel}

    assert roots - PACKAGES.keys() <= {
        f"numalocal-{version}.{end}" for end in ("dist-info", "data")
    }
    assert not [name for name in wheel if "test" in PurePosixPath(name).name]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_that_it_is_typed(wheel: Mapping[str, str], package: str) -> None:
    assert wheel[f"{package}/py.typed"] == ""


def test_its_programs_are_ours(wheel: Mapping[str, str]) -> None:
    (text,) = (text for name, text in wheel.items() if name.endswith("entry_points.txt"))

    lines = [f"{name} = {target}" for name, target in PROJECT["scripts"].items()]
    assert text.splitlines() == ["[console_scripts]", *sorted(lines)]


def test_it_says_where_the_project_lives(metadata: Message) -> None:
    urls = metadata.get_all("Project-URL", [])

    assert [one.split(", ")[0] for one in urls] == [*PROJECT["urls"]]
    assert all("https://github.com/numalocal/numalocal" in one for one in urls)


def test_it_has_its_licence(wheel: Mapping[str, str], metadata: Message) -> None:
    assert metadata["License-Expression"] == "Apache-2.0"
    assert any(name.endswith("licenses/LICENSE") for name in wheel)
