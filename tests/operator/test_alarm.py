import os
import signal
import subprocess
import sys
import time

from .waiting import PATIENCE_S

PROGRAM = """
import sys, threading, time
from numalocal_operator.alarm import Alarm
Alarm().set(float(sys.argv[1]))
def speak():
    while True:
        print("alive", flush=True)
        time.sleep(0.01)
threading.Thread(target=speak, daemon=True).start()
time.sleep(60)
"""


def started(after_s: float) -> subprocess.Popen[str]:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PROGRAM, str(after_s)]
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)


def test_a_process_that_was_stopped_past_its_time_does_nothing_more() -> None:
    with started(1.0) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "alive\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.2)
        os.set_blocking(process.stdout.fileno(), False)
        while process.stdout.readline():
            """Read what it said before."""
        process.send_signal(signal.SIGCONT)
        status = process.wait(PATIENCE_S)
        said = process.stdout.read()

    assert status == signal.SIGALRM, "the handler ends it with the signal's number"
    assert said in ("", None)
