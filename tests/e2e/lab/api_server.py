"""An API server and its etcd on the host's loopback, without nodes: for schemas and scale."""

import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import binaries, control_plane
from lab.certificates import Authority
from lab.choices import chosen
from lab.commands import run, wait_for
from lab.processes import Processes

_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class ApiServer:
    """One that runs on a port of loopback.  `folder` has the certificates."""

    port: int
    folder: Path
    kubeconfig: Path
    programs: Path
    etcd: str = ""
    """Where its etcd listens."""

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout_s: float = 60) -> str:
        """Run kubectl as the cluster's administrator.

        Raises:
            LabError: with what it said.
        """
        env = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        return run(
            [self.programs / "kubectl", *arguments], stdin=stdin, timeout_s=timeout_s, env=env
        )

    def kubectl_json(self, *arguments: str) -> Any:
        """Run kubectl with JSON output, and parse it."""
        return json.loads(self.kubectl(*arguments, "--output", "json"))

    def apply(self, *documents: Any) -> None:
        """Apply objects on the server's side."""
        for document in documents:
            self.kubectl("apply", "--server-side", "--filename", "-", stdin=json.dumps(document))


@contextmanager
def serving(folder: Path, flags: Sequence[str] = ()) -> Iterator[ApiServer]:
    """Start both with an empty store, and end them; `flags` are more of the API server's."""
    programs = binaries.kubernetes(chosen(os.environ).kubernetes)
    authority = control_plane.certificates(folder / "pki")
    client, peer, port = _free_ports(3)
    processes = Processes(folder / "run")
    etcd = f"http://{_LOOPBACK}:{client}"
    try:
        processes.start("etcd", _etcd(folder / "etcd", etcd, f"http://{_LOOPBACK}:{peer}"))
        own = control_plane.api_server_flags(
            authority.folder, address=_LOOPBACK, port=port, etcd=etcd
        )
        # The one controller of its own makes endpoints of an address that pods can reach.
        own += ["--endpoint-reconciler-type=none"]
        processes.start("kube-apiserver", [programs / "kube-apiserver", *own, *flags])
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(authority.kubeconfig("admin", f"https://{_LOOPBACK}:{port}"))
        found = ApiServer(port, authority.folder, kubeconfig, programs, etcd)
        wait_for(
            f"API server ready (see {processes.directory}/kube-apiserver.log)",
            lambda: found.kubectl("get", "--raw", "/readyz") == "ok",
            timeout_s=120,
        )
        yield found
    finally:
        processes.stop_all()


@contextmanager
def controlling(api: ApiServer, controllers: Sequence[str], flags: Sequence[str]) -> Iterator[int]:
    """Run these controllers of Kubernetes alone, and give the pid of their process."""
    folder = api.folder.parent / "controllers"
    processes = Processes(folder)
    authority = Authority(api.folder)
    config = api.folder / "controllers.kubeconfig"
    config.write_text(authority.kubeconfig("controller-manager", f"https://{_LOOPBACK}:{api.port}"))
    command = [
        str(api.programs / "kube-controller-manager"),
        f"--kubeconfig={config}",
        f"--controllers={','.join(controllers)}",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--secure-port={_free_ports(1)[0]}",
        f"--bind-address={_LOOPBACK}",
        *flags,
    ]
    try:
        yield processes.start("kube-controller-manager", command)
    finally:
        processes.stop_all()


def _etcd(data: Path, client: str, peer: str) -> list[str]:
    listening = ["--listen-client-urls", client, "--advertise-client-urls", client]
    listening += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
    listening += ["--initial-cluster", f"default={peer}"]
    quiet = ["--unsafe-no-fsync", "--log-level", "warn"]
    return ["etcd", "--data-dir", str(data), *listening, *quiet]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((_LOOPBACK, 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
