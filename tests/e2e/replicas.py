"""Operators as processes of this machine, each with its own user and way to the API server."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from pathlib import Path
from typing import BinaryIO

import operating
from cuttable import Way, way
from lab.api_server import ApiServer
from lab.certificates import Authority
from nodeless import NAMESPACE, OPERATOR

ROOT = Path(__file__).parents[2]
GROUP = "numalocal-operators"
ROLES = ("clusterrole/numalocal-operator", "clusterrole/numalocal-webhook")
LOCAL_ROLES = ("numalocal-leader", "numalocal-webhook")


@dataclass
class Replica:
    """One operator: `user` is what the audit log calls it."""

    user: str
    way: Way
    environ: dict[str, str]
    log: BinaryIO
    process: subprocess.Popen[bytes] | None = None
    is_still: bool = False

    def start(self) -> None:
        """Start it, as its container does."""
        command = [sys.executable, "-m", "numalocal_operator"]
        self.process = subprocess.Popen(command, env=self.environ, stderr=self.log)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing where it has ended."""
        if self.process is not None:
            self.process.send_signal(number)

    def end(self) -> None:
        """End it, whatever its state."""
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        if self.process is not None:
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()

    def standing(self) -> str:
        """Ask whether it leads; empty where it does not answer."""
        url = f"http://127.0.0.1:{self.environ['NUMALOCAL_LISTEN_HEALTH']}/healthz"
        with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())
        return ""

    def leads(self) -> bool:
        """Tell whether it says that it leads."""
        return self.standing() == "ok: leads"

    def review(self) -> str:
        """Ask its webhook for a pod; give what is wrong with the answer, empty where nothing is."""
        pod = {
            "metadata": {"annotations": {"numalocal.io/cpusets": "1"}},
            "spec": {"containers": [{"name": "a"}]},
        }
        body = json.dumps({"request": {"uid": "u", "object": pod}})
        context = ssl._create_unverified_context()
        port = int(self.environ["NUMALOCAL_LISTEN_WEBHOOK"])
        connection = HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
        try:
            connection.request("POST", "/mutate", body)
            answer = json.loads(connection.getresponse().read())["response"]
        except (OSError, ValueError) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            connection.close()
        return "" if answer["allowed"] and answer["patch"] else str(answer)


def authorize(api: ApiServer) -> None:
    """Give the operators what the chart gives its service account, and no more."""
    group = f"--group={GROUP}"
    for role in ROLES:
        kind, _, name = role.partition("/")
        api.kubectl("create", f"{kind}binding", f"test-{name}", f"--{kind}={name}", group)
    for name in LOCAL_ROLES:
        about = (f"--role={name}", group, f"--namespace={NAMESPACE}")
        api.kubectl("create", "rolebinding", f"test-{name}", *about)


@contextmanager
def replica(api: ApiServer, folder: Path, user: str) -> Iterator[Replica]:
    """Start an operator; end it, and its way."""
    authority = Authority(api.folder)
    authority.issue(user, user, organization=GROUP)
    health, webhook = _free_ports(2)
    with way(api.port) as found, (folder / f"{user}.log").open("ab") as log:
        kubeconfig = folder / f"{user}.kubeconfig"
        kubeconfig.write_text(authority.kubeconfig(user, f"https://127.0.0.1:{found.port}"))
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(str(ROOT / one) for one in ("core", "operator")),
            "KUBECONFIG": str(kubeconfig),
            "NUMALOCAL_LISTEN_ADDRESS": "127.0.0.1",
            "NUMALOCAL_LISTEN_HEALTH": str(health),
            "NUMALOCAL_LISTEN_WEBHOOK": str(webhook),
            "NUMALOCAL_LEASE_NAMESPACE": NAMESPACE,
            "NUMALOCAL_LEASE": OPERATOR,
            **operating.webhook(),
        }
        made = Replica(user, found, environ, log)
        made.start()
        try:
            yield made
        finally:
            made.end()


@dataclass
class Callers:
    """Calls the webhook of every replica again and again; notes what went wrong and when."""

    replicas: Sequence[Replica]
    faults: list[tuple[str, str]] = field(default_factory=list)
    answers: int = 0
    longest_s: float = 0.0
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Call while the block runs."""
        threads = [threading.Thread(target=self._call, args=(one,)) for one in self.replicas]
        for one in threads:
            one.start()
        try:
            yield
        finally:
            self._ended.set()
            for one in threads:
                one.join()

    def _call(self, one: Replica) -> None:
        while not self._ended.wait(0.2):
            if one.is_still:
                continue
            began_s = time.monotonic()
            fault = one.review()
            self.longest_s = max(self.longest_s, time.monotonic() - began_s)
            if not fault:
                self.answers += 1
            elif not one.is_still:  # it was ended on purpose meanwhile
                self.faults.append((one.user, fault))


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
