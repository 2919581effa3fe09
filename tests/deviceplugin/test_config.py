from pathlib import Path

import pytest

from numalocal.sets.memoryask import Enforcement
from numalocal_deviceplugin.config import Address, Config, parse
from numalocal_deviceplugin.settings import Idle


def test_the_defaults_are_the_paths_of_a_node() -> None:
    assert parse([], {}) == Config(
        root=Path("/"),
        cgroup_root=Path("/sys/fs/cgroup"),
        device_plugin_dir=Path("/var/lib/kubelet/device-plugins"),
        pod_resources_socket=Path("/var/lib/kubelet/pod-resources/kubelet.sock"),
        nri_socket=Path("/var/run/nri/nri.sock"),
        nri_index="10",
        pools_file=None,
        idle=Idle.SHARED,
        enforcement=Enforcement.REQUIRED,
        left_alone=frozenset(),
        http_address=Address("", 9461),
        node_name="",
        log_level="info",
    )


def test_the_node_name_comes_from_the_environment_or_the_flag() -> None:
    environment = {"NODE_NAME": "worker-1"}

    assert parse([], environment).node_name == "worker-1"
    assert parse(["--node-name", "worker-2"], environment).node_name == "worker-2"


def test_the_cgroup_tree_is_the_roots_unless_it_is_mounted_elsewhere() -> None:
    assert parse(["--root=/r"], {}).cgroup_root == Path("/r/sys/fs/cgroup")
    assert parse(["--root=/r", "--cgroup-root=/host"], {}).cgroup_root == Path("/host")


def test_namespaces_to_leave_alone_are_given_one_by_one() -> None:
    config = parse(["--leave-alone=kube-system", "--leave-alone", "gpu-operator"], {})

    assert config.left_alone == {"kube-system", "gpu-operator"}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":9461", Address("", 9461)),
        (":0", Address("", 0)),
        ("127.0.0.1:80", Address("127.0.0.1", 80)),
        ("[::1]:65535", Address("::1", 65535)),
        ("localhost:9461", Address("localhost", 9461)),
        ("", None),
    ],
)
def test_an_address_to_listen_on_is_read(text: str, address: Address | None) -> None:
    assert parse([f"--http-address={text}"], {}).http_address == address


@pytest.mark.parametrize(
    "argument",
    [
        "--nope",
        "--pool=x",
        "--log-level=loud",
        "--idle=Shared",
        "--idle=",
        "--enforcement=besteffort",
        "--enforcement=",
        "--leave-alone=",
        "--leave-alone=Kube",
        "--leave-alone=-a",
        "--leave-alone=a,b",
        f"--leave-alone={'a' * 64}",
        "--nri-index=7",
        "--nri-index=007",
        "--nri-index=-1",
        "--nri-index=²²",
        "--http-address=9461",
        "--http-address=:",
        "--http-address=:65536",
        "--http-address=:9461x",
        "--http-address=::1:9461",
        "--http-address=:²",
        "--http-address=http://a:1",
    ],
)
def test_unknown_flags_and_values_end_the_start(
    argument: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse([argument], {})

    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_all_that_is_wrong_with_values_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--idle=no", "--nri-index=1", "--leave-alone=A", "--http-address=x"], {})

    error = capsys.readouterr().err.splitlines()[-1]
    assert error == (
        "numalocal-deviceplugin: error: --idle: 'no' must be one of shared, exclusive; "
        "--leave-alone: 'A' must be a namespace, such as kube-system; "
        "--nri-index: '1' must be two digits, such as 10; "
        "--http-address: 'x' must be [host]:port, such as :9461, 127.0.0.1:9461 or [::1]:9461, "
        "or empty"
    )


def test_a_value_of_any_length_is_told_in_one_short_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        parse([f"--nri-index={'1' * 10_000}\n"], {})

    assert len(capsys.readouterr().err.splitlines()[-1]) < 250
