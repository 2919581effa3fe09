"""Every status that a worker has, as a watch of kubectl sees it, held against kstatus's rules."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.operator import kstatus

from lab.commands import wait_for

Raw = dict[str, Any]


@dataclass(slots=True)
class Watched:
    """What a watch has seen so far."""

    log: Path

    @property
    def workers(self) -> list[Raw]:
        """The worker after each change, in order."""
        decoder, text, at = json.JSONDecoder(), self.log.read_text(), 0
        found: list[Raw] = []
        while (at := text.find("{", at)) >= 0:
            try:
                one, at = decoder.raw_decode(text, at)
            except ValueError:
                break  # the rest of it is yet to come
            found.append(one)
        return found

    @property
    def told(self) -> list[str]:
        """What kstatus made of it each time, repetitions left out."""
        found = [kstatus.computed(one) for one in self.workers]
        return [one for one, before in zip(found, ["", *found], strict=False) if one != before]

    @property
    def ready(self) -> list[int]:
        """How many replicas were ready each time."""
        return [(one.get("status") or {}).get("readyReplicas") or 0 for one in self.workers]

    def hold(self) -> None:
        """Hold every status against the rules; one without conditions is of a worker not yet seen.

        A status is held by the generation that it answers: until the operator has seen the next,
        that alone tells every tool that work is under way.
        """
        for one in self.workers:
            status = one.get("status") or {}
            if status.get("conditions"):
                kstatus.hold(status, status["observedGeneration"])
            else:
                assert kstatus.computed(one) == kstatus.IN_PROGRESS, status
            if kstatus.computed(one) == kstatus.CURRENT:
                replicas = one["spec"]["replicas"]
                counted = [status[f"{kind}Replicas"] for kind in ("ready", "updated")]
                assert [*counted, status["replicas"]] == 3 * [replicas], status


@contextmanager
def watching(kubectl: Path, kubeconfig: Path, name: str, namespace: str) -> Iterator[Watched]:
    """Watch a worker from now on; it need not be there yet."""
    chosen = ("ciw", f"--field-selector=metadata.name={name}", f"--namespace={namespace}")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "seen"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [kubectl, "get", *chosen, "--watch", "--output=json"],
                env={**os.environ, "KUBECONFIG": str(kubeconfig)},
                stdout=out,
                stderr=subprocess.DEVNULL,
            )
        try:
            yield Watched(log)
        finally:
            process.terminate()
            process.wait(20)


def until_seen(watched: Watched, told: str, *, timeout_s: float = 120) -> None:
    """Wait until the watch has come to what kstatus says last."""
    wait_for(f"kstatus: {told}", lambda: watched.told[-1:] == [told], timeout_s=timeout_s)
