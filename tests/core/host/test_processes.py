"""Trees of real processes; in a process of their own, as ours has other children."""

import os
import subprocess
import sys
from pathlib import Path

from numalocal.host import processes

CORE = Path(__file__).parents[3] / "core"


def in_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"import os, signal, time\n{code}"],
        env={**os.environ, "PYTHONPATH": str(CORE)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


FAMILY = """
from numalocal.host import processes
processes.adopt_orphans()
ready, done = os.pipe()
first = os.fork()
if first == 0:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(done, b".")
            time.sleep(600)
        os._exit(0)
    time.sleep(600)
os.read(ready, 1)
"""


def test_a_daemon_does_not_leave_the_tree() -> None:
    code = """
deadline = time.monotonic() + 60
while len(found := processes.orphans({first})) < 1 and time.monotonic() < deadline:
    time.sleep(0.01)
members = [*processes.tree([first]), *found]
processes.kill(members)
while processes.children(os.getpid()) and time.monotonic() < deadline:
    processes.orphans(())
    time.sleep(0.01)
print(len(found), len(members), processes.children(os.getpid()))
"""
    assert in_python(FAMILY + code) == "1 3 []"


def test_a_kernel_without_lists_of_children_is_asked_another_way() -> None:
    with subprocess.Popen(["/bin/sleep", "600"]) as child:
        assert child.pid in processes.children(os.getpid())
        assert child.pid in processes.children(os.getpid(), from_kernel=False)
        child.kill()
    assert processes.children(child.pid) == []
    assert processes.children(child.pid, from_kernel=False) == []


def test_a_tree_that_bites_its_tail_ends() -> None:
    assert list(processes.tree([os.getpid(), os.getpid()])).count(os.getpid()) == 1


def test_a_process_says_for_which_cpus_it_was_started() -> None:
    environment = {"NUMALOCAL_RANK_CPUS": "900100|900104"}
    with subprocess.Popen(["/bin/sleep", "600"], env=environment) as child:
        assert processes.rank_cpus(child.pid) == "900100|900104"
        assert processes.command(child.pid) == ("/bin/sleep", "600")
        child.kill()
        child.wait()
    assert processes.rank_cpus(child.pid) is None
    assert processes.command(child.pid) == ()


FIRST_ENDS = """
import ctypes, os, threading, time
threading.stack_size(1 << 20)
threading.Thread(target=time.sleep, args=(600,)).start()
ctypes.CDLL(None).syscall({"x86_64": 60, "s390x": 1}.get(os.uname().machine, 93), 0)
"""


def test_a_process_has_its_command_and_environment_when_its_first_thread_has_ended() -> None:
    environment = {**os.environ, "NUMALOCAL_RANK_CPUS": "900108"}
    with subprocess.Popen([sys.executable, "-c", FIRST_ENDS], env=environment) as child:
        while "Z (zombie)" not in Path(f"/proc/{child.pid}/status").read_text():
            pass
        found = processes.command(child.pid), processes.rank_cpus(child.pid)
        child.kill()

    assert found == ((sys.executable, "-c", FIRST_ENDS), "900108")


def test_arguments_are_told_as_they_were_written() -> None:
    written = ["/bin/sleep", "600", "", "\udcff a", "\n"]
    with subprocess.Popen(["/bin/sh", "-c", "kill -STOP $$", *written]) as child:
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        found = processes.command(child.pid)
        child.kill()

    assert found == ("/bin/sh", "-c", "kill -STOP $$", *written)


def test_one_that_is_stopped_can_be_asked_to_end() -> None:
    with subprocess.Popen(["/bin/sh", "-c", "kill -STOP $$; sleep 600"]) as child:
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        processes.terminate([child.pid, 1 << 22])
        assert child.wait(60) == -15
