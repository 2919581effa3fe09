"""Keys and certificates of one lab, by openssl, and the kubeconfig files made of them."""

import base64
import json
from pathlib import Path

from lab.commands import run

_DAYS = "30"


class Authority:
    """The lab's certificate authority in a folder; everything else is signed by it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate = folder / "ca.crt"
        self._key = folder / "ca.key"
        if not self.certificate.exists():
            self._new_key("ca")
            command = f"openssl req -x509 -new -key {self._key} -days {_DAYS}".split()
            usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"]
            run([*command, *usage, "-subj", "/CN=numalocal-lab", "-out", self.certificate])

    def issue(
        self,
        name: str,
        common_name: str,
        *,
        organization: str = "",
        addresses: tuple[str, ...] = (),
    ) -> None:
        """Sign `name`.crt with `name`.key; addresses are IPs or DNS names the holder serves."""
        self._new_key(name)
        subject = (f"/O={organization}" if organization else "") + f"/CN={common_name}"
        request = run(
            ["openssl", "req", "-new", "-key", self.folder / f"{name}.key", "-subj", subject]
        )
        extensions = self.folder / f"{name}.ext"
        alternatives = ",".join(f"{'IP' if one[0].isdigit() else 'DNS'}:{one}" for one in addresses)
        extensions.write_text(
            "extendedKeyUsage=clientAuth,serverAuth\n"
            + (f"subjectAltName={alternatives}\n" if alternatives else "")
        )
        command = f"openssl x509 -req -CA {self.certificate} -CAkey {self._key}".split()
        output = self.folder / f"{name}.crt"
        run(
            [*command, "-CAcreateserial", "-days", _DAYS, "-extfile", extensions, "-out", output],
            stdin=request,
        )

    def kubeconfig(self, name: str, server: str) -> str:
        """Write a kubeconfig that carries a holder's key and certificate in itself."""
        return kubeconfig(
            server,
            self.certificate.read_bytes(),
            (self.folder / f"{name}.crt").read_bytes(),
            (self.folder / f"{name}.key").read_bytes(),
        )

    def _new_key(self, name: str) -> None:
        curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        run(["openssl", "genpkey", *curve, "-out", self.folder / f"{name}.key"])


def kubeconfig(server: str, authority: bytes, certificate: bytes, private_key: bytes) -> str:
    """Render a kubeconfig of one cluster, one user, one context; JSON is YAML too."""

    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    cluster = {"server": server, "certificate-authority-data": text(authority)}
    user = {"client-certificate-data": text(certificate), "client-key-data": text(private_key)}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": "lab", "user": user}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
            "current-context": "lab",
        },
        indent=2,
    )
