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
from nodeless import OPERATOR, token

ROOT = Path(__file__).parents[2]


@contextmanager
def running_operator(
    api: ApiServer, folder: Path, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the operator, told by variables; its log goes to `folder`/log."""
    (folder / "kubeconfig").write_text(kubeconfig(api, token(api, account=OPERATOR)))
    paths = (str(ROOT / one) for one in ("core", "operator", "tests/e2e"))
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(paths),
        "KUBECONFIG": str(folder / "kubeconfig"),
        **variables,
    }
    with (folder / "log").open("ab") as log:
        command = [sys.executable, str(Path(__file__).with_name("webless.py"))]
        process = subprocess.Popen(command, env=environ, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


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
