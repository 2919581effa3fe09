"""The node's own keys as a disk, and the files that its image is made with."""

import io
import json
import re
import tarfile
from pathlib import Path

import pytest

from lab import control_plane, network
from lab.certificates import Authority
from lab.node import Shell, config_disk
from lab.node_image import FILES


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    authority = control_plane.certificates(tmp_path_factory.mktemp("pki"))
    return config_disk(authority, "ssh-ed25519 AAAA lab\n")


def text(name: str) -> str:
    return (FILES / "etc" / name).read_text()


def test_the_disk_holds_the_nodes_identity_and_nobody_may_read_it(disk: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(disk)) as archive:
        entries = {entry.name: entry.mode for entry in archive}
        authorized = archive.extractfile("root/.ssh/authorized_keys")
        assert authorized is not None
        assert authorized.read() == b"ssh-ed25519 AAAA lab\n"

    assert set(entries) == {
        "etc/kubernetes/ca.crt",
        "etc/kubernetes/kubelet.crt",
        "etc/kubernetes/kubelet.key",
        "etc/kubernetes/kubelet.kubeconfig",
        "etc/kubernetes/proxy.kubeconfig",
        "etc/ssh/ssh_host_ed25519_key",
        "root/.ssh/authorized_keys",
    }
    assert set(entries.values()) == {0o600}


def test_the_disk_is_whole_sectors(disk: bytes) -> None:
    assert len(disk) % 512 == 0


def test_the_authoritys_key_stays_here(disk: bytes, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    private = (tmp_path / "ca.key").read_bytes()

    assert private not in config_disk(authority_with_names(authority), "key\n")


def authority_with_names(authority: Authority) -> Authority:
    for name in ("kubelet", "proxy"):
        authority.issue(name, name)
    return authority


def test_the_shell_enters_by_the_namespace_with_the_labs_key(tmp_path: Path) -> None:
    command = Shell(tmp_path / "node-key")._ssh()

    assert tuple(command[:4]) == network.ENTER
    assert command[command.index("-i") + 1] == str(tmp_path / "node-key")
    assert command[-1] == f"root@{network.NODE}"


def test_commands_share_one_connection_and_never_open_it_themselves(tmp_path: Path) -> None:
    command = Shell(tmp_path / "node-key")._ssh()

    assert f"ControlPath={tmp_path}/ssh" in command
    assert not any(word.startswith(("ControlMaster", "ControlPersist")) for word in command)
    assert command[command.index("-F") + 1] == "none"


def test_the_kubelet_pins_nothing_itself() -> None:
    config = json.loads(text("kubernetes/kubelet.json"))

    assert config["cgroupDriver"] == "systemd"
    assert config["failSwapOn"] is False
    assert not {"cpuManagerPolicy", "topologyManagerPolicy", "memoryManagerPolicy"} & set(config)


def test_the_nodes_files_and_the_network_tell_the_same_addresses() -> None:
    address = f"{network.NODE}/{network.PREFIX_BITS}"
    (plugin, _) = json.loads(text("cni/net.d/10-lab.conflist"))["plugins"]

    assert f"Address={address}\n" in text("systemd/network/10-lab.network")
    assert f"Gateway={network.CONTROL_PLANE}\n" in text("systemd/network/10-lab.network")
    assert f"--node-ip={network.NODE} " in text("systemd/system/kubelet.service")
    assert f"--cluster-cidr={network.PODS}\n" in text("systemd/system/kube-proxy.service")
    assert plugin["ipam"]["ranges"] == [[{"subnet": network.PODS}]]
    assert plugin["hairpinMode"] is True


def test_the_units_read_what_the_disk_brings(disk: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(disk)) as archive:
        brought = {f"/{name}" for name in archive.getnames()}
    brought |= {f"/{path.relative_to(FILES)}" for path in FILES.rglob("*") if path.is_file()}

    told = "".join(
        text(name)
        for name in (
            "systemd/system/kubelet.service",
            "systemd/system/kube-proxy.service",
            "kubernetes/kubelet.json",
        )
    )

    wanted = set(re.findall(r"/etc/kubernetes/[\w.]+", told))
    assert len(wanted) == 6
    assert wanted <= brought
