"""Run commands, show progress with times, and fail with a sentence."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class LabError(Exception):
    """The lab cannot go on; its text is a sentence with the place to look at."""


@contextmanager
def step(title: str) -> Iterator[None]:
    """Say what is being done and, at its end, how long it took, as lines: steps may overlap."""
    print(f"lab: {title} ...", flush=True, file=sys.stderr)
    start = time.monotonic()
    try:
        yield
    except BaseException:
        print(f"lab: {title}: failed", file=sys.stderr, flush=True)
        raise
    print(f"lab: {title}: {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)


def run(
    command: Sequence[str | Path],
    *,
    stdin: str | None = None,
    timeout_s: float = 1800,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a command to its end and return its standard output.

    Raises:
        LabError: where it fails or takes too long, with the end of what it said.
    """
    line = " ".join(str(word) for word in command)
    try:
        done = subprocess.run(
            [str(word) for word in command],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            cwd=cwd,
            env=env,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{line}: no end after {timeout_s:.0f} s") from error
    except FileNotFoundError as error:
        raise LabError(f"{command[0]}: no such program on this machine") from error
    if done.returncode != 0:
        said = (done.stderr + done.stdout).strip()[-2000:]
        raise LabError(f"{line}: status {done.returncode}: {said}")
    return done.stdout


def wait_for(
    what: str, ready: Callable[[], object], *, timeout_s: float, interval_s: float = 0.5
) -> None:
    """Call `ready` until it returns true; LabError with its last reason after the timeout."""
    deadline = time.monotonic() + timeout_s
    reason = ""
    while True:  # once at least, and once after the time: a busy machine may stand still meanwhile
        late = time.monotonic() >= deadline
        try:
            if ready():
                return
        except LabError as error:
            reason = f": {error}"
        if late:
            break
        time.sleep(interval_s)
    raise LabError(f"{what}: not after {timeout_s:.0f} s{reason}")
