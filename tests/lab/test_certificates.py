"""Certificates that the components accept, and the kubeconfig files that carry them."""

import base64
import json
import subprocess
from pathlib import Path

from lab.certificates import Authority, kubeconfig


def test_what_is_issued_is_signed_and_names_its_holder(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    authority.issue(
        "node", "system:node:a", organization="system:nodes", addresses=("10.0.0.1", "a")
    )

    certificate = str(tmp_path / "node.crt")
    verify = ["openssl", "verify", "-CAfile", str(authority.certificate), certificate]
    show = ["openssl", "x509", "-noout", "-subject", "-ext", "subjectAltName", "-in", certificate]
    assert subprocess.run(verify, check=True, capture_output=True, text=True).stdout.endswith(
        "OK\n"
    )
    shown = subprocess.run(show, check=True, capture_output=True, text=True).stdout
    assert "O = system:nodes, CN = system:node:a" in shown
    assert "DNS:a" in shown
    assert "IP Address:10.0.0.1" in shown


def test_a_kubeconfig_carries_everything_in_itself() -> None:
    config = json.loads(kubeconfig("https://127.0.0.1:1", b"ca", b"crt", b"key"))

    (cluster,), (user,) = config["clusters"], config["users"]
    assert cluster["cluster"]["server"] == "https://127.0.0.1:1"
    assert base64.b64decode(cluster["cluster"]["certificate-authority-data"]) == b"ca"
    assert base64.b64decode(user["user"]["client-key-data"]) == b"key"
    assert config["current-context"] == config["contexts"][0]["name"]
