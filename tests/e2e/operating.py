"""The operator as a process of this machine, with the rights that the chart gives it."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.api_server import ApiServer
from nodeless import NAMESPACE, OPERATOR, token

ROOT = Path(__file__).parents[2]
WEBHOOK = "numalocal-webhook"


@contextmanager
def running_operator(
    api: ApiServer, folder: Path, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the operator, told by variables; its log goes to `folder`/log.

    It serves the webhook where the variables tell it to.
    """
    (folder / "kubeconfig").write_text(kubeconfig(api, token(api, account=OPERATOR)))
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(str(ROOT / one) for one in ("core", "operator")),
        "KUBECONFIG": str(folder / "kubeconfig"),
        "NUMALOCAL_LEASE_NAMESPACE": NAMESPACE,
        "NUMALOCAL_LEASE": OPERATOR,
        "NUMALOCAL_LISTEN_ADDRESS": "127.0.0.1",
        "NUMALOCAL_LISTEN_HEALTH": "0",
        "NUMALOCAL_LISTEN_WEBHOOK": "0",
        **variables,
    }
    with (folder / "log").open("ab") as log:
        command = [sys.executable, "-m", "numalocal_operator"]
        process = subprocess.Popen(command, env=environ, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)  # it ends itself after 25 s, where it is not held up


def webhook(certificate: str = "operator") -> dict[str, str]:
    """Give the variables of the chart's webhook; cert-manager's certificate is but waited for."""
    found = {f"NUMALOCAL_WEBHOOK_{one}": WEBHOOK for one in ("SERVICE", "SECRET", "CONFIGURATION")}
    place = {"NUMALOCAL_WEBHOOK_NAMESPACE": NAMESPACE}
    return {**found, **place, "NUMALOCAL_WEBHOOK_CERTIFICATE": certificate}


def kubeconfig(api: ApiServer, secret: str) -> str:
    """Render a kubeconfig for the holder of a token."""
    authority = base64.b64encode((api.folder / "ca.crt").read_bytes()).decode()
    server = {"server": f"https://127.0.0.1:{api.port}", "certificate-authority-data": authority}
    context = {"cluster": "lab", "user": "operator"}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": server}],
            "users": [{"name": "operator", "user": {"token": secret}}],
            "contexts": [{"name": "lab", "context": context}],
            "current-context": "lab",
        }
    )
