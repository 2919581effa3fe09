"""Record a worker's whole life: its sandbox, its check, its engine, and their end."""

import gzip
import sys
from pathlib import Path

from faults.population import agent
from faults.workloads import kill_container
from installed import SETS, install, sets
from lab.cluster import Lab, running
from lab.commands import LabError, step, wait_for
from workers import Workers

_SOCKET = "/var/run/nri/nri.sock"
_RECORD = "/run/nri-record"
_SCRIPT = "/run/between.py"
_UNIT = "nri-between"
_NAME = "recorded"


def main() -> None:
    """Record on the lab that is up, into the file that is named."""
    (file,) = sys.argv[1:]
    lab = running()
    if lab is None:
        raise LabError("no lab is up: start one by `make lab`")
    with step(f"recording into {file}"):
        install(lab)
        Path(file).write_bytes(gzip.compress(_recorded(lab).encode(), mtime=0))


def _recorded(lab: Lab) -> str:
    script = (Path(__file__).parent / "between.py").read_text()
    lab.node(f"cat > {_SCRIPT} <<'END_OF_SCRIPT'\n{script}\nEND_OF_SCRIPT")
    lab.node(f"systemd-run --unit {_UNIT} python3 {_SCRIPT} {_SOCKET} {_RECORD}")
    try:
        _start_anew(lab)
        worker = Workers(lab)
        worker.create(_NAME, engine={"name": "openmp"})
        worker.wait_verified(_NAME)
        worker.delete_all()
        wait_for("the end of its sandbox", lambda: _ended(lab), timeout_s=150)
        return _of_the_agent(lab.node(f"cat {_RECORD}"))
    finally:
        lab.node(f"systemctl stop {_UNIT}; rm -f {_SCRIPT} {_RECORD}")
        _start_anew(lab)


def _start_anew(lab: Lab) -> None:
    """End the agent's container: the next one connects to the socket that is there by now."""
    (container,) = agent(lab)["status"]["containerStatuses"]
    kill_container(lab, container["containerID"].removeprefix("containerd://"))
    wait_for("the agent's end", lambda: sets(lab) != SETS, timeout_s=60)
    wait_for("the node's CPU sets", lambda: sets(lab) == SETS, timeout_s=120)


def _ended(lab: Lab) -> bool:
    """Tell whether the runtime has no sandbox of the worker's any more."""
    chosen = f'\'labels."io.kubernetes.pod.name"=="{_NAME}-0"\''
    return not lab.node(f"ctr --namespace k8s.io containers list --quiet {chosen}")


def _of_the_agent(text: str) -> str:
    """Keep the agent's own connection: others are short ones of its repairs."""
    lines = [line.split() for line in text.splitlines()]
    if not lines:
        raise LabError("nothing was recorded: does the agent connect to the socket that it should?")
    first = lines[0][0]
    return "".join(f"{who} {data}\n" for number, who, data in lines if number == first)


if __name__ == "__main__":
    main()
