"""Certificates of one lab, judged by openssl, and the kubeconfig that carries them."""

import base64
import json
import subprocess
from pathlib import Path

import pytest

from lab.certificates import Authority, kubeconfig


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("pki"))
    made.issue(
        "kubelet",
        "system:node:numalocal-0",
        organization="system:nodes",
        addresses=("10.95.0.10", "numalocal-0"),
    )
    return made


def openssl(*arguments: str | Path) -> str:
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_certificate_is_signed_for_both_directions(authority: Authority) -> None:
    certificate = authority.folder / "kubelet.crt"

    for purpose in ("sslclient", "sslserver"):
        checked = openssl(
            "verify", "-purpose", purpose, "-CAfile", authority.certificate, certificate
        )
        assert checked.strip().endswith("OK")


def test_a_certificate_names_its_user_group_and_addresses(authority: Authority) -> None:
    shown = openssl(
        *("x509", "-in", authority.folder / "kubelet.crt", "-noout", "-subject"),
        *("-nameopt", "RFC2253", "-ext", "subjectAltName"),
    )

    assert "subject=CN=system:node:numalocal-0,O=system:nodes" in shown
    assert "IP Address:10.95.0.10, DNS:numalocal-0" in shown


def test_an_authority_that_is_there_is_kept(authority: Authority) -> None:
    before = authority.certificate.read_bytes()

    assert Authority(authority.folder).certificate.read_bytes() == before


def test_a_kubeconfig_carries_everything_in_itself(authority: Authority) -> None:
    config = json.loads(authority.kubeconfig("kubelet", "https://127.0.0.1:1"))

    user = config["users"][0]["user"]
    encoded = user["client-certificate-data"]
    assert base64.b64decode(encoded) == (authority.folder / "kubelet.crt").read_bytes()
    assert set(user) == {"client-certificate-data", "client-key-data"}  # no path of a file


def test_a_kubeconfig_has_one_context_and_it_is_current() -> None:
    config = json.loads(kubeconfig("https://10.95.0.1:6443", b"ca", b"cert", b"key"))

    assert config == {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "lab",
                "cluster": {
                    "server": "https://10.95.0.1:6443",
                    "certificate-authority-data": "Y2E=",
                },
            }
        ],
        "users": [
            {
                "name": "lab",
                "user": {"client-certificate-data": "Y2VydA==", "client-key-data": "a2V5"},
            }
        ],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
        "current-context": "lab",
    }
