"""What a newcomer's machine is told: how packages are reached from here, and nothing else."""

from pathlib import Path

import pytest

from lab import newcomer

DUMP = """
Acquire "";
Acquire::http "";
Acquire::http::Proxy "http://proxy:3128";
Acquire::https::CaInfo "/etc/ssl/own.pem";
Acquire::Check-Valid-Until "false";
Acquire::Retries "3";
Acquire::Languages:: "none";
Acquire::Changelogs::URI::Origin::Debian "https://changelogs/@CHANGEPATH@";
"""


def test_apt_is_told_how_servers_are_spoken_to() -> None:
    assert newcomer.apt_options(DUMP) == [
        'Acquire::http::Proxy "http://proxy:3128";',
        'Acquire::https::CaInfo "/etc/ssl/own.pem";',
        'Acquire::Check-Valid-Until "false";',
        'Acquire::Retries "3";',
    ]


@pytest.mark.parametrize(
    ("addresses", "chosen"),
    [
        ([], None),
        (["http://near/debian/", "http://far/debian/"], "http://far/debian/"),
        (["http://near/debian-security/", "http://near/debian/"], "http://near/debian/"),
        (["http://near/debian", "http://other/tool/"], "http://near/debian"),
        (["http://near/ubuntu/"], None),
    ],
)
def test_a_mirror_of_debian_is_taken_where_apt_knows_one(
    addresses: list[str], chosen: str | None
) -> None:
    assert newcomer.mirror(addresses) == chosen


def test_variables_that_say_how_packages_are_reached_are_kept_and_no_others() -> None:
    kept = {"PIP_INDEX_URL": "x", "https_proxy": "x", "NO_PROXY": "x", "GOPROXY": "x"}
    others = {"NUMALOCAL_SKIPS": "fail", "NUMALOCAL_CACHE": "/x", "PATH": "/mine", "LANG": "C"}

    told = newcomer.variables(kept | others)

    assert {name: value for name, value in told.items() if value == "x"} == kept
    assert sorted(told.keys() - kept.keys()) == ["HOME", "PATH", "TERM"]
    assert told["PATH"] != "/mine"


def test_a_file_that_a_variable_names_comes_along_where_it_exists(tmp_path: Path) -> None:
    bundle, wheels = tmp_path / "ca.pem", tmp_path / "wheels"
    bundle.touch()
    environ = {"PIP_CERT": str(bundle), "PIP_FIND_LINKS": str(wheels), "EDITOR": "/bin/sh"}

    files = newcomer.configuration_files(environ)

    assert bundle in files
    assert not {wheels, Path("/bin/sh")} & set(files)
    assert all(path.exists() for path in files)
