from pathlib import Path

import pytest

from numalocal.errors import SpecInvalid
from numalocal.sets.pools import Pool
from numalocal_deviceplugin.config import Config, parse


def test_the_defaults_are_the_paths_of_a_node() -> None:
    assert parse([], {}) == Config(
        root=Path("/"),
        device_plugin_dir=Path("/var/lib/kubelet/device-plugins"),
        pod_resources_socket=Path("/var/lib/kubelet/pod-resources/kubelet.sock"),
        nri_socket=Path("/var/run/nri/nri.sock"),
        pools=(),
        node_name="",
        log_level="info",
    )


def test_the_node_name_comes_from_the_environment_or_the_flag() -> None:
    environment = {"NODE_NAME": "worker-1"}

    assert parse([], environment).node_name == "worker-1"
    assert parse(["--node-name", "worker-2"], environment).node_name == "worker-2"


def test_pools_are_read_from_their_file(tmp_path: Path) -> None:
    file = tmp_path / "pools.yaml"
    file.write_text("pools:\n- {name: small, size: 4, reserve: 2}\n")

    config = parse(["--pools", str(file)], {})

    assert config.pools == (Pool(name="small", size=4, reserve=2),)


def test_an_empty_list_leaves_the_pools_to_the_machine(tmp_path: Path) -> None:
    file = tmp_path / "pools.yaml"
    file.write_text("[]\n")

    assert parse(["--pools", str(file)], {}).pools == ()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- {name: Small, size: 0}", "pools[0].size"),
        ("", "must hold one YAML document, holds 0"),
        ("[", "is not YAML"),
    ],
    ids=["problems", "empty", "malformed"],
)
def test_a_pool_file_with_problems_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "pools.yaml"
    file.write_text(text)

    with pytest.raises(SpecInvalid) as caught:
        parse(["--pools", str(file)], {})

    assert sentence in str(caught.value)


def test_a_pool_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecInvalid, match="cannot be read"):
        parse(["--pools", str(tmp_path / "none.yaml")], {})


@pytest.mark.parametrize("arguments", [["--nope"], ["--log-level", "loud"], ["--pool", "x"]])
def test_unknown_flags_and_values_end_the_start(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(arguments, {})
    assert "usage:" in capsys.readouterr().err
